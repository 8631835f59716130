"""`grokinterp reproduce`: it lists, runs, rehearses and tabulates, and refuses in one line."""

import json

import pytest

from grokinterp.cli import main
from grokinterp.cli.reproduce_command import duration, minutes
from grokinterp.reproduction import Claim, by_source, every_claim, find_claim
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.target import at_least


@pytest.mark.parametrize(("text", "expected"), [("90s", 1.5), ("30m", 30), ("2h", 120), ("1.5h", 90)])
def test_a_budget_is_a_time(text, expected):
    assert minutes(text) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nanda-phase"], "Did you mean 'nanda-phases'?"),
        (["--all", "--budget", "soon"], "give it as 90s, 30m or 2h"),
        (["nanda-phases", "--all"], "give an ID, --all or --table, one of them"),
        (["--quick"], "--quick rehearses one claim; name it"),
        (["--workers", "2"], "--workers and --engine are of runs to train"),
        (["nanda-phases", "--workers", "2", "--threads", "1"], "leave --threads out"),
        (["nanda-saved-losses", "--data", "nowhere"], "needs the third-party file nanda/wd_10-1"),
    ],
)
def test_a_bad_request_is_one_line_and_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *words, "--results", "results"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_list_has_every_claim_by_source_with_outcome_and_time(capsys, tmp_path):
    """Nothing has been run where there are no results, and every run is still to be trained where there are none."""
    assert main(["reproduce", "--results", str(tmp_path), "--runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    sources = [line for line in lines if not line.startswith("  ")]
    assert sources == [f"{source}: {len(group)} not run" for source, group in by_source(every_claim()).items()]
    rows = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert [*rows] == [claim.id for group in by_source(every_claim()).values() for claim in group]
    claim = find_claim("nanda-restricted")
    needed = claim.minutes + sum(training.minutes for training in claim.trainings)
    assert rows["nanda-restricted"].split()[1:] == f"not run {needed / 60:.1f} h {claim.statement}".split()


def test_what_is_trained_and_how_long_is_said_before_it_starts(capsys, tmp_path, monkeypatch):
    """Afterwards target stands beside measured; a run that is there already is not announced again."""
    small = {"p": 5, "d_model": 8, "n_heads": 2, "steps": 20, "metrics_every": 10, "checkpoint_every": 20}
    made = Claim(
        "made", "Nobody 2000, table 1", "It is so.", "As it was.", "how it is", {"x": at_least(1)},
        lambda run: {"x": run.metrics.step.max()}, (training("a + b", 2.0, seed=3, **small),),
    )  # fmt: skip
    monkeypatch.setattr("grokinterp.reproduction.find_claim", lambda id: made)
    words = ["reproduce", "made", "--runs", str(tmp_path / "runs"), "--results", str(tmp_path), "--threads", "1"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "made: 1 of its 1 runs to train, 2 min or so.",
        "  a + b (nanda), seed 3, at most 20 steps, 2 min",
    ]
    assert any(line.split() == "x: 20 target at least 1: met, vacuous: a null meets it".split() for line in lines[2:])
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("made: 0 of its 1 runs to train, 30 s or so.")


@pytest.mark.parametrize(("minutes", "text"), [(0.5, "30 s"), (12.2, "12 min"), (90, "1.5 h")])
def test_a_duration_is_in_the_unit_that_is_read(minutes, text):
    assert duration(minutes) == text


def test_a_claim_of_a_file_is_run_stored_and_tabulated(data, capsys, tmp_path):
    folder = str(data("nanda/wd_10-1_mod_addition_loss_curve.pth").parents[1])
    assert main(["reproduce", "nanda-saved-first-step", "--data", folder, "--results", str(tmp_path)]) == 0
    assert "reproduced" in capsys.readouterr().out
    stored = json.loads((tmp_path / "nanda-saved-first-step.json").read_text())
    assert stored["verdict"] == "reproduced"
    assert "Reproduced: 0 trained anew, 1 checked on saved files" in (tmp_path / "REPRODUCTION.md").read_text()


def test_a_rehearsal_stores_nothing_and_says_so(capsys, tmp_path):
    """Three runs of twenty steps, in a directory that is gone."""
    runs, results = tmp_path / "runs", tmp_path / "results"
    words = ["sci-memorised", "--quick", "--runs", str(runs), "--results", str(results), "--threads", "1"]
    assert main(["reproduce", *words]) == 0
    assert "it proves nothing, and nothing is stored" in capsys.readouterr().out
    assert not runs.exists() and not results.exists()


def test_all_starts_nothing_that_does_not_fit(capsys, tmp_path):
    assert main(["reproduce", "--all", "--budget", "0s", "--results", str(tmp_path), "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "claims did not fit" in said and "not run. nanda-saved-losses needs" in said
    assert not list(tmp_path.iterdir())


def test_the_table_of_other_results_lies_beside_them(tmp_path):
    assert main(["reproduce", "--table", "--results", str(tmp_path)]) == 0
    assert f"{len(every_claim())} claims. Reproduced: 0 trained anew" in (tmp_path / "REPRODUCTION.md").read_text()
    rows = (tmp_path / "docs" / "reproduction" / "power-et-al-2022.md").read_text().splitlines()
    assert all(row.endswith("| not run |") for row in rows if row.startswith("| `"))
