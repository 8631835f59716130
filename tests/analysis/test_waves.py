"""A task's answers run around a cycle: the waves on its table are those of the answer, and of nothing else."""

import math

import numpy as np
import pytest
import torch

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle, Wave
from grokinterp.circuits import registered
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.reports.prose import task_in_words, task_sentence
from grokinterp.tasks import Task
from grokinterp.tasks.layout import LAYOUTS

KINDS = [
    ("a + b", 7),
    ("a + b", 12),
    ("a - b", 7),
    ("a - b", 12),
    ("a*b", 7),
    ("a*b", 3),
    ("a / b", 7),
    ("a / b", 11),
    ("multiply_non_zero", 5),
]


@pytest.mark.parametrize(("expression", "p"), KINDS)
def test_answers_are_sums_or_differences_of_places(expression, p):
    """On the grid over places each answer's place is i + j or i - j, mod the cycle; the number there is the answer."""
    task = Task(expression, p=p)
    wave = Wave.of(task)
    i = torch.arange(wave.cycle)
    assert torch.equal(wave.grid(wave.index), (i[:, None] + wave.sign * i) % wave.cycle)
    assert torch.equal(wave.tokens[wave.index[wave.is_on]], task.answer_labels[wave.is_on])
    assert torch.equal(wave.grid(task.operands[:, 0]), wave.tokens[:, None].expand(wave.cycle, wave.cycle))
    assert torch.equal(wave.on(task.operands), task.operands[wave.is_on])


@pytest.mark.parametrize(("expression", "p"), KINDS)
def test_only_rows_with_a_zero_operand_are_off_a_multiplicative_cycle(expression, p):
    """Zero has no discrete log; every row of a sum or a difference is on its cycle."""
    task = Task(expression, p=p)
    wave = Wave.of(task)
    expected = (task.operands > 0).all(1) if wave.is_multiplicative else torch.ones(p * p, dtype=torch.bool)
    assert torch.equal(wave.is_on, expected)
    assert wave.cycle == (p - 1 if wave.is_multiplicative else p)


@pytest.mark.parametrize(("expression", "p"), KINDS)
def test_directions_are_orthonormal_waves_of_the_answer(expression, p):
    """All of them together are orthonormal, zero off the cycle, and functions of the answer alone."""
    wave = Wave.of(Task(expression, p=p))
    waves = wave.directions(wave.frequencies.tolist())
    torch.testing.assert_close(waves @ waves.T, torch.eye(len(waves), dtype=torch.float64))
    assert len(waves) == wave.cycle - 1 and not waves[:, ~wave.is_on].any()
    torch.testing.assert_close(wave.fold(waves.T)[wave.index[wave.is_on]], waves.T[wave.is_on])


def test_directions_are_those_of_the_papers():
    """For a + b and a - b: cos(w_k(a + b)) and sin(w_k(a + b)) of unit norm over the table, and those of a - b."""
    for expression, of in (("a + b", fourier.sum_waves), ("a - b", fourier.difference_waves)):
        directions = Wave.of(Task(expression, p=7)).directions([2, 3])
        torch.testing.assert_close(directions, of(7, [2, 3]))
        a, b = Task(expression, p=7).operands.T
        angle = 2 * math.pi * 2 / 7 * (a + b if expression == "a + b" else a - b).double()
        torch.testing.assert_close(directions[0], angle.cos() / math.sqrt(49 / 2), atol=1e-12, rtol=0)


def test_a_product_turns_with_its_characters():
    """chi(a b) = chi(a) chi(b): the wave of a product is that of the Fourier basis read in discrete-log order."""
    p, k = 11, 3
    task = Task("a*b", p=p)
    wave, rows = Wave.of(task), fourier.characters(p)
    names = fourier.character_names(p)
    cosine = rows[names.index(f"cos {k}")][task.answer_labels] / math.sqrt(p - 1)
    torch.testing.assert_close(wave.directions([k])[0], torch.where(wave.is_on, cosine, 0.0))


def test_fold_is_the_mean_over_rows_of_one_answer():
    """Rows that share an answer are averaged; rows off the cycle do not count."""
    task = Task("a*b", p=7)
    wave = Wave.of(task)
    x = torch.randn(49, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[~wave.is_on] = torch.inf
    for place, answer in enumerate(wave.tokens.tolist()):
        torch.testing.assert_close(wave.fold(x)[place], x[task.answer_labels == answer].mean(0))


@pytest.mark.parametrize(
    ("expression", "p", "kind"),
    [
        ("b + a", 5, "sum"),
        ("a + b", 2, "sum"),
        ("a - b", 5, "difference"),
        ("b*a", 5, "product"),
        ("a / b", 5, "quotient"),
        ("add", 5, "sum"),
        ("multiply_non_zero", 5, "product"),
    ],
)
def test_the_answers_tell_the_kind(expression, p, kind):
    """However the formula is written, and by its name in a paper."""
    assert Wave.of(Task(expression, p=p)).kind == kind


@pytest.mark.parametrize(
    ("expression", "p"),
    [("a^2 + b", 5), ("a*b", 9), ("a + b + c", 3), ("a + b; a*b", 5), ("a*b + a", 5), ("b - a", 5), ("a / b", 2)],
)
def test_other_tasks_have_no_wave(expression, p):
    """Other operations, products mod a number that is not prime, three operands, mixtures."""
    assert Wave.of(Task(expression, p=p)) is None


def test_waves_that_do_not_exist_are_refused():
    """Frequencies outside 1 .. n/2, where n is the cycle's length and not p."""
    with pytest.raises(fourier.FourierError, match="between 1 and 3 for p=6"):
        Wave.of(Task("a*b", p=7)).directions([4])


MEASURES = ["logits", "progress", "neurons", "embedding", "spectrum", "clock_pizza"]

# Over the whole vocabulary by definition, and what follows from them.
OVER_THE_VOCABULARY = {"circularity", "distance_irrelevance_runner_up", "verdict_score"}

# A clock without its waves has no logits left; FCR weighs the waves that are not there like the others.
OF_ROUNDING = {"excluded_accuracy", "fcr", "fcr_multiplicative"}


def readings(snapshot: Snapshot) -> dict[str, np.ndarray]:
    """What the Fourier circuits read off a snapshot, by variable."""
    found, circuits = {}, registered()
    for name in MEASURES:
        assert circuits[name].why_not(snapshot) is None, name
        read = circuits[name].fit(snapshot).read(snapshot)
        found |= {str(variable): read[variable].values for variable in read.data_vars}
    return found


@pytest.fixture(scope="module")
def plain(planted) -> dict[str, dict[str, np.ndarray]]:
    """The readings of a planted clock in the layout of Nanda et al. 2023, by expression."""
    return {formula: readings(planted.transformer_clock(expression=formula)) for formula in ("a + b", "a - b", "a*b")}


@pytest.mark.parametrize("expression", ["a + b", "a - b", "a*b"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_planted_clock_reads_the_same_in_every_layout(planted, plain, layout, expression):
    """Operators, `=` and closing tokens are no numbers: every Fourier measure is that of the plain layout."""
    expected, found = plain[expression], readings(planted.transformer_clock(layout, expression=expression))
    assert expected.keys() == found.keys()
    assert expected["is_key"].nonzero()[0].tolist() == [1, 4] and expected["logit_fve"] > 0.999
    # Where the answer is read at b itself, b reaches it on a second way, which has a gradient of its own.
    of_gradients = {f"gradient_symmetricity{kind}" for kind in ("", "_wide", "_error", "_triples")}
    at_b = set() if "=" in layout or layout == "power" else of_gradients
    for name in expected.keys() - OVER_THE_VOCABULARY - OF_ROUNDING - at_b:
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected[name], atol=2e-4, rtol=2e-4, err_msg=name)
        else:
            assert np.array_equal(found[name], expected[name]), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_changes_neither_the_modulus_nor_the_answers(layout):
    """Power's layout scores its 34 tokens at p = 31; there are 31 answers, and the cycle has 31 places."""
    task = Task("a + b", p=31, layout=layout)
    assert task.n_values == 31 and Wave.of(task).cycle == Cycle.of(task).n == 31
    assert task_in_words(task) == "a + b mod 31"
    assert "with 31 answers" in task_sentence(task)


@pytest.mark.parametrize(
    ("expression", "formula"),
    [
        ("a + b", "cos w_k(a + b - c)"),
        ("a - b", "cos w_k(a - b - c)"),
        ("a*b", "cos w_k(a + b - c) of discrete logs"),
        ("a / b", "cos w_k(a - b - c) of discrete logs"),
    ],
)
def test_the_printed_formula_has_the_operations_sign(expression, formula):
    """What a reader is told that the logits are made of."""
    assert Wave.of(Task(expression, p=7)).formula == formula


@pytest.mark.parametrize("frequencies", [[0], [4], [1, 1], [-1]])
def test_a_constant_is_no_wave(frequencies):
    """Frequency 0, ones above p / 2 and repeated ones have no rows."""
    with pytest.raises(fourier.FourierError, match="distinct and between 1 and 3"):
        fourier.wave_rows(7, frequencies)
