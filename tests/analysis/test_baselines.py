"""scikit-learn's classifiers on the rows of a task."""

import math
import sys

import pytest

from grokinterp.analysis import baselines
from grokinterp.errors import BadRequest
from grokinterp.tasks import Task

SMALL = {"p": 11, "bits": 60, "winners": 7, "include_equal": True}


@pytest.fixture(scope="module")
def task():
    pytest.importorskip("sklearn")
    return Task("encoded_sum", **SMALL).split(frac=0.5, seed=0)


def test_a_forest_remembers_its_rows_and_equal_pairs_are_counted(task):
    """Trees without a limit of depth, each of which sees two thirds of the rows, fit what they were given."""
    score = baselines.random_forest(task, trees=60)
    assert score.train > 0.9 and 0 <= score.test < score.train
    assert score.n_test_equal == int((task.is_equal_pair & ~task.is_train).sum())
    assert (score.test_equal * score.n_test_equal) % 1 == pytest.approx(0, abs=1e-9)
    stump = baselines.random_forest(task, trees=1, max_depth=1)
    assert stump.train < 0.5


def test_the_mlp_learns_its_rows_and_needs_the_iterations(task):
    """All of the rows trained on after 300 iterations; not after one."""
    assert baselines.mlp(task, (60,), iterations=300).train == 1
    assert baselines.mlp(task, (60,), iterations=1).train < 0.5


def test_without_equal_pairs_there_is_no_share_of_them():
    """NaN, of 0 rows."""
    pytest.importorskip("sklearn")
    task = Task("encoded_sum", **{**SMALL, "include_equal": False}).split(frac=0.5, seed=0)
    score = baselines.random_forest(task, trees=2)
    assert math.isnan(score.test_equal) and score.n_test_equal == 0


def test_a_sweep_has_a_row_for_each_setting_and_seed():
    """The seed draws the clocks too, where there are any; the rows say what they are of."""
    pytest.importorskip("sklearn")
    settings = [{**SMALL, "winners": 5}, {"p": 11, "encoder": "one_hot", "combine": "or"}]
    table = baselines.sweep(settings, baselines.random_forest, seeds=(0, 1), trees=3)
    assert len(table) == 4 and table.seed.tolist() == [0, 1, 0, 1]
    assert table.winners[:2].tolist() == [5, 5] and table.encoder[2:].tolist() == ["one_hot"] * 2
    assert table.test.between(0, 1).all()


def test_rows_of_tokens_or_without_a_split_are_refused(task):
    """In one line, with the remedy."""
    with pytest.raises(BadRequest, match="rows of tokens, not of numbers"):
        baselines.mlp(Task("a + b", p=5).split())
    with pytest.raises(BadRequest, match=r"no split yet; use task\.split"):
        baselines.mlp(Task("encoded_sum", **SMALL))


def test_where_scikit_learn_is_missing_the_extra_is_named(task, monkeypatch):
    """Not a traceback about a module."""
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(BadRequest, match=r"pip install 'grokinterp\[systems\]'"):
        baselines.random_forest(task)
