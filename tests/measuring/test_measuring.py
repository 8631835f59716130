"""Circuits times checkpoints: found by every road, read once, kept, and resumed."""

import dataclasses
import json
import textwrap
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import grokinterp as gi
from grokinterp import circuits, measuring
from grokinterp.cli import main
from grokinterp.errors import BadRequest
from grokinterp.evaluation.processor import side_by_side
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.measuring import reading
from grokinterp.readout import Circuit, Variable, readout

MINE = '''
"""The size of the embedding: a circuit of a user's own."""

from dataclasses import dataclass

from grokinterp.readout import Circuit, Variable, readout


@dataclass(frozen=True)
class EmbeddingSize(Circuit):
    """Frobenius norm of the embedding."""

    name = "embedding_size"

    def read(self, snapshot, requested=frozenset()):
        return readout({"embedding_size": Variable((), snapshot.W_E.norm(), "1", "ours")})
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> gi.Run:
    out = tmp_path_factory.mktemp("measured") / "run"
    return gi.train(
        "a + b", p=7, d_model=8, n_heads=2, frac=0.5, steps=40, checkpoint_every=10, metrics_every=10, progress=False,
        out=out,
    )  # fmt: skip


def size_of(run: gi.Run, step: int) -> float:
    return run[step].parameters["embed.W_E"][:7].norm().item()


@pytest.fixture
def count_evaluations(monkeypatch) -> list[int]:
    """The steps of the snapshots that were made."""
    made: list[int] = []
    original = reading.snapshot_of

    def counted(run, step):
        made.append(step)
        return original(run, step)

    monkeypatch.setattr(reading, "snapshot_of", counted)
    return made


def test_a_trace_leads_with_step_and_agrees_with_training(run):
    """The losses read off the checkpoints are those that training wrote down."""
    trace = measuring.measure(run, ["loss"], progress=False)
    assert trace.step.values.tolist() == run.steps == [0, 10, 20, 30, 40]
    metrics = run.metrics.set_index("step")
    np.testing.assert_allclose(trace.train_loss, metrics.train_loss, rtol=1e-6)
    np.testing.assert_allclose(trace.weight_norm_squared, metrics.weight_norm_squared, rtol=1e-6)
    assert all(variable.dims[0] == "step" for variable in trace.data_vars.values())
    assert all(dim in trace.coords for dim in trace.dims)


def test_every_circuit_is_read_by_default(run):
    """The papers' circuits apply to a + b; each variable has units and a source; scalars are JSON."""
    trace = measuring.measure(run, progress=False, cache=False)
    of_addition = {"attention", "clock_pizza", "embedding", "logits", "loss", "neurons", "progress", "spectrum"}
    assert not set(json.loads(trace.attrs["skipped"])) & of_addition
    for name, variable in trace.data_vars.items():
        assert "units" in variable.attrs and variable.attrs["source"], name
    values = json.loads(json.dumps(measuring.scalars(trace), default=str))
    assert {"train_loss", "restricted_loss", "excluded_loss", "gradient_symmetricity", "verdict"} <= set(values)


def test_reading_does_not_change_the_snapshot(run):
    """Circuits are observers: weights and logits are bit-identical after all of them."""
    snapshot = measuring.snapshot_of(run, 40)
    weights = {name: w.clone() for name, w in snapshot.parameters.items()}
    logits = snapshot.logits.clone()
    for circuit in circuits.registered().values():
        if circuit.why_not(snapshot) is None:
            circuit.fit(snapshot).read(snapshot)
    assert all((snapshot.parameters[name] == w).all() for name, w in weights.items())
    assert (snapshot.logits == logits).all()


SHORT = {"local_learning_coefficient": dict(chains=2, burn_in=5, draws=10)}
"""Parameters of circuits that sample for seconds."""


@pytest.mark.parametrize("name", circuits.registered())
def test_the_contract(run, name):
    """Frozen, deterministic, documented; the same variables at the first checkpoint as at the last."""
    circuit = dataclasses.replace(circuits.registered()[name], **SHORT.get(name, {}))
    first, last = measuring.snapshot_of(run, 0), measuring.snapshot_of(run, 40)
    if reason := circuit.why_not(last):
        pytest.skip(f"not of a + b: {reason}")
    fitted = circuit.fit(last)
    assert hash(fitted) is not None and fitted == circuit.fit(last)
    early, late = fitted.read(first), fitted.read(last)
    assert set(early.data_vars) == set(late.data_vars)
    assert late.identical(fitted.read(measuring.snapshot_of(run, 40)))
    assert (type(circuit).__doc__ or "").strip()


def test_what_was_read_is_kept(run, count_evaluations):
    """A second call evaluates only the final checkpoint (to fit); more steps read only what is new."""
    measuring.measure(run, ["spectrum"], steps=[0, 20], progress=False)
    count_evaluations.clear()
    again = measuring.measure(run, ["spectrum"], steps=[0, 20], progress=False)
    assert set(count_evaluations) == {40}
    count_evaluations.clear()
    more = measuring.measure(run, ["spectrum"], progress=False)
    assert set(count_evaluations) == {10, 30, 40}
    xr.testing.assert_identical(more.sel(step=[0, 20])["ffd"], again["ffd"])


def test_checkpoints_are_read_side_by_side_and_kept_in_order(run):
    """However many are read at once, each step has its own numbers, and an error of one is the caller's."""
    together = measuring.measure(run, ["loss", "spectrum"], cache=False, progress=False)
    for step in run.steps:
        alone = measuring.measure(run, ["loss", "spectrum"], steps=[step], cache=False, progress=False)
        xr.testing.assert_allclose(together.sel(step=[step]), alone, rtol=1e-5)
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda n: 1 // n, [2, 1, 0, 3, 4], workers=2))
    assert list(side_by_side(lambda n: n**2, range(5), workers=3)) == [0, 1, 4, 9, 16]


def test_the_progress_bar_says_what_is_read_and_that_of_one_checkpoint_does_not_stay(run, capsys):
    """A report reads in several goes: what each is about is told, and only what took its time stays to be read."""
    measuring.measure(run, ["loss", "spectrum", "embedding", "logits", "neurons"], cache=False)
    several = capsys.readouterr().err
    assert "Reading loss, spectrum, embedding and 2 more: " in several and "5/5" in several
    assert several.split("\r")[-1].strip()
    measuring.measure(run, ["loss"], steps=[40], cache=False)
    one = capsys.readouterr().err
    assert "Reading loss: " in one and not one.split("\r")[-1].strip()


def test_an_interrupted_measure_keeps_what_it_read(run, monkeypatch, count_evaluations):
    """After Ctrl-C at the third checkpoint, the first two need not be read again."""
    original = reading.snapshot_of

    def interrupted(run, step):
        if step == 20:
            raise KeyboardInterrupt
        return original(run, step)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "snapshot_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measuring.measure(run, ["embedding"], progress=False)
    count_evaluations.clear()
    measuring.measure(run, ["embedding"], progress=False)
    assert set(count_evaluations) == {20, 30, 40}


def test_a_circuit_by_value(run):
    """An instance is read like a shipped one, its parameters included."""

    @dataclass(frozen=True)
    class Scaled(Circuit):
        """Mean square of W_E times a factor."""

        name = "scaled"
        factor: float = 1.0

        def read(self, snapshot, requested=frozenset()):
            return readout({"scaled": Variable((), self.factor * snapshot.W_E.square().mean(), "1", "ours")})

    one, three = (measuring.measure(run, [Scaled(f)], progress=False).scaled.values for f in (1.0, 3.0))
    np.testing.assert_allclose(three, 3 * one)


def test_a_circuit_by_file(run, tmp_path, capsys):
    """`--circuit my.py` on the command line, `circuits.from_file` in Python."""
    (tmp_path / "mine.py").write_text(MINE)
    trace = measuring.measure(run, circuits.from_file(tmp_path / "mine.py"), progress=False)
    assert trace.embedding_size.values[-1] == pytest.approx(size_of(run, 40))
    assert main(["measure", str(run.path), "--circuit", str(tmp_path / "mine.py"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["embedding_size"] == pytest.approx(size_of(run, 40))


def test_a_circuit_dropped_into_the_folder(run, tmp_path, monkeypatch):
    """A file in `circuits/` is found by its name, without another edit."""
    (tmp_path / "embedding_size.py").write_text(MINE)
    monkeypatch.setattr(circuits, "__path__", [*circuits.__path__, str(tmp_path)])
    trace = measuring.measure(run, ["embedding_size"], progress=False)
    assert trace.embedding_size.values[0] == pytest.approx(size_of(run, 0))
    assert "embedding_size" in measuring.measure(run, steps=[40], progress=False, cache=False)


def test_a_circuit_from_another_package(run, tmp_path, monkeypatch):
    """An installed entry point of the group `grokinterp.circuits` is found by name."""
    (tmp_path / "their_package.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("size", "their_package:EmbeddingSize", circuits.GROUP)
    monkeypatch.setattr(circuits, "entry_points", lambda group: [entry])
    assert "embedding_size" in measuring.measure(run, ["embedding_size"], progress=False)


def test_what_does_not_apply_is_named(tmp_path):
    """An MLP has no attention: the circuit is skipped, with the reason."""
    mlp = gi.train("a + b", preset="pizza_linear_a", p=7, frac=0.5, steps=5, progress=False, out=tmp_path / "mlp")
    skipped = json.loads(measuring.measure(mlp, progress=False).attrs["skipped"])
    assert "attn" in skipped["attention"] and not {"embedding", "loss", "neurons", "spectrum"} & set(skipped)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ({"circuits": ["los"]}, "Did you mean 'loss'"),
        ({"on_request": ["ablatoin"]}, "Did you mean 'ablation'"),
        ({"steps": [41]}, "40"),
    ],
)
def test_refusals(run, arguments, remedy):
    """A misspelt circuit or request, or a step without a checkpoint, in one line with the remedy."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        measuring.measure(run, progress=False, **arguments)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "remedy"),
    [("x = 1", "defines no Circuit"), ("1 / 0", "ZeroDivisionError"), (None, "no Python file")],
)
def test_files_without_circuits(tmp_path, source, remedy):
    """A file that cannot give a circuit says why."""
    path = tmp_path / "mine.py"
    if source is not None:
        path.write_text(textwrap.dedent(source))
    with pytest.raises(BadRequest, match=remedy):
        circuits.from_file(path)


def test_traces_on_disk(run, tmp_path, capsys):
    """netCDF keeps every array; the tables hold one row a step; an unknown ending is refused before measuring."""
    for name in ("t.nc", "t.csv", "t.parquet"):
        assert main(["measure", str(run.path), "--circuits", "loss", "spectrum", "--out", str(tmp_path / name)]) == 0
    with xr.open_dataset(tmp_path / "t.nc", engine="h5netcdf") as stored:
        trace = stored.load()
    csv, parquet = pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")
    np.testing.assert_allclose(csv.train_loss, trace.train_loss)
    np.testing.assert_allclose(parquet["ffd[matrix=W_E]"], trace.ffd.sel(matrix="W_E"))
    capsys.readouterr()
    assert main(["measure", str(run.path), "--out", "t.txt"]) == 2
    assert ".parquet" in capsys.readouterr().err


def test_a_snapshot_refuses_unknown_activations(run):
    """The names it has are listed."""
    snapshot: Snapshot = measuring.snapshot_of(run, 0)
    with pytest.raises(BadRequest, match=r"blocks\.0\.mlp\.hook_post"):
        snapshot["blocks.1.mlp.hook_post"]


def test_json_has_no_numbers_that_are_none(tmp_path, capsys):
    """What is not known is null: a run that trains on every row has no test loss."""
    options = ["--p", "5", "--d-model", "4", "--n-heads", "2", "--frac", "1", "--steps", "2", "--out"]
    assert main(["train", "a + b", *options, str(tmp_path / "run")]) == 0
    assert "no test rows" in capsys.readouterr().out

    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    assert main(["measure", str(tmp_path / "run"), "--json"]) == 0
    values = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert values["test_loss"] is None and values["train_loss"] > 0
