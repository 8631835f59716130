"""Several runs: their table reads what is there and computes nothing; where and group choose by it."""

import dataclasses

import pandas as pd
import pytest

import grokinterp as gi
from grokinterp.runs import lock
from grokinterp.runs.population.collection import Runs, as_shown
from grokinterp.runs.population.fields import fields_of, varied, without_derived
from grokinterp.runs.population.table import RESULTS
from grokinterp.runs.population.wanted import WANTED, write_wanted
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import Run, RunError
from grokinterp.runs.store import MemoryStore
from grokinterp.runs.summary import SUMMARY, Summary


def files(path):
    return {each: each.stat().st_mtime_ns for each in path.rglob("*")}


def test_a_table_has_what_varies_and_what_it_came_to(population):
    """A row a run: the two fields that differ, in the configuration's order, then landmarks of the recorded curves."""
    table = gi.load(population).table
    assert table.columns.tolist() == ["seed", "attention_rate", *RESULTS]
    assert table.index.tolist() == [f"attention_rate{rate}-seed{seed}" for rate in (0.0, 0.5, 1.0) for seed in (0, 1)]
    assert table["seed"].tolist() == [0, 1] * 3 and table["seed"].dtype == "int64"
    assert table["attention_rate"].tolist() == [0, 0, 0.5, 0.5, 1, 1]
    assert table["status"].tolist() == ["finished"] * 5 + ["stopped"]
    assert table["steps"].tolist() == [300] * 6 and table["memorised_step"].tolist() == [50] * 6
    assert table["grokked_step"].tolist()[:5] == [100, pd.NA, 150, 250, 200]
    assert pd.isna(table["grokked_step"].iloc[5])
    assert table["train_loss"].tolist() == [1 / 301] * 6 and table["test_accuracy"].tolist() == [1, 0.25, 1, 1, 1, 0.25]


def test_what_was_not_measured_is_blank_and_never_computed(population, monkeypatch):
    """No weights are read, nothing is written, and what only a measurement knows is blank."""
    monkeypatch.setattr("grokinterp.runs.directory.read_tensors", lambda path: pytest.fail("weights were read"))
    before = files(population)
    table = gi.load(population).table
    for name in ("test_accuracy_unswapped", "verdict", "geometry", "key_frequencies", "wall_seconds"):
        assert table[name].isna().all(), name
    assert files(population) == before


def test_a_damaged_file_of_one_run_leaves_the_others(population, caplog):
    """Its row has its fields and a status, and a warning names the file and what to do."""
    whole = gi.load(population).table
    (metrics,) = (population / "attention_rate0.5-seed1").glob("metrics.*")
    metrics.write_bytes(metrics.read_bytes()[:-7])
    table = gi.load(population).table
    row = table.loc[metrics.parent.name]
    assert row["status"] == "damaged" and row["seed"] == 1 and row[list(RESULTS[1:])].isna().all()
    others = whole.index != metrics.parent.name
    pd.testing.assert_frame_equal(table[others], whole[others], check_dtype=False)
    (said,) = [record.getMessage() for record in caplog.records if record.name.endswith("population.table")]
    assert str(metrics) in said and said.startswith(metrics.parent.name)


def test_a_table_reads_the_summary_of_the_last_checkpoint(population):
    """What was measured stands there; what was read off an earlier checkpoint is blank, and a damaged one is none."""
    first, second = (population / f"attention_rate{rate}-seed0" for rate in (0.0, 0.5))
    read = Summary(300, {"test_accuracy_unswapped": 0.5}, "clock", None, (1, 2), seconds=3.5, timed=300)
    read.write(first)
    dataclasses.replace(read, step=100).write(second)
    (population / "attention_rate1.0-seed0" / SUMMARY).write_text("{cut")
    table = gi.load(population).table
    assert table.loc[first.name, "verdict"] == "clock" and table.loc[first.name, "key_frequencies"] == (1, 2)
    assert table.loc[first.name, "test_accuracy_unswapped"] == 0.5
    assert table.loc[first.name, "wall_seconds"] == 3.5
    assert table["verdict"].count() == 1 and table["key_frequencies"].count() == 1


def test_a_failure_is_told_until_it_is_mended(population):
    """The line that a swept run left makes it failed while it is unfinished."""
    for name in ("attention_rate1.0-seed1", "attention_rate1.0-seed0"):
        Summary(failure="killed by signal 9").write(population / name)
    assert gi.load(population).table["status"].tolist() == ["finished"] * 5 + ["failed"]


def test_how_far_a_run_is_stands_in_its_directory(population):
    """One that is being written runs; one whose loss was lost, or that left a log, has failed; others are missing."""
    cut, lost = population / "attention_rate1.0-seed1", population / "attention_rate0.0-seed0"
    with lock.held(cut):
        assert gi.load(population).table.loc[cut.name, "status"] == "running"
    (lost / "metrics.parquet").unlink()
    (lost / "metrics.jsonl").write_text('{"step": 0, "train_loss": 1.0}\n{"step": 50, "diverged": 1}\n')
    runs = gi.load(population)
    table = Runs(runs, missing={"wanted": {"seed": 7, "attention_rate": 0.5}}).table
    assert table.loc[lost.name, "status"] == "failed" and table.loc[cut.name, "status"] == "stopped"
    assert table.loc["wanted", "status"] == "missing" and table.loc["wanted", "seed"] == 7
    assert table.drop(columns=["seed", "attention_rate", "status"]).loc["wanted"].isna().all()
    assert table.columns.tolist()[:2] == ["seed", "attention_rate"] and table.columns[2] == "status"
    (population / "logs").mkdir()
    (population / "logs" / f"{cut.name}.log").write_text("OSError: no space left on device")
    assert gi.load(population).table.loc[cut.name, "status"] == "failed"


def test_a_directory_says_which_runs_of_its_sweep_are_missing(population):
    """Those that the sweep wants and that are not there, by their fields; a damaged list says nothing."""
    wanted = {"attention_rate0.0-seed0": {"seed": 0}, "later": {"seed": 9, "attention_rate": 0.5, "steps": 300}}
    write_wanted(population, wanted)
    runs = gi.load(population)
    assert runs.missing == {"later": {"seed": 9, "attention_rate": 0.5, "planned_steps": 300}}
    assert runs.table["status"].tolist() == ["finished"] * 5 + ["stopped", "missing"] and "1 missing" in repr(runs)
    (population / WANTED).write_text("[1]")
    assert gi.load(population).missing == {}


def test_a_file_of_other_code_tells_no_status_and_no_recipe(population):
    """Defaults of a configuration that nobody set, and a number of steps that nobody planned, are blank."""
    own = gi.load(population / "attention_rate0.0-seed0")
    curves = pd.DataFrame({"step": [0, 10], "train_loss": [2.0, 1.0], "train_accuracy": [0.0, 1.0]})
    foreign = Run(
        MemoryStore({}, curves),
        "foreign",
        own.config.replace(preset="imported", weight_decay=5.0),
        provenance=Provenance.of_file("curves", population / "x.pth", ()),
    )
    bare = Run(MemoryStore({}), "bare")
    table = Runs({"own": own, "foreign": foreign, "bare": bare}).table
    assert table.loc["foreign", ["status", "weight_decay", "seed"]].isna().all()
    assert table.loc["own", "weight_decay"] == own.config.optimiser.weight_decay
    assert table.loc["foreign", "d_model"] == 8 and table.loc["foreign", "memorised_step"] == 10
    assert table.loc["bare"].isna().all() and table.loc["foreign", "steps"] == 10
    assert "planned_steps" in fields_of(own) and "steps" not in fields_of(own)


def test_what_varies_is_told_by_value():
    """A whole number and the same real one are one value; a field that only some have varies; truth is no number."""
    assert varied([{"a": 1, "b": 2, "c": (1,)}, {"a": 1.0, "b": 3, "c": (1,)}]) == ["b"]
    assert varied([{"a": 1}, {"a": True}]) == ["a"]
    assert varied([{"a": 1}, {"a": 1, "heads": 4}]) == ["heads"]
    assert varied([]) == []


def test_a_size_that_the_modulus_gives_is_no_field_of_its_own():
    """One size for each p tells nothing that p does not; two at one p do, and so does one without a cause."""
    rows = [{"p": p, "d_vocab": p + 1, "seed": seed} for p in (5, 7) for seed in (0, 1)]
    assert without_derived(["p", "d_vocab", "seed"], rows) == ["p", "seed"]
    assert without_derived(["p", "d_vocab"], [*rows, {"p": 5, "d_vocab": 9}]) == ["p", "d_vocab"]
    assert without_derived(["d_vocab"], [{"d_vocab": 5}, {"d_vocab": 6}]) == ["d_vocab"]


def test_where_chooses_by_fields_and_results(population):
    """By what varies, by what is the same in all, by a result, by alternatives and by blank."""
    runs = gi.load(population)
    names = lambda chosen: [name.removeprefix("attention_rate") for name in chosen]
    assert names(runs.where(seed=0)) == ["0.0-seed0", "0.5-seed0", "1.0-seed0"]
    assert names(runs.where(seed=0, attention_rate=[0, 1])) == ["0.0-seed0", "1.0-seed0"]
    assert names(runs.where(status="stopped")) == ["1.0-seed1"]
    assert names(runs.where(grokked_step=None)) == ["0.0-seed1", "1.0-seed1"]
    assert len(runs.where(d_model=8)) == 6 and len(runs.where(d_model=9)) == 0
    assert repr(runs.where(d_model=9)) == "<Runs: none>" and runs.where(d_model=9).table.empty
    with pytest.raises(RunError, match=r"no run here has a field 'sed'\. Did you mean 'seed'\?"):
        runs.where(sed=0)


def test_group_parts_the_runs_by_value(population):
    """Every run is in one group; values ascend, blank last; of several names the keys are tuples."""
    runs = gi.load(population)
    groups = runs.group("attention_rate")
    assert [*groups] == [0.0, 0.5, 1.0] and [len(group) for group in groups.values()] == [2, 2, 2]
    assert [*runs.group("grokked_step")] == [100, 150, 200, 250, None]
    assert [*runs.group("seed", "attention_rate")][:2] == [(0, 0.0), (0, 0.5)]
    with pytest.raises(RunError, match=r"runs\.group\('seed'\)"):
        runs.group()


def test_a_small_number_is_no_zero_in_a_table():
    """pandas writes 4e-09 beside .25 as 0.0."""
    shown = as_shown(pd.DataFrame({"loss": [4e-9, 0.25, float("nan")], "seed": [0, 1, 2], "blank": [None] * 3}))
    assert shown.to_dict("list") == {"loss": ["4e-09", "0.25", ""], "seed": [0, 1, 2]}


def test_many_runs_are_named_in_short(population):
    """The text of many runs is a line, and their page in a notebook is escaped."""
    run = gi.load(population / "attention_rate0.0-seed0")
    many = Runs({f"<b>{i}": run for i in range(40)})
    assert len(repr(many)) < 200 and "and 28 more" in repr(many)
    assert "<b>" not in many._repr_html_().split("<tbody>")[1] and "&lt;b&gt;39" in many._repr_html_()
