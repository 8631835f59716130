"""`grokinterp reproduce`: it lists, runs, rehearses and tabulates, and refuses in one line."""

import json

import pytest

from grokinterp.cli import main
from grokinterp.cli.reproduce_command import minutes
from grokinterp.reproduction import every_claim


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
        (["nanda-saved-losses", "--data", "nowhere"], "needs the third-party file nanda/wd_10-1"),
    ],
)
def test_a_bad_request_is_one_line_and_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *words, "--results", "results"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_list_has_every_claim_and_its_outcome(capsys, tmp_path):
    """Nothing has been run where there are no results."""
    assert main(["reproduce", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [claim.id for claim in every_claim()]
    assert all(" not run " in line for line in lines)


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
