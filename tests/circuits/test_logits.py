"""The logits of a clock are exactly its waves; their coefficients follow from its size."""

import math

import pytest
import torch

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.periodicity import Periodicity
from grokinterp.circuits import embedding, latent_circuit
from grokinterp.circuits import logits as logits_circuit
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.tasks import Task


@pytest.mark.parametrize("expression", ["a + b", "a - b", "a*b"])
def test_a_clocks_coefficients_are_its_scale(planted, expression):
    """scale * cos over n^3 cells has norm scale * sqrt(n^3 / 2); two equal waves have cosine 1/sqrt 2 each, FVE 1."""
    snapshot = planted.clock(13, (2, 5), scale=10.0, expression=expression)
    wave = Wave.of(snapshot.task)
    found = Periodicity.of(snapshot.logits, wave)
    expected = torch.zeros(len(wave.frequencies), dtype=torch.float64)
    expected[[1, 4]] = 10 * math.sqrt(wave.cycle**3 / 2)
    torch.testing.assert_close(found.coefficient, expected, atol=1e-3, rtol=1e-5)
    assert found.cosine[[1, 4]].tolist() == pytest.approx([0.5**0.5] * 2, rel=1e-5)
    assert found.fve == pytest.approx(1, abs=1e-5)


def test_the_nyquist_wave_has_no_half(planted):
    """cos(pi d) is +-1, so that its norm over the cube is sqrt(n^3)."""
    snapshot = planted.clock(12, (6,), scale=2.0)
    found = Periodicity.of(snapshot.logits, Wave.of(snapshot.task))
    assert float(found.coefficient[5]) == pytest.approx(2 * 12**1.5, rel=1e-5)


@pytest.mark.parametrize(("expression", "p"), [("a + b", 7), ("a - b", 8), ("a*b", 7), ("a / b", 7)])
def test_coefficients_are_inner_products_with_the_cube(expression, p):
    """Against cos(w_k(i - c)) written out over all rows and answers of the cycle, for any logits."""
    task = Task(expression, p=p)
    wave = Wave.of(task)
    logits = torch.randn(len(task.inputs), p, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 2
    here = logits[wave.is_on][:, wave.tokens]
    place = torch.arange(wave.cycle)
    found = Periodicity.of(logits, wave)
    for k in wave.frequencies.tolist():
        cube = (2 * math.pi * k / wave.cycle * (wave.index[wave.is_on][:, None] - place).double()).cos()
        assert float(found.coefficient[k - 1]) == pytest.approx(float((cube / cube.norm() * here).sum()))
    assert found.norm_squared == pytest.approx(float(here.square().sum()))
    assert found.variance == pytest.approx(float((here - here.mean(0)).square().sum()))


def test_a_constant_is_no_structure(planted):
    """A constant for each answer changes neither coefficients nor FVE, though it lowers the cosine."""
    snapshot = planted.clock(11, (2, 5))
    wave, constant = Wave.of(snapshot.task), 50 * torch.arange(11.0)
    plain, shifted = Periodicity.of(snapshot.logits, wave), Periodicity.of(snapshot.logits + constant, wave)
    torch.testing.assert_close(shifted.coefficient, plain.coefficient, atol=1e-2, rtol=1e-4)
    assert shifted.fve == pytest.approx(1, abs=1e-3) and shifted.cosine[1] < 0.1 < plain.cosine[1]
    flat = Periodicity.of(constant.expand(121, 11), wave)
    assert flat.fve == 0 and flat.variance == 0
    assert not Periodicity.of(torch.zeros(121, 11), wave).cosine.any()


def test_two_dimensional_norms_of_a_clock_lie_in_its_blocks(planted):
    """cos(w(a + b - c)) has cos cos, sin sin, cos sin and sin cos of its frequency alone, equal in norm."""
    snapshot = planted.clock(11, (3,))
    circuit = logits_circuit.Logits()
    assert "logit_fourier_norm" not in circuit.read(snapshot)
    norms = circuit.read(snapshot, frozenset({"logit_fourier_norm"})).logit_fourier_norm
    block = norms.sel(basis_a=["cos 3", "sin 3"], basis_b=["cos 3", "sin 3"])
    assert float(block.std()) < 1e-3 < 10 < float(block.min())
    assert float((norms**2).sum()) == pytest.approx(float((block**2).sum()), rel=1e-5)


def test_operations_without_a_wave_are_skipped_by_name(planted):
    """The reason names the formula."""
    snapshot = planted.untrained(5, expression="a^2 + b")
    assert "a^2 + b" in logits_circuit.Logits().why_not(snapshot)
    assert logits_circuit.Logits().why_not(planted.untrained(5)) is None


def test_nandas_model_agrees_with_the_published_coefficients(released):
    """Measured by others on the weight decay 0.1 run: six coefficients, and the share of the five largest."""
    snapshot = Snapshot(released.final.step, released.final.config, released.task, released.final.parameters)
    trace = logits_circuit.Logits().read(snapshot)
    published = {23: 26586, 6: 7963, 37: 5780, 41: 5153, 39: 4290, 54: 23}
    for k, coefficient in published.items():
        assert float(trace.logit_coefficient.sel(k=k)) == pytest.approx(coefficient, abs=0.6)
    assert float((trace.logit_cosine.sel(k=[23, 6, 37, 41, 39]) ** 2).sum()) == pytest.approx(0.9748, abs=5e-5)
    assert trace.k.values.tolist() == fourier.frequencies(113).tolist()


@pytest.mark.parametrize(
    ("circuit", "names"),
    [
        (logits_circuit.Logits(), ["logit_fve"]),
        (embedding.Embedding(), ["embedding_gini"]),
        (latent_circuit.LatentCircuit(), ["latent_accuracy", "latent_accuracy_shuffled"]),
    ],
    ids=["logits", "embedding", "latent circuit"],
)
def test_what_is_measured_of_weights_that_are_no_numbers_is_none(planted, circuit, names):
    """A run that diverged: a share of 0, or the accuracy of always the first answer, would be a finding."""
    fresh = planted.untrained(11)
    lost = Snapshot(0, fresh.config, fresh.task, {n: torch.full_like(w, math.nan) for n, w in fresh.parameters.items()})
    read = circuit.fit(lost).read(lost)
    assert all(math.isnan(float(read[name])) for name in names)
