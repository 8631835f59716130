"""Once a run of a sweep is trained it is read, summed up, and keeps the weights that the spec says."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import grokinterp as gi
from grokinterp.errors import ConfigError
from grokinterp.measuring.readings import READINGS
from grokinterp.runs.files import StorageError
from grokinterp.runs.summary import Summary

RUN = {"expression": "a + b", "p": 5, "frac": 0.5, "d_model": 8, "n_heads": 2, "d_mlp": 8, "checkpoint_every": 10}
KEEP = {"checkpoints": "final", "circuits": ["loss"]}


@pytest.fixture(scope="module")
def sweeper():
    """Sweeps with a single thread of this process."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda steps, out, keep: gi.sweep(
            {"run": {**RUN, "steps": steps}, "keep": keep}, out=out, executor=executor, progress=False
        )


@pytest.fixture(scope="module")
def runs(sweeper, tmp_path_factory):
    """The same run with all of its weights, and with the last alone; then that one prolonged."""
    out = tmp_path_factory.mktemp("keep")
    whole = sweeper(40, out / "all", {"checkpoints": "all"})
    final = sweeper(20, out / "final", KEEP)
    first = gi.measure(final[next(iter(final))], ["loss"], progress=False)
    longer = sweeper(40, out / "final", KEEP)
    (whole,), (final,) = whole.values(), longer.values()
    return SimpleNamespace(whole=whole, final=final, first=first, out=out)


def test_dropped_weights_leave_their_readings(runs):
    """Every step's losses, as of the run that kept its weights; landmarks are those of the whole curve."""
    expected = gi.measure(runs.whole, ["loss"], progress=False)
    assert runs.whole.steps == [0, 10, 20, 30, 40] and runs.final.steps == [40]
    trace = gi.measure(runs.final, ["loss"], progress=False)
    for name in ("train_loss", "test_accuracy", "weight_norm_squared_by_parameter"):
        np.testing.assert_array_equal(trace[name], expected[name])
    assert trace.attrs["memorised_rule"] == expected.attrs["memorised_rule"]
    np.testing.assert_array_equal(runs.first.train_loss, expected.train_loss[:3])
    assert gi.measure(runs.final, ["loss"], steps=40, progress=False).step.values.tolist() == [40]


def test_a_circuit_of_other_parameters_is_not_mixed_in(runs):
    """What was kept was read by the circuit of that name as it is shipped."""
    from grokinterp.circuits.loss import Loss

    assert gi.measure(runs.final, Loss(grokked_accuracy=0.5), progress=False).step.values.tolist() == [40]


def test_the_summary_is_of_the_last_checkpoint(runs):
    """Its scores are the table's; its time is that of both stretches."""
    summary = Summary.read(runs.final.path)
    assert (summary.step, summary.circuits, summary.failure) == (40, ("loss",), None)
    assert summary.scores == pytest.approx(gi.evaluate(runs.final.final.model(), runs.final.task), abs=1e-6)
    assert summary.wall_seconds is not None and summary.wall_seconds > 0


def test_measure_sums_up_any_run_of_ours(runs):
    """A verdict that is read goes beside the run, also where it was not asked for in a sweep."""
    assert Summary.read(runs.whole.path).verdict is None
    gi.measure(runs.whole, ["clock_pizza"], steps=40, progress=False)
    assert Summary.read(runs.whole.path).verdict == "unsolved"


def test_dropped_weights_do_not_come_back(runs, sweeper):
    """A spec that keeps more than is there is refused."""
    with pytest.raises(ConfigError, match="checkpoints='final' and this spec asks for 'all'"):
        sweeper(40, runs.out / "final", {"checkpoints": "all"})


def test_a_damaged_file_of_readings_is_named(runs):
    """One line with the file; the weights that are there can still be read by their steps."""
    path = runs.final.path / READINGS
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StorageError, match=r"readings\.trace is damaged"):
        gi.measure(runs.final, ["loss"], progress=False)
    path.write_bytes(content)
