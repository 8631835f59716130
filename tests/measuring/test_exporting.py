"""Activations in a file: what the hook gives, with rows and answers, at the step that is asked."""

import json

import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import grokinterp as gi

HOOK = "blocks.0.mlp.hook_post"


@pytest.mark.parametrize(("scored", "positions"), [(False, 3), (True, 1)])
def test_both_formats_hold_what_the_hook_gives(small_run, tmp_path, scored, positions):
    """Of the checkpoint that is asked, every row in the table's order; the metadata say what it is."""
    run = gi.load(small_run)
    wanted = run[100].model().run_with_cache(run.task.inputs)[1][HOOK]
    wanted = wanted[:, -1:] if scored else wanted
    path = gi.export_activations(run, HOOK, tmp_path / "x.safetensors", step=100, scored=scored)
    tensors = load_file(path)
    torch.testing.assert_close(tensors["activations"], wanted.detach())
    assert tensors["activations"].shape[:2] == (25, positions)
    assert tensors["rows"].equal(run.task.inputs) and tensors["answers"].equal(run.task.labels)
    assert tensors["is_train"].equal(run.task.is_train)
    with safe_open(path, "pt") as file:
        assert file.metadata()["step"] == "100" and file.metadata()["hook"] == HOOK
    table = pq.read_table(gi.export_activations(run, HOOK, tmp_path / "x.parquet", step=100, scored=scored))
    shape = json.loads(table.schema.metadata[b"shape"])
    flat = torch.tensor(table["activations"].to_pylist())
    assert flat.reshape(shape).equal(tensors["activations"])
    assert table["answers"].to_pylist() == run.task.labels.tolist()
    assert sorted(each.name for each in tmp_path.glob("*x.*")) == ["x.parquet", "x.safetensors"]


@pytest.mark.parametrize(
    ("hook", "name", "options", "says"),
    [
        ("blocks.0.mlp.hook_poost", "x.safetensors", {}, "Did you mean"),
        (HOOK, "x.csv", {}, r"has to end in .safetensors or .parquet"),
        (HOOK, "x.parquet", {"step": 77}, "77"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(small_run, tmp_path, hook, name, options, says):
    with pytest.raises(gi.BadRequest, match=says) as refusal:
        gi.export_activations(gi.load(small_run), hook, tmp_path / name, **options)
    assert "\n" not in str(refusal.value) and not list(tmp_path.glob("*x.*"))
