"""Arithmetic cells: planted ones add, subtract, multiply and divide exactly, as far out as numbers go."""

import pytest
import torch

import grokinterp as gi
from grokinterp.circuits import extrapolation, loss
from grokinterp.config import NALUConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.losses import accuracy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.nalu import NALU
from grokinterp.tasks import Task

TASK = Task("division", n=6, form="numbers").split(frac=0.5, split="extrapolate")
FAR = torch.tensor([[3.0, 4.0], [1e5, 7.0], [0.25, 1e4]], dtype=torch.float64)


def planted(weights: list[float], gate: float | None) -> dict[str, torch.Tensor]:
    """A layer of one cell whose W is -1, 0 or 1 to float64 rounding, and whose gate is all open or all shut."""
    W_hat = 40 * torch.tensor(weights, dtype=torch.float64)[:, None]
    layer = {"W_hat": W_hat, "M_hat": torch.full_like(W_hat, 40.0)}
    if gate is not None:
        layer["G"] = torch.full_like(W_hat, gate * 1e4)
    return {f"blocks.0.mlp.{name}": value for name, value in layer.items()}


@pytest.mark.parametrize(
    ("cell", "weights", "gate", "result"),
    [
        ("nac", [1, 1], None, lambda a, b: a + b),
        ("nac", [1, -1], None, lambda a, b: a - b),
        ("nac", [0, -1], None, lambda a, b: -b),
        ("nalu", [1, -1], 1.0, lambda a, b: a - b),
        ("nalu", [1, 1], -1.0, lambda a, b: a * b),
        ("nalu", [1, -1], -1.0, lambda a, b: a / b),
    ],
)
def test_saturated_cells_do_arithmetic(cell, weights, gate, result):
    """Sums and differences exactly; products and quotients to the rounding of exp(log) in float64, and epsilon."""
    model = NALU(NALUConfig(cell=cell, cell_eps=1e-12, d_in=2, d_vocab_out=1), planted(weights, gate))
    found = model(FAR)
    assert found.shape == (3, 1, 1)
    torch.testing.assert_close(found[:, 0, 0], result(*FAR.T), rtol=1e-10, atol=0)


def snapshot(weights: list[float], gate: float) -> Snapshot:
    config = NALUConfig(d_in=2, d_vocab_out=1)
    return Snapshot(0, config, TASK, {name: value.float() for name, value in planted(weights, gate).items()})


def test_a_planted_quotient_extrapolates():
    """Errors of float32 rounding on the table, and a thousand times beyond; W = (1, -1) behind shut gates."""
    found = extrapolation.Extrapolation().read(snapshot([1, -1], -1.0))
    assert found.relative_error_train < 1e-5 and found.relative_error_test < 1e-5
    assert (found.relative_error_beyond.values < 1e-5).all() and found.reach.values.tolist() == [1, 10, 100, 1000]
    cells = extrapolation.Cells().read(snapshot([1, -1], -1.0))
    assert cells.cell_weight.values[:, 0].tolist() == [1, -1] and cells.cell_gate.values.tolist() == [0]
    assert loss.losses(snapshot([1, -1], -1.0).scored_logits, TASK)["test_accuracy"] == 1


def test_a_difference_is_no_quotient():
    """a - b in place of a / b: the errors are those of the formulas, and the loss their mean square."""
    a, b = TASK.operands.double().T
    off = (a - b) - a / b
    read = extrapolation.Extrapolation().read(snapshot([1, -1], 1.0))
    test = ~TASK.is_train
    assert float(read.relative_error_test) == pytest.approx(float((off.abs() / (a / b))[test].mean()), rel=1e-5)
    measured = loss.losses(snapshot([1, -1], 1.0).scored_logits, TASK)
    assert measured["test_loss"] == pytest.approx(float(off[test].square().mean()), rel=1e-5)
    right = (off.abs() <= 0.01 * a / b)[test].double().mean()
    assert measured["test_accuracy"] == pytest.approx(float(right)) and right < 0.5


def test_a_number_is_right_within_a_hundredth():
    """The tolerance is relative."""
    outputs = torch.tensor([[1.005], [1.02], [-100.5], [100.5]])
    assert accuracy(outputs, torch.tensor([1.0, 1.0, 100.0, 100.0])) == 0.5


def test_ablated_cells_write_what_they_are_told():
    """Zero, or the mean over the table; heads and positions are refused by name; nothing is left behind."""
    model = NALU(NALUConfig(), planted([1, -1], -1.0), task=TASK)
    clean = model(TASK.inputs)
    with gi.ablate(model, neurons=[(0, 0)]):
        assert not model(TASK.inputs).any()
    with gi.ablate(model, layers=[0], how="mean"):
        torch.testing.assert_close(model(TASK.inputs), clean.mean().expand_as(clean))
    assert torch.equal(model(TASK.inputs), clean)
    for request in ({"heads": [(0, 0)]}, {"positions": [0]}, {"frequencies": [1]}, {"neurons": [(1, 0)]}):
        with pytest.raises(BadRequest) as refused:
            gi.ablate(model, **request)
        assert "\n" not in str(refused.value)
    with pytest.raises(BadRequest, match="rows of 2 numbers"):
        model(torch.ones(1, 3))


def test_training_finds_the_quotient(tmp_path):
    """The preset's cell from the command's defaults, on numbers up to 4 of 8: closer to a / b than before, by far."""
    run = gi.train(preset="nalu", n=8, steps=600, checkpoint_every=0, out=tmp_path / "nalu", progress=False)
    first, last = (extrapolation.Extrapolation().read(_at(run, step)) for step in (0, run.final.step))
    assert float(last.relative_error_test) < 0.1 < float(first.relative_error_test)
    assert run.config.model.kind == "nalu" and gi.load(tmp_path / "nalu").config == run.config
    trace = gi.measure(run, progress=False, cache=False, steps=[run.final.step])
    assert {"relative_error_beyond", "cell_weight", "test_loss"} <= set(trace.data_vars)


def _at(run, step: int) -> Snapshot:
    return Snapshot(step, run[step].config, run.task, run[step].parameters)


def test_errors_beyond_the_table_are_of_whole_numbers_up_to_the_reach():
    """A sum in the place of a quotient: |a + b - a / b| / (a / b), the mean over seeded pairs from 1 on."""
    found = extrapolation.Extrapolation(reaches=(1, 3), pairs=50, seed=4).read(snapshot([1, 1], 1.0))
    for reach in (1, 3):
        a, b = torch.randint(1, 6 * reach + 1, (50, 2), generator=torch.Generator().manual_seed(4)).double().T
        expected = ((a + b - a / b).abs() / (a / b)).mean().item()
        assert found.relative_error_beyond.sel(reach=reach).item() == pytest.approx(expected, rel=1e-5)


def test_a_gate_that_is_half_open_is_told_as_its_mean_over_the_table():
    """g = sigmoid(x G), which differs from row to row; a NAC has none and adds always."""
    one = snapshot([1, -1], 0.0)
    G = torch.tensor([[0.3], [-0.2]])
    half = Snapshot(0, one.config, TASK, {**one.parameters, "blocks.0.mlp.G": G})
    expected = (TASK.inputs @ G).sigmoid().mean().item()
    assert extrapolation.Cells().read(half).cell_gate.item() == pytest.approx(expected)
    nac = {name: value for name, value in one.parameters.items() if not name.endswith("G")}
    assert extrapolation.Cells().read(Snapshot(0, one.config, TASK, nac)).cell_gate.item() == 1
