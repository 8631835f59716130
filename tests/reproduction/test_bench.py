"""Runs of claims: found by what they are, trained once, and told in the result."""

import dataclasses
import json
import platform
import shutil
import signal

import pandas as pd
import pytest

from grokinterp.errors import BadRequest
from grokinterp.reproduction import Bench, Claim, Places, attempt, store, stored
from grokinterp.reproduction.bench import QUICK_STEPS
from grokinterp.reproduction.claims.clock_pizza import theirs
from grokinterp.reproduction.claims.nanda_needs import jumps
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import first_below, first_reaching, peak
from grokinterp.reproduction.target import at_least
from grokinterp.runs.directory import is_finished
from grokinterp.runs.files import StorageError
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.runs.summary import Summary
from grokinterp.training.loop import Trainer

SMALL = {"p": 5, "d_model": 8, "n_heads": 2, "frac": 0.5, "steps": 40, "metrics_every": 10, "checkpoint_every": 20}
WANTED = training("a + b", 1.0, seed=0, **SMALL)
MOVED = Training("2*a + b", 2.0, "nanda", {"seed": 0, **SMALL}, frozen_from=WANTED)


@pytest.fixture
def bench(tmp_path):
    return Bench([tmp_path / "new", tmp_path / "old"], tmp_path / "data", threads=1, progress=False)


@pytest.fixture
def no_training(monkeypatch):
    """From here on any training is an error."""

    def train(*args, **kwargs):
        raise AssertionError("trained what was there")

    return lambda: monkeypatch.setattr("grokinterp.reproduction.bench.train", train)


def claim_on(*trainings, measure=lambda *given: {"x": 1.0}, **more):
    return Claim(
        "made", "Nobody 2000, table 1", "It is so.", "As it was.", "how it is", {"x": at_least(1)}, measure, trainings,
        **more,
    )  # fmt: skip


def test_a_missing_run_is_trained_in_the_first_place(bench):
    run = bench.run(WANTED)
    assert run.path.parent == bench.places[0]
    assert run.config == WANTED.config() and run.steps[-1] == 40
    assert bench.find(WANTED).path == run.path


def test_runs_are_trained_together_as_they_are_alone(bench, no_training, tmp_path):
    """On the engines of sweeps: the same weights, the source of a run before it, and nothing trained twice."""
    bench.train_together([MOVED, WANTED], workers=1)
    alone = Bench([tmp_path / "alone"], bench.data, threads=1, progress=False).run(WANTED)
    no_training()
    together = bench.run(WANTED)
    assert all(value.equal(together.final.parameters[name]) for name, value in alone.final.parameters.items())
    assert bench.run(MOVED).config.schedule.frozen_parts == ("embed",) and not bench.missing(claim_on(MOVED, WANTED))
    assert all(Summary.read(bench.run(each).path).of(40).wall_seconds for each in (WANTED, MOVED))


def test_a_run_is_found_by_its_configuration_under_any_name(bench, no_training):
    run = bench.run(WANTED)
    bench.places[1].mkdir()
    shutil.move(run.path, bench.places[1] / "as_somebody_called_it")
    no_training()
    assert bench.run(WANTED).path.name == "as_somebody_called_it"


def test_another_configuration_is_another_run(bench):
    bench.run(WANTED)
    for changes in ({"seed": 1}, {"steps": 50}, {"weight_decay": 0}):
        assert bench.find(training("a + b", 1.0, **{"seed": 0, **SMALL, **changes})) is None


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_an_interrupted_run_is_continued_where_it_lies(bench, monkeypatch, how):
    log = Trainer._log

    def stop_at_30(self, *given):
        log(self, *given)
        if self.step == 30:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_log", stop_at_30)
        with pytest.raises(KeyboardInterrupt):
            bench.run(WANTED)
    (begun,) = bench.places[0].iterdir()
    assert not is_finished(begun) and bench.find(WANTED) is None
    renamed = begun.rename(begun.with_name("begun"))
    if how == "killed":  # then nobody notes how long it took so far
        (renamed / "summary.json").unlink()
    assert bench.run(WANTED).path == renamed
    assert is_finished(renamed)
    seconds = attempt(claim_on(WANTED), bench).training_seconds
    assert seconds is None if how == "killed" else seconds > 0


def test_a_run_is_not_lost_for_want_of_room_to_note_its_time(bench, monkeypatch):
    def refuse(*given):
        raise StorageError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Summary, "write", refuse)
        assert is_finished(bench.run(WANTED).path)
    assert attempt(claim_on(WANTED), bench).training_seconds is None


def test_a_run_is_found_wherever_the_run_lies_that_it_starts_from(bench, no_training):
    """The path of the pretrained run is part of a configuration, and says nothing of its numbers."""
    bench.run(MOVED)
    elsewhere = bench.places[1] / "source"
    shutil.copytree(bench.find(WANTED).path, elsewhere)
    no_training()
    other = Bench([bench.places[1], bench.places[0]], bench.data, progress=False)
    assert other.find(WANTED).path == elsewhere
    found = other.run(MOVED)
    assert found.config.schedule.frozen_parts == ("embed",)
    first, last = (found[step].parameters["embed.W_E"] for step in (0, 40))
    assert first.equal(last) and last.equal(other.find(WANTED).final.parameters["embed.W_E"])


def test_a_run_from_another_source_is_not_the_one(bench):
    bench.run(MOVED)
    others = dataclasses.replace(MOVED, frozen_from=training("a + b", 1.0, **{**SMALL, "seed": 1}))
    bench.run(others.frozen_from)
    assert bench.find(others) is None


def test_the_cost_is_that_of_what_is_missing(bench):
    claim = claim_on(WANTED, MOVED, WANTED, minutes=0.25)
    assert bench.cost(claim) == 3.25
    bench.run(WANTED)
    assert bench.cost(claim) == 2.25
    bench.run(MOVED)
    assert bench.cost(claim) == 0.25


def test_a_rehearsal_uses_no_run_and_leaves_none(bench):
    bench.run(WANTED)
    before = sorted(bench.places[0].iterdir())
    seen = []
    with bench.rehearsing() as tiny:
        attempt(claim_on(WANTED, measure=lambda run: seen.append((run.path, run.steps[-1])) or {"x": 1.0}), tiny)
    ((path, last),) = seen
    assert last == QUICK_STEPS and not path.exists()
    assert sorted(bench.places[0].iterdir()) == before


def test_an_absent_file_is_named_with_the_remedy(bench):
    with pytest.raises(BadRequest, match=r"made needs the third-party file some/file.pth, .* --data"):
        attempt(claim_on(files=("some/file.pth",)), bench)


def test_runs_come_before_files_in_the_order_of_the_claim(bench):
    bench.data.mkdir()
    (bench.data / "file").write_text("content")
    seen = []
    claim = claim_on(WANTED, files=("file",), measure=lambda *given: seen.extend(given) or {"x": 1.0})
    result = attempt(claim, bench)
    assert isinstance(seen[0], Run) and seen[1] == bench.data / "file"
    assert result.files[0]["sha256"] == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"  # sha256sum


def test_a_result_says_how_to_get_it_again(bench, tmp_path):
    claim = claim_on(WANTED, measure=lambda run: {"x": {"seed 0": float("nan")}})
    result = attempt(claim, bench)
    assert result.seeds == [0] and result.runs[0]["config"] == WANTED.config().to_json()
    assert result.training_seconds > 0
    path = store(result, tmp_path / "results")
    assert json.loads(path.read_text())["values"] == {"x": {"seed 0": None}}
    assert platform.node() not in path.read_text() and str(tmp_path) not in path.read_text()
    assert stored(tmp_path / "results") == {"made": dataclasses.replace(result)}
    again = Bench(bench.places, bench.data, progress=False)
    assert attempt(claim, again).training_seconds == result.training_seconds  # trained for an earlier claim


def test_a_damaged_result_is_refused(tmp_path):
    (tmp_path / "made.json").write_text('{"claim": "made"}')
    with pytest.raises(BadRequest, match=r"made\.json is no result"):
        stored(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("values", {"x": [1]}), ("values", {"x": 10**400}), ("values", 5), ("seeds", 3), ("machine", {}), ("versions", {}),
     ("measuring_seconds", "long"), ("outcome", "hacked"), ("verdict", "hacked"), ("runs", None),
     ("nulls", {"untrained": 0.5}), ("nulls", {"untrained": {"x": [1]}}), ("nulls", {"unknown": {}})],
)  # fmt: skip
def test_a_result_of_other_types_is_refused(tmp_path, field, value):
    """What the table cannot write is refused where it is read, in one line."""
    (file, *_) = sorted(Places.of().results.glob("*.json"))
    (tmp_path / "made.json").write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    with pytest.raises(BadRequest, match=r"made\.json is no result"):
        stored(tmp_path)
    (tmp_path / "made.json").write_text("[" * 100_000)
    with pytest.raises(BadRequest, match="nested too deeply"):
        stored(tmp_path)


# -- readings that claims share


def curve(**columns):
    return Run(MemoryStore({}, pd.DataFrame(columns)), "curve")


def test_when_a_curve_crosses():
    run = curve(step=[0, 10, 20, 30], test_loss=[0.05, 4.0, 2.0, 0.09], test_accuracy=[0, 0.2, 0.99, 1])
    assert first_below(run, "test_loss", 0.1) == 0
    assert first_below(run, "test_loss", 0.1, after_peak=True) == 30
    assert first_reaching(run, "test_accuracy", 0.99) == 20
    assert pd.isna(first_reaching(run, "test_accuracy", 1.01))
    assert peak(run, "test_loss") == (4.0, 10.0)


@pytest.mark.parametrize(
    ("losses", "count"),
    [([5, 1, 0.1, 0.01], 0), ([5, 1, 0.1, 2, 1, 0.1, 0.05], 1), ([1, 0.1, 2, 0.1, 3, 0.1], 2), ([1, 0.1, 0.9], 0)],
)
def test_jumps_of_a_training_loss(losses, count):
    """Falling is no jump, and a rise counts above ten times the least since the last one."""
    steps = [1_000 + 10 * i for i in range(len(losses))]
    assert jumps(curve(step=[0, *steps], train_loss=[1e9, *losses])) == count


@pytest.mark.parametrize("rate", [0.05, 0.45, 0.95])
@pytest.mark.parametrize(
    ("measure", "column"), [("gradient_symmetricity", "gradient_sim"), ("distance_irrelevance", "distance_irrelevance")]
)
def test_medians_of_the_shipped_table_are_those_of_the_published_one(data, rate, measure, column):
    """Up to the width of a bin, 0.1 at most."""
    runs = pd.concat([pd.read_csv(data(f"pizza/1l_{width}width.csv")) for width in ("fixed", "vary")])
    kept = (runs.n_layers == 1) & (runs.diff_vocab == 0) & (runs.eqn_sign == 0) & (runs.circularity >= 0.9)
    kept &= (runs.validation_accuracy >= 0.99) & ((10 * runs.attn_coeff).astype(int) == int(10 * rate))
    assert theirs(measure, rate) == pytest.approx(runs.loc[kept, column].median(), abs=0.05)
