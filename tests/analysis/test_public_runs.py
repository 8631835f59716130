"""The shipped table is the published runs, counted; what is said of them follows from it."""

from pathlib import Path

import pandas as pd
import pytest

from grokinterp.analysis import public_runs
from grokinterp.analysis.clock_or_pizza import KINDS, Evidence, Rule
from grokinterp.config import EmbeddingMLPConfig, TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.tasks import Task

ROOT = Path(__file__).parents[2]
FILES = ("pizza/1l_fixedwidth.csv", "pizza/1l_varywidth.csv")


@pytest.fixture(scope="module")
def raw(data):
    """The published runs that have all measures."""
    runs = pd.concat([pd.read_csv(data(name)) for name in FILES], ignore_index=True)
    return runs.dropna(subset=["gradient_sim", "distance_irrelevance", "circularity"])


@pytest.fixture(scope="module")
def script(loaded):
    """docs/public_runs.py, which is no part of the package."""
    return loaded(ROOT / "docs" / "public_runs.py")


def test_the_table_can_be_made_again(data, script):
    """The script, run on the published files, gives the table that ships."""
    pd.testing.assert_frame_equal(script.counted([data(name) for name in FILES]), public_runs.table())


def test_the_page_is_the_tables(script):
    """docs/public_runs.md says what the shipped table says, and the table is small."""
    assert (ROOT / "docs" / "public_runs.md").read_text() == script.page()
    assert public_runs.TABLE.stat().st_size < 100_000


def test_the_runs_of_the_papers_figures():
    """Their filter (one layer, plain tokens, circularity above 0.995) keeps 817 + 466 runs, their figures' markers."""
    assert public_runs.table().runs.sum() == 13_890
    assert public_runs.chosen("one", plain=True, circular=True).runs.sum() == 817 + 466


@pytest.mark.parametrize("layers", ["one", "deep"])
def test_verdicts_are_those_of_the_runs_themselves(raw, layers):
    """Thresholds are edges of bins, so the counts give every run's own verdict, and the rules' agreement."""
    runs = raw[(raw.n_layers == 1) == (layers == "one")]
    rule = Rule()
    each = [
        rule.verdict(Evidence(*run))
        for run in zip(runs.gradient_sim, runs.distance_irrelevance, runs.validation_accuracy, strict=True)
    ]
    cells = public_runs.chosen(layers)
    shares = public_runs.verdicts(cells)
    for kind in KINDS:
        assert shares[kind] == pytest.approx(each.count(kind) / len(runs))
    agreement = public_runs.agreement(cells)
    by_hand = [
        rule.gradients_say(run.gradient_sim) == rule.distances_say(run.distance_irrelevance)
        for run in runs.itertuples()
    ]
    assert agreement["agree"] == pytest.approx(sum(by_hand) / len(runs))
    assert sum(agreement.values()) == pytest.approx(1)
    one = cells[cells.runs > 0].iloc[:1].assign(runs=1)
    assert public_runs.verdicts(one).sum() == 1  # a share of one run


def test_how_far_to_trust_a_verdict():
    """The two rules agree on half of the solved one-layer runs, 76 % of the figures', a third of the deeper ones."""
    one, deep = (public_runs.agreement(public_runs.chosen(layers, solved=True)) for layers in ("one", "deep"))
    figures = public_runs.agreement(public_runs.chosen("one", solved=True, plain=True, circular=True))
    assert [round(found["agree"], 2) for found in (one, figures, deep)] == [0.50, 0.76, 0.33]
    assert [round(found["gradients_between"], 2) for found in (one, deep)] == [0.24, 0.40]
    assert [round(found["pizza_by_gradients_only"], 2) for found in (one, deep)] == [0.26, 0.26]


def test_shares_by_attention_rate(raw):
    """Each tenth's shares add up to 1, its runs to the whole, and a tenth can be chosen by any rate in it."""
    cells = public_runs.chosen("one")
    table = public_runs.verdicts_by_attention_rate(cells)
    assert table.runs.sum() == cells.runs.sum() == (raw.n_layers == 1).sum()
    assert table[list(KINDS)].sum(axis=1).tolist() == pytest.approx([1] * 10)
    assert public_runs.chosen("one", attention_rate=0.37).runs.sum() == table.runs.iloc[3]
    assert public_runs.chosen("one", attention_rate=1.0).runs.sum() == table.runs.iloc[9]
    # The figures' finding: pizzas below half attention, clocks near full attention.
    figure = public_runs.verdicts_by_attention_rate(public_runs.chosen("one", plain=True, circular=True))
    assert (figure.pizza.iloc[:4] > 0.8).all() and (figure.clock.iloc[8:] > 0.8).all()


def test_the_background_of_a_plot(raw):
    """Counts by gradient symmetricity and distance irrelevance, every run in its bin."""
    counts = public_runs.histogram(public_runs.chosen("deep", solved=True))
    solved = raw[(raw.n_layers > 1) & (raw.validation_accuracy >= 0.99)]
    assert counts.sum() == len(solved)
    corner = solved[
        solved.gradient_sim.between(0.98, 0.99, "left") & solved.distance_irrelevance.between(0.9, 0.95, "left")
    ]
    row, column = (
        public_runs.bin_of(n, v) for n, v in (("gradient_symmetricity", 0.985), ("distance_irrelevance", 0.92))
    )
    assert counts[row, column] == len(corner) > 0


def test_moving_a_threshold_flips_what_lies_between():
    """A rule flips nothing of its own, and a stricter GS threshold only the pizzas in the bin it leaves out."""
    cells = public_runs.chosen("one", solved=True)
    assert public_runs.flipped(cells, Rule()) == 0
    left_out = cells[
        (cells.gradient_symmetricity == public_runs.bin_of("gradient_symmetricity", 0.985))
        & (cells.distance_irrelevance < public_runs.bin_of("distance_irrelevance", 0.5))
    ]
    assert public_runs.flipped(cells, Rule(symmetric=0.99)) == pytest.approx(left_out.runs.sum() / cells.runs.sum())


def test_what_the_bins_cannot_tell_is_refused():
    """A threshold inside a bin, another bound of accuracy, a rate above 1."""
    cells = public_runs.chosen("one")
    with pytest.raises(BadRequest, match=r"symmetric=0.975 is no edge"):
        public_runs.verdicts(cells, Rule(symmetric=0.975))
    with pytest.raises(BadRequest, match=r"use 0.99"):
        public_runs.agreement(cells, Rule(solved=0.9))
    with pytest.raises(BadRequest, match=r"outside the public runs' 0.0 .. 1.0"):
        public_runs.chosen(attention_rate=1.5)


def test_of_no_runs_every_share_is_zero():
    """A depth and rate that nobody trained: no division by nothing."""
    none = public_runs.chosen("one").iloc[:0]
    assert public_runs.verdicts(none).to_dict() == dict.fromkeys(KINDS, 0)
    assert set(public_runs.agreement(none).values()) == {0} and public_runs.flipped(none, Rule(symmetric=0.99)) == 0


@pytest.mark.parametrize(
    ("rate", "layers", "kin"),
    [(0.0, 1, ("one", 0.0)), (1.0, 2, ("deep", 1.0)), (1.5, 1, None), (-0.5, 1, None)],
)
def test_kin_have_a_rate_that_was_trained(rate, layers, kin):
    """From none to all of the attention, ends included."""
    config = object.__new__(TransformerConfig)
    for name, value in {**vars(TransformerConfig(n_layers=layers)), "attention_rate": rate}.items():
        object.__setattr__(config, name, value)
    assert public_runs.kin(config, Task("a + b", p=59, layout="a b")) == kin


@pytest.mark.parametrize(
    ("expression", "p", "layout", "kin"),
    [
        ("a + b", 59, "a b", ("deep", 0.25)),
        ("a + b", 59, "a b =", None),  # fed without it in their tables
        ("a + b", 61, "a b", None),
        ("a - b", 59, "a b", None),
        ("a * b", 59, "a b", None),
    ],
)
def test_kin_are_the_runs_of_the_same_task_and_rows(expression, p, layout, kin):
    """A cloud of other sums says nothing of a difference, another modulus, or rows that were fed otherwise."""
    task = Task(expression, p=p, layout=layout)
    assert public_runs.kin(TransformerConfig(n_layers=2, attention_rate=0.25), task) == kin
    assert public_runs.kin(TransformerConfig(activation="gelu"), task) is None
    assert public_runs.kin(EmbeddingMLPConfig(), task) is None
