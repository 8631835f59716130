"""Provenance: a copy tells what the first reader told, whoever wrote it."""

import json
from pathlib import Path

import pytest

from grokinterp.reports.prose import is_imported
from grokinterp.runs.directory import open_run
from grokinterp.runs.packing import open_packed, pack
from grokinterp.runs.provenance import Assumption, Provenance
from grokinterp.runs.writer import save_run

ASSUMED = Assumption("activation", "inferred", "loss .01, the next .4")


def test_a_copy_of_a_third_party_file_remains_one(small_run, tmp_path):
    """Through a directory and a pack: notes, assumptions, mapping, and that other code trained it."""
    run = open_run(small_run)
    run.provenance = Provenance.of_file(
        "pizza", Path("x.pt"), ["the split is unknown"], assumptions=(ASSUMED,), mapping={"a": "embed.W_E"}
    )
    copy = save_run(run, tmp_path / "copy")
    packed = open_packed(pack(copy, tmp_path / "copy.safetensors"))
    for each in (copy, packed):
        assert is_imported(each) and each.assumptions == (ASSUMED,)
        assert each.source["notes"] == ["the split is unknown"] and each.source["mapping"] == {"a": "embed.W_E"}
    assert copy.source["copied_from"] == "x.pt (pizza)"


def test_a_copy_of_our_own_run_remains_our_own(small_run, tmp_path):
    """Its versions are those of the training."""
    run = open_run(small_run)
    copy = save_run(run, tmp_path / "copy")
    assert not is_imported(copy) and copy.source["versions"] == run.source["versions"]


@pytest.mark.parametrize(
    ("recorded", "elsewhere"),
    [
        ({}, False),
        ({"copied_from": "runs/add (run directory)"}, False),
        ({"copied_from": "model (1).pt (pizza)"}, True),
        ({"notes": ["the split is unknown"], "copied_from": "copy (run directory)"}, True),
    ],
)
def test_what_older_versions_recorded_is_read(small_run, recorded, elsewhere):
    """They kept no word on who trained a run; entries of theirs that we do not know are kept."""
    config = json.loads((small_run / "config.json").read_text())
    (small_run / "config.json").write_text(json.dumps({**config, "source": {**recorded, "epoch": 3}}))
    run = open_run(small_run)
    assert is_imported(run) is elsewhere
    assert run.source.items() >= {**recorded, "epoch": 3, "format": "run directory", "file": str(small_run)}.items()
