"""Training keeps its promises: reproducible, resumable bit for bit, and true to what it writes down."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

import grokinterp as gi
from grokinterp.config import ScheduleConfig, TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.losses import accuracy, cross_entropy
from grokinterp.training.planning import plan

SMALL = {"p": 7, "d_model": 8, "n_heads": 2, "frac": 0.5, "metrics_every": 5, "checkpoint_every": 20, "progress": False}


def quick(out, task="a + b", **fields):
    return gi.train(task, out=out, **{**SMALL, "steps": 40, **fields})


def same_weights(one, other) -> bool:
    return one.parameters.keys() == other.parameters.keys() and all(
        torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters
    )


def test_the_seed_determines_the_run(tmp_path):
    """The same configuration gives the same weights bit for bit; another seed gives others."""
    first, again, other = quick(tmp_path / "1"), quick(tmp_path / "2"), quick(tmp_path / "3", seed=1)
    assert same_weights(first.final, again.final)
    assert not same_weights(first.final, other.final)
    pd.testing.assert_frame_equal(first.metrics, again.metrics)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"batch_size": 9},
        {"grokfast": "ma", "grokfast_window": 3},
        {"decay_kind": "jiggle"},
        {"update_noise": 0.01},
        {"weight_noise": 0.01},
        {"optimiser": "sgd", "momentum": 0.9},
        {"n_layers": 2, "normalization": "pre"},
        {"preset": "pizza_linear_x", "d_model": None, "n_heads": None},
    ],
    ids=str,
)
def test_a_prolonged_run_is_the_longer_run(tmp_path, fields):
    """Training 40 steps and resuming to 80 gives, file by file, what 80 steps give at once."""
    fields = {k: v for k, v in {**SMALL, **fields}.items() if v is not None}
    whole = gi.train("a + b", out=tmp_path / "whole", steps=80, **fields)
    gi.train("a + b", out=tmp_path / "parts", steps=40, **fields)
    parts = gi.train("a + b", out=tmp_path / "parts", steps=80, resume=True, **fields)
    assert parts.steps == whole.steps == [0, 20, 40, 60, 80]
    assert all(same_weights(parts[step], whole[step]) for step in whole.steps)
    pd.testing.assert_frame_equal(parts.metrics, whole.metrics)
    assert parts.config == whole.config


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_resume_continues(tmp_path):
    """An interrupted command exits with 130 and says how to go on; going on ends in the uninterrupted run's weights."""
    flags = "--p 11 --d-model 16 --n-heads 2 --steps 400 --metrics-every 10 --checkpoint-every 20 --threads 1".split()
    command = [sys.executable, "-m", "grokinterp", "train", "a + b", *flags, "--out", str(tmp_path / "stopped")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "stopped" / "checkpoints" / "step_00000020.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "--resume" in said.splitlines()[-1]
    assert gi.load(tmp_path / "stopped").steps[-1] < 400
    resumed = subprocess.run([*command, "--resume"], capture_output=True, text=True, env={**os.environ})
    assert resumed.returncode == 0, resumed.stderr
    whole = gi.train(
        "a + b", p=11, d_model=16, n_heads=2, steps=400, metrics_every=10, checkpoint_every=20, threads=1,
        progress=False, out=tmp_path / "whole",
    )  # fmt: skip
    stopped = gi.load(tmp_path / "stopped")
    assert stopped.steps == whole.steps
    assert same_weights(stopped.final, whole.final)
    pd.testing.assert_frame_equal(stopped.metrics, whole.metrics)


def test_metrics_are_those_of_the_checkpoint_of_the_same_step(tmp_path):
    """The loss at step t is of the weights before update t + 1, over the answers, on float64 logits."""
    run = quick(tmp_path / "run")
    for step in run.steps:
        with torch.no_grad():
            logits = evaluator(run.config.model, run.task)(run[step].parameters)[:, : run.task.n_answers]
        row = run.metrics.set_index("step").loc[step]
        train, test = run.task.is_train, ~run.task.is_train
        assert row.train_loss == pytest.approx(cross_entropy(logits[train], run.task.labels[train]).item(), rel=1e-6)
        assert row.test_accuracy == accuracy(logits[test], run.task.labels[test]).item()
        squares = sum(w.double().pow(2).sum().item() for w in run[step].parameters.values())
        assert row.weight_norm_squared == pytest.approx(squares)


def test_warm_up_leaves_the_first_two_losses_equal(tmp_path):
    """As in Nanda's files: the first update has rate zero."""
    run = quick(tmp_path / "run", metrics_every=1, steps=3)
    losses = run.metrics.train_loss
    assert losses[0] == losses[1] != losses[2]


def test_the_fast_path_trains_as_the_hooked_model_does(tmp_path, monkeypatch):
    """Thirty updates through either give the same curve."""
    fast = quick(tmp_path / "fast", steps=30)
    monkeypatch.setattr(TransformerConfig, "fast_path", lambda *_: None)
    hooked = quick(tmp_path / "hooked", steps=30)
    assert hooked.metrics.train_loss.to_numpy() == pytest.approx(fast.metrics.train_loss.to_numpy(), rel=1e-3)


def test_frozen_parts_stay_and_pretrained_parts_arrive(tmp_path):
    """Furuta's transfer: the embedding of a finished run, frozen, under a new operation."""
    source = quick(tmp_path / "source")
    moved = quick(
        tmp_path / "moved", "2*a + b", seed=5,
        pretrained=str(tmp_path / "source"), pretrained_parts=("embed",), frozen_parts=("embed",),
    )  # fmt: skip
    for step in (0, 40):
        assert torch.equal(moved[step].parameters["embed.W_E"], source.final.parameters["embed.W_E"])
    assert not torch.equal(moved[0].parameters["unembed.W_U"], moved[40].parameters["unembed.W_U"])


def test_training_follows_mislabelled_rows(tmp_path):
    """Train accuracy counts the labels trained on; the wrong ones differ from the table's."""
    run = quick(tmp_path / "run", mislabelled=6, frac=0.8, steps=600, weight_decay=0.0, metrics_every=100)
    wrong = run.task.train_labels != run.task.labels
    assert wrong.sum() == 6 and (wrong & run.task.is_train).sum() == 6
    assert run.metrics.train_accuracy.iloc[-1] == 1.0


def test_stops_after_grokking(tmp_path):
    """The run ends the given number of steps after test accuracy first reaches its mark, with a checkpoint there."""
    run = quick(tmp_path / "run", grokked_accuracy=0.05, stop_after_grokking=10, steps=1000, checkpoint_every=500)
    first = run.metrics.step[run.metrics.test_accuracy >= 0.05].min()
    assert run.steps[-1] == first + 10 < 1000


def test_schedules_of_checkpoints():
    """Every n, log-spaced, listed, and always the first and the last."""
    log = ScheduleConfig(steps=100, checkpoint_every=0, checkpoints_per_octave=1, checkpoint_steps=(7,))
    assert log.checkpointed_steps() == [0, 1, 2, 4, 7, 8, 16, 32, 64, 100]
    assert ScheduleConfig(steps=5, checkpoint_every=2).checkpointed_steps() == [0, 2, 4, 5]


@pytest.mark.parametrize(
    ("task", "fields", "columns"),
    [
        ("a + b", {}, {"test_accuracy_unswapped"}),
        ("a + b; a - b", {"layout": "a op b ="}, {"test_accuracy[a + b]", "test_accuracy[a - b]"}),
        ("a / b", {"layout": "power", "n_layers": 2, "normalization": "post"}, set()),
        ("a + b + c", {"p": 5}, set()),
    ],
)
def test_every_kind_of_table_trains(tmp_path, task, fields, columns):
    """Mixtures, two scored positions, three operands: finite losses that fall, and the columns each calls for."""
    run = quick(tmp_path / "run", task, **fields)
    assert columns <= set(run.metrics.columns)
    assert run.metrics.train_loss.iloc[-1] < run.metrics.train_loss.iloc[0]


@pytest.mark.parametrize("preset", ["nanda", "transformer_lens_demo", "pizza", "pizza_linear_a", "pizza_linear_b",
                                    "pizza_linear_c", "pizza_linear_d", "pizza_linear_x", "furuta", "power",
                                    "scienceetonnante", "chughtai"])  # fmt: skip
def test_every_preset_trains(tmp_path, preset):
    """Each recipe runs as it is, but for a small table, and lowers its training loss."""
    run = gi.train(
        preset=preset, p=13, steps=30, batch_size=None, metrics_every=10, progress=False, out=tmp_path / preset
    )
    assert run.config.preset == preset
    assert run.metrics.train_loss.iloc[-1] < run.metrics.train_loss.iloc[0]


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"wieght_decay": 1}, "Did you mean 'weight_decay'"),
        ({"preset": "nand"}, "Did you mean 'nanda'"),
        ({"frac": 1.5}, "at most 1"),
        ({"batch_size": 10_000}, "leave it out"),
        ({"lr": 1e12, "steps": 200, "warmup_steps": 0}, "lower lr"),
        ({"device": "tpu"}, "auto, cpu, cuda"),
        ({"frozen_parts": ("embed", "unembed", "transformer")}, "at least one"),
        ({"threads": 0}, "from 1 to"),
        ({"layout": "a - b"}, "layout"),
    ],
)
def test_refusals_name_the_remedy(tmp_path, fields, remedy):
    """One line, a ValueError, and what would have worked."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        quick(tmp_path / "run", **fields)
    assert "\n" not in str(refused.value)


def test_a_refusal_writes_nothing(tmp_path):
    """What cannot be trained leaves no directory behind."""
    with pytest.raises(BadRequest):
        quick(tmp_path / "run", frozen_parts=("embed", "unembed", "transformer"))
    assert list(tmp_path.iterdir()) == []


def test_resume_refuses_another_recipe(tmp_path):
    """A run is continued with its own options only."""
    quick(tmp_path / "run")
    with pytest.raises(BadRequest, match="another"):
        quick(tmp_path / "run", lr=0.01, resume=True)


def test_plan_prefers_what_the_caller_said():
    """A task's own p and layout win over the preset's; what it leaves open follows the preset."""
    config, task = plan(gi.Task("a - b", p=11), preset="furuta")
    assert task.parameters == {"p": 11, "layout": "a op b"}
    assert config.model.d_vocab == 12 and config.model.n_ctx == 3
