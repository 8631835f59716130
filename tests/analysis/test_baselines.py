"""scikit-learn's classifiers on the rows of a task."""

import math
import sys
from types import SimpleNamespace

import numpy as np
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


def test_a_classifier_is_taught_the_labels_trained_on_and_scored_by_the_answers(monkeypatch):
    """One that learns its rows by heart: wrong on the mislabelled ones, which it was taught wrongly."""

    class ByHeart:
        def __init__(self, *settings, **named):
            self.known = {}

        def fit(self, x, labels):
            self.known = dict(zip(map(bytes, x), labels, strict=True))

        def predict(self, x):
            return np.array([self.known.get(bytes(row), -1) for row in x])

    monkeypatch.setattr(baselines, "_sklearn", lambda module: SimpleNamespace(RandomForestClassifier=ByHeart))
    task = Task("encoded_sum", p=11, encoder="one_hot", combine="concatenate")  # every pair has a code of its own
    mislabelled = task.split(frac=0.5, seed=0, mislabelled=5)
    found = baselines.random_forest(mislabelled)
    assert found.train == pytest.approx(1 - 5 / int(mislabelled.is_train.sum())) and found.test == 0


def test_each_seed_of_a_sweep_is_that_of_split_and_classifier():
    """What `fit` is handed: other rows to train on and another seed, the same again for the same."""
    handed = []

    def fit(task, seed):
        handed.append((seed, task.is_train.tolist()))
        return baselines.Score(1.0, 1.0, 1.0, 1)

    baselines.sweep([{"p": 7, "bits": 20, "winners": 3}], fit, seeds=(1, 2, 1))
    assert [seed for seed, _ in handed] == [1, 2, 1] and handed[0] == handed[2]
    assert handed[0][1] != handed[1][1]
