"""A planted circuit is rebuilt and answers; noise and shuffled columns do not; training shows it before grokking."""

import math

import numpy as np
import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp import Task, circuits
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.simple_neurons import OutputWaves, SimpleNeurons
from grokinterp.circuits import latent_circuit as latent

LatentCircuit = circuits.latent_circuit.LatentCircuit


@pytest.mark.parametrize("expression", ["a + b", "a - b", "a * b"])
def test_a_planted_circuit_is_rebuilt_and_answers(planted, expression):
    """It has nothing but its waves, so the rebuilt network is the network; with its columns dealt out it guesses."""
    # A disc does not tell opposite places of an even cycle apart.
    offsets = [2 * math.pi * i / 8 for i in range(8)] if expression == "a * b" else [0.0]
    read = LatentCircuit().read(planted.simple_neurons(offsets=offsets, expression=expression))
    assert float(read.latent_accuracy) == float(read.latent_accuracy_unswapped) == 1
    assert float(read.latent_accuracy_shuffled) < 0.25
    assert float(read.latent_same_frequency) == 1
    assert float(read.latent_phase_sum) == pytest.approx(0, abs=1e-5)


def test_its_logits_are_those_of_the_network(planted):
    """A loss that is the network's own, where the network is made of single waves."""
    snapshot = planted.simple_neurons()
    read = LatentCircuit().read(snapshot)
    assert float(read.latent_loss) == pytest.approx(snapshot.loss(snapshot.logits, ~snapshot.task.is_train), rel=1e-4)


def test_columns_out_of_phase_answer_beside_the_truth(planted):
    """Half a turn behind, the right answer is the least likely one."""
    read = LatentCircuit().read(planted.simple_neurons(behind=math.pi))
    assert float(read.latent_accuracy) == 0
    assert float(read.latent_phase_sum) == pytest.approx(math.pi, abs=1e-4)


def test_noise_stays_at_the_shuffled_level(planted):
    """The null: random weights have no order of phases."""
    read = LatentCircuit().read(planted.untrained(p=23))
    chance = 1 / 23
    assert float(read.latent_accuracy_unswapped) == pytest.approx(chance, abs=0.06)
    assert float(read.latent_accuracy_shuffled) == pytest.approx(chance, abs=0.04)
    assert float(read.latent_phase_sum) == pytest.approx(math.pi / 2, abs=0.35)
    assert float(read.latent_same_frequency) < 0.3


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """The run of the acceptance line, up to a step at which it has memorised and answers no unswapped row."""
    run = gi.train(
        "a + b", p=31, frac=0.6, d_model=64, n_heads=4, d_mlp=256, lr=3e-3, weight_decay=2.0, seed=0, steps=180,
        checkpoint_every=20, metrics_every=20, threads=1, progress=False, out=tmp_path_factory.mktemp("latent") / "run",
    )  # fmt: skip
    return gi.measure(run, ["latent_circuit", "loss"], cache=False, progress=False)


def test_the_answer_is_readable_before_one_unseen_row_is_right(trace):
    """Half of the unswapped rows by the rebuilt network where the model itself answers none (frontier: .529)."""
    last = trace.isel(step=-1)
    assert float(last.test_accuracy_unswapped) < 0.02
    assert float(last.latent_accuracy_unswapped) > 0.5
    assert float(last.latent_accuracy_shuffled) < 0.2
    assert trace.attrs["readable_step"] in range(20, 120)


def made(accuracies, control=0.03, rows=1000):
    """A trace of the variables that `readable_step` is read off."""
    n = len(accuracies)
    columns = {"latent_accuracy_unswapped": accuracies, "latent_accuracy_shuffled": [control] * n,
               "latent_accuracy_shuffled_spread": [0.0] * n, "latent_rows": [rows] * n}  # fmt: skip
    return xr.Dataset({name: ("step", np.array(v)) for name, v in columns.items()}, {"step": 10 * np.arange(n)})


@pytest.mark.parametrize(
    ("accuracies", "step"),
    [
        ([0.03, 0.03, 0.03], None),
        ([0.03, 0.2, 0.3], 10),
        ([0.2, 0.03, 0.3], 20),  # it must stay so
        ([0.2, 0.3, 0.03], None),
        ([0.2, 0.2, 0.2], 0),
        # 3 sqrt(.03 * .97 * 2 / 1000) = .0229 above the control
        ([0.03, 0.052, 0.0535], 20),
    ],
)
def test_readable_is_three_standard_errors_above_the_null_and_stays_so(accuracies, step):
    assert LatentCircuit().summarise(made(accuracies)).get("readable_step") == step


def test_what_cannot_be_rebuilt_is_left_out_with_the_reason(planted):
    """Two layers, no split, no sum."""
    two = planted.noise(Task("a + b", p=11).split(frac=0.5, seed=0), n_layers=2)
    assert "the model has 2" in (LatentCircuit().why_not(two) or "")
    other = planted.untrained(p=11, expression="a^2 + b^2")
    assert "no sum of operands" in (LatentCircuit().why_not(other) or "")
    whole = planted.untrained(p=11)
    assert "no split" in (
        LatentCircuit().why_not(type(whole)(0, whole.config, Task("a + b", p=11), whole.parameters)) or ""
    )


def test_each_part_of_the_error_counts():
    """Three times the root of c (1 - c) (1 / rows + 1 / rows read by the shuffles) + spread^2 / draws."""

    def readable(rise: float, control: float, rows: int, spread: float) -> bool:
        trace = made([control + rise], control, rows).assign(latent_accuracy_shuffled_spread=("step", [spread]))
        return "readable_step" in LatentCircuit().summarise(trace)

    for control, rows, spread in ((0.03, 1000, 0.04), (0.2, 100_000, 0.0), (0.0, 50, 0.0)):
        chance = max(control, 1 / rows)
        error = (chance * (1 - chance) * (1 / rows + 1 / min(rows, 1024)) + spread**2 / 4) ** 0.5
        assert not readable(2.97 * error, control, rows, spread) and readable(3.03 * error, control, rows, spread)


def test_the_rebuilt_network_and_its_shuffles_are_those_of_the_formula(planted):
    """relu(A cos(w a + phi_a) + B cos(w b + phi_b) + mean) times C cos(v c + psi), written out; columns dealt anew."""
    snapshot, n = planted.noise(Task("a + b", p=7, layout="a b").split(frac=0.3, seed=0)), 7
    wave = Wave.of(snapshot.task)
    neurons, output = SimpleNeurons.first_of(snapshot, wave), OutputWaves.last_of(snapshot, wave)
    rebuilt = latent.Rebuilt.of(neurons, output, n, "relu")
    a, b = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
    angle = lambda k, place: 2 * math.pi / n * k * place[:, None]
    waves = [
        A * (angle(neurons.frequency, place) + phi).cos()
        for place, A, phi in zip((a, b), neurons.amplitude, neurons.phase, strict=True)
    ]
    post = (waves[0] + waves[1] + neurons.mean).relu()
    columns = (output.amplitude * (angle(output.frequency, torch.arange(n)) + output.phase).cos()).T
    torch.testing.assert_close(rebuilt.logits(torch.arange(49)).double(), post @ columns, atol=1e-4, rtol=1e-4)
    generator = torch.Generator().manual_seed(0)
    torch.randperm(49, generator=generator)  # the order of the rows
    deals = [torch.randperm(len(columns), generator=generator) for _ in range(4)]
    labels = (a + b) % n
    expected = torch.stack([((post @ columns[deal]).argmax(1) == labels).double().mean() for deal in deals])
    torch.testing.assert_close(rebuilt.shuffled_accuracies(torch.arange(49), labels), expected)
    unswapped = snapshot.task.is_unswapped_test
    read = LatentCircuit().read(snapshot)
    some = rebuilt.shuffled_accuracies(unswapped.nonzero().flatten(), labels[unswapped])
    assert read.latent_accuracy_shuffled_spread.item() == pytest.approx(some.std().item())
    assert read.latent_accuracy_shuffled.item() == pytest.approx(some.mean().item())
    right = (post @ columns).argmax(1) == labels
    for name, rows in (("", ~snapshot.task.is_train), ("_unswapped", unswapped)):
        assert read[f"latent_accuracy{name}"].item() == pytest.approx(right[rows].double().mean().item())
    assert read.latent_rows.item() == int(unswapped.sum())
