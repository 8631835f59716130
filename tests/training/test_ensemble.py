"""An ensemble gives each of its members the run that it has alone, to float rounding, whatever befalls the others."""

from pathlib import Path

import pytest
import torch

import grokinterp as gi
from grokinterp.errors import BadRequest
from grokinterp.evaluation.processor import processor_settings
from grokinterp.runs.directory import is_finished, open_run
from grokinterp.runs.writer import RunWriter
from grokinterp.training import loop
from grokinterp.training.ensemble import Ensemble, Member, train_together, why_alone
from grokinterp.training.planning import plan
from grokinterp.training.start import initial_parameters
from grokinterp.training.timing import compare

SMALL = {"p": 7, "d_model": 16, "d_mlp": 16, "n_heads": 2, "frac": 0.5, "metrics_every": 20, "checkpoint_every": 50}
SEEDS = (0, 1)


def together(folder, steps, seeds=SEEDS, **fields) -> dict[int, Exception | None]:
    """Train seeds in one ensemble, each in a directory of its own; how each ended."""
    members = [
        Member(*plan("a + b", **{**SMALL, "steps": steps, "seed": seed, **fields}), folder / str(seed))
        for seed in seeds
    ]
    ends = dict(train_together(members))
    return {seed: ends[folder / str(seed)] for seed in seeds}


def alone(folder, steps, seed, **fields) -> gi.Run:
    """The same run, trained by itself."""
    fields = {**SMALL, "steps": steps, "seed": seed, **fields}
    return gi.train("a + b", out=folder / f"alone{seed}", threads=1, progress=False, **fields)


def distance(one: gi.Run, other: gi.Run) -> float:
    """How far the checkpoints of two runs are apart, as a share of the largest weight."""
    assert one.steps == other.steps
    pairs = [(one[step].parameters, other[step].parameters) for step in one.steps]
    assert all(a.keys() == b.keys() for a, b in pairs)
    return max(
        float((a[name] - b[name]).abs().max() / b[name].abs().max().clamp(min=1)) for a, b in pairs for name in a
    )


@pytest.mark.parametrize(
    ("steps", "fields"),
    [
        (200, {}),
        (50, {"batch_size": 9, "attention_rate": 0.5, "attention_bias": True}),
        (50, {"layout": "a b", "optimiser": "sgd", "momentum": 0.9, "grokfast": "ema", "decay_kind": "to_init"}),
        (50, {"frozen_parts": ("embed",), "loss": "mse", "lr_schedule": "cosine", "warmup_steps": 10}),
    ],
    ids=str,
)
def test_members_are_the_runs_trained_alone(tmp_path, steps, fields):
    """Every checkpoint, every row of metrics and the identity are those of single runs, to rounding."""
    assert together(tmp_path, steps, **fields) == dict.fromkeys(SEEDS)
    for seed in SEEDS:
        mine, other = open_run(tmp_path / str(seed)), alone(tmp_path, steps, seed, **fields)
        assert distance(mine, other) < 2e-5
        assert mine.config == other.config and is_finished(mine.path)
        assert mine.metrics.columns.tolist() == other.metrics.columns.tolist()
        assert torch.allclose(
            torch.tensor(mine.metrics.values), torch.tensor(other.metrics.values), rtol=1e-3, atol=1e-5
        )


def test_what_is_taken_is_measured():
    """Both ways are timed, and the faster one is said to be used."""
    comparison = compare(*plan("a + b", **SMALL), 3)
    assert comparison.members == 3 and comparison.together > 0 and comparison.alone > 0
    assert ("the ensemble is used" in comparison.text()) == (comparison.together < comparison.alone)


def test_a_killed_ensemble_goes_on(tmp_path, monkeypatch):
    """Killed between two states, members go on from the last one, and no row of metrics stands twice."""
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_STATES", 0)
    step = Ensemble.step

    def killed(self):
        if self.members[0].step == 70:
            raise SystemExit
        step(self)

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(Ensemble, "step", killed)
        together(tmp_path, 100, grokfast="ma", grokfast_window=3)
    assert together(tmp_path, 100, grokfast="ma", grokfast_window=3) == dict.fromkeys(SEEDS)
    for seed in SEEDS:
        mine, other = open_run(tmp_path / str(seed)), alone(tmp_path, 100, seed, grokfast="ma", grokfast_window=3)
        assert distance(mine, other) < 2e-5
        assert mine.metrics.step.tolist() == other.metrics.step.tolist() == [*range(0, 101, 20)]


def test_members_stop_and_fail_by_themselves(tmp_path, monkeypatch):
    """One that groks stops, one that diverges fails with its line; the third is the run that it is alone."""
    initial = initial_parameters

    def spoilt(config):
        parameters = initial(config)
        if config.seed == 1:
            parameters["embed.W_E"][0] = float("inf")
        return parameters

    monkeypatch.setattr("grokinterp.training.ensemble.initial_parameters", spoilt)
    fields = {"stop_after_grokking": 20, "grokked_accuracy": 0.35, "frac": 0.8}
    fields |= {"metrics_every": 10, "lr": 0.01, "weight_decay": 0.1}
    ends = together(tmp_path, 100, seeds=(0, 1, 2), **fields)
    monkeypatch.undo()
    assert ends[0] is None and ends[2] is None
    assert isinstance(ends[1], BadRequest) and "the training loss became nan at step 0" in str(ends[1])
    runs = {seed: open_run(tmp_path / str(seed)) for seed in (0, 2)}
    assert runs[0].final.step < runs[2].final.step < 100
    for seed, run in runs.items():
        assert distance(run, alone(tmp_path, 100, seed, **fields)) < 2e-5


def test_a_member_goes_on_alone(tmp_path):
    """What an ensemble wrote, a single run prolongs, and an ensemble what a single run wrote."""
    together(tmp_path, 50, seeds=(0, 1))
    one = gi.train("a + b", out=tmp_path / "0", resume=True, threads=1, progress=False, steps=100, seed=0, **SMALL)
    assert distance(one, alone(tmp_path, 100, 0)) < 2e-5
    gi.train("a + b", out=tmp_path / "2", threads=1, progress=False, steps=50, seed=2, **SMALL)
    assert together(tmp_path, 100, seeds=(1, 2)) == {1: None, 2: None}
    assert distance(open_run(tmp_path / "2"), alone(tmp_path, 100, 2)) < 2e-5


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"n_layers": 2}, "it has 2 layers"),
        ({"optimiser": "muon"}, "muon"),
        ({"weight_noise": 0.1}, "weight_noise=0.1 is not done weight by weight"),
        ({"decay_kind": "jiggle"}, "jiggle"),
        ({"fixed_norm": True}, "fixed_norm"),
    ],
    ids=str,
)
def test_what_cannot_be_batched_has_a_reason(fields, reason):
    """A model that the fast path does not take, and updates that are not done weight by weight, are named."""
    said = why_alone(*plan("a + b", **SMALL, **fields))
    assert said is None if reason is None else reason in str(said)


def test_members_lend_their_weights():
    """While an ensemble holds them members have views that move with each step; released, their own again."""
    plans = [plan("a + b", **SMALL, seed=seed) for seed in SEEDS]
    members = [
        loop.Trainer(*each, initial_parameters(each[0]), torch.device("cpu"), RunWriter(Path(), each[0]), None)
        for each in plans
    ]
    before = [member.parameters["embed.W_E"].detach().clone() for member in members]
    ensemble = Ensemble(members)
    with processor_settings(1):
        ensemble.step()  # the first has a rate of 0
        ensemble.step()
    moved = [member.parameters["embed.W_E"].clone() for member in members]
    assert not any(map(torch.equal, before, moved))
    ensemble.release()
    assert all(torch.equal(member.parameters["embed.W_E"], value) for member, value in zip(members, moved, strict=True))
    assert all(
        member.parameters["embed.W_E"].is_leaf and member.parameters["embed.W_E"].requires_grad for member in members
    )
