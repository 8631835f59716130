"""Packed runs: one safetensors file with everything, read lazily."""

import os

import pytest
import torch
from safetensors.torch import load_file

import grokinterp as gi
from grokinterp.runs.directory import open_run
from grokinterp.runs.packing import pack
from grokinterp.runs.run import Run, RunError
from grokinterp.runs.store import MemoryStore


def test_a_packed_run_is_the_run(small, small_run, tmp_path):
    """Configuration, task, mask, steps, weights to the bit and metrics are those of the directory."""
    run = open_run(small_run)
    packed = gi.load(pack(run, tmp_path / "small.safetensors"))
    assert packed.config == run.config and packed.steps == run.steps and packed.name == "small"
    assert torch.equal(packed.task.is_train, run.task.is_train)
    assert packed.metrics.equals(run.metrics)
    for checkpoint in run:
        weights = packed[checkpoint.step].parameters
        assert weights.keys() == checkpoint.parameters.keys()
        assert all(torch.equal(weights[name], value) for name, value in checkpoint.parameters.items())
    with pytest.raises(RunError, match="no checkpoint at step 50"):
        packed[50]


def test_any_safetensors_reader_finds_the_stacked_weights(small, small_run, tmp_path):
    """The file is plain safetensors: parameters [step, ...] by classic name, beside `run/steps`."""
    tensors = load_file(pack(open_run(small_run), tmp_path / "small.safetensors"))
    assert tensors["run/steps"].tolist() == [0, 100, 200, 300]
    assert tensors["embed.W_E"].shape == (4, 6, 8)
    assert torch.equal(tensors["embed.W_E"][2], small.weights(200)["embed.W_E"])
    assert tensors["run/metrics/test_loss"].tolist() == [2.0] * 7


def test_mislabelled_rows_survive_packing(small, small_run, tmp_path):
    """The labels trained on are in the file where they are not the right ones."""
    task = small.task.split(frac=0.35, seed=0, split="nanda", mislabelled=2)
    run = Run(open_run(small_run)._store, "wrong", small.config, task)
    assert torch.equal(gi.load(pack(run, tmp_path / "x.safetensors")).task.train_labels, task.train_labels)


def test_packing_refuses_what_cannot_be_packed(small_run, tmp_path):
    """Curves alone, or a file name that would not be recognised, are refused with what to do."""
    with pytest.raises(RunError, match="no checkpoints to pack"):
        pack(Run(MemoryStore({}), "curves"), tmp_path / "x.safetensors")
    with pytest.raises(RunError, match=r"write to .*x\.pt\.safetensors"):
        pack(open_run(small_run), tmp_path / "x.pt")
    packed = pack(open_run(small_run), tmp_path / "y.safetensors")
    with pytest.raises(RunError, match="is the file that the run is read from"):
        pack(gi.load(packed), packed)
    assert gi.load(packed).steps == [0, 100, 200, 300]
    assert not [name for name in os.listdir(tmp_path) if name.startswith("x")]


def test_a_truncated_pack_is_one_clear_line(small_run, tmp_path):
    """A partial download is named as one."""
    path = pack(open_run(small_run), tmp_path / "small.safetensors")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(gi.BadRequest, match="truncated") as refusal:
        gi.load(path)
    assert "\n" not in str(refusal.value)
