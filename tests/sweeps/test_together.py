"""Seeds of a sweep that asks for ensembles are trained together where that is faster, each a run of its own."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

import grokinterp as gi
from grokinterp.errors import ConfigError
from grokinterp.runs.summary import Summary
from grokinterp.sweeps import SweepError, sweep, together
from grokinterp.sweeps.engines import local
from grokinterp.training import ensemble, timing

RUN = {"expression": "a + b", "p": 7, "frac": 0.5, "d_model": 16, "n_heads": 2, "d_mlp": 16, "checkpoint_every": 10}
SPEC = {"name": "seeds", "ensemble": True, "run": {**RUN, "steps": 20}, "grid": {"seed": "0..3"}}


class Threads(ThreadPoolExecutor):
    """Workers without the start of a process."""

    def last_words(self, process):
        return ""


@pytest.fixture
def workers(monkeypatch):
    """The local engine works in threads, and either way of training can be made the faster one."""
    monkeypatch.setattr(local, "Processes", Threads)

    def faster(is_faster):
        made = timing.Comparison(0, 1e-4, 2e-4) if is_faster else timing.Comparison(0, 2e-4, 1e-4)
        monkeypatch.setattr(timing, "compare", lambda config, task, members: replace(made, members=members))

    return faster


@pytest.mark.parametrize("is_faster", [True, False])
def test_seeds_are_trained_together_where_that_is_faster(tmp_path, workers, capsys, is_faster):
    """What was decided is said and kept; either way each seed is its run, to rounding or bit for bit."""
    workers(is_faster)
    runs = sweep(SPEC, out=tmp_path / "seeds", workers=2)
    line = "ensemble of 2, and 0.2 ms alone; the ensemble is used" if is_faster else "no ensemble is used"
    assert line in capsys.readouterr().err
    alone = gi.train("a + b", **{k: v for k, v in SPEC["run"].items() if k != "expression"}, seed=3,
                     out=tmp_path / "alone", threads=1, progress=False)  # fmt: skip
    mine = next(run for run in runs.values() if run.config.seed == 3)
    assert mine.steps == alone.steps and mine.config == alone.config
    pairs = [(mine.final.parameters[name], weights) for name, weights in alone.final.parameters.items()]
    assert all(torch.allclose(*pair, atol=1e-5) if is_faster else torch.equal(*pair) for pair in pairs)
    for run in runs.values():
        summary = Summary.read(run.path)
        assert summary.ensemble is not None and summary.ensemble["members"] == (2 if is_faster else 1)
        assert summary.wall_seconds is not None and summary.scores["test_loss"] > 0


def test_groups_are_as_many_as_keep_the_workers_busy(workers):
    """Seeds are dealt out evenly, no more than eight at once, and another learning rate is another group."""
    workers(True)
    spec = together_spec(grid={"lr": [1e-3, 3e-3], "seed": "0..11"})
    for n_workers, sizes in ((1, {6}), (4, {6}), (8, {3})):
        groups: dict[str, list[float]] = {}
        for jobs, line in together.grouped(spec, n_workers):
            assert "in an ensemble of" in line and line.startswith("lr=")
            for job in jobs:
                groups.setdefault(str(job.group), []).append(job.fields["lr"])
        assert {len(each) for each in groups.values()} == sizes
        assert all(len(set(each)) == 1 for each in groups.values())


def together_spec(**tables):
    """Points and jobs of a spec whose runs are not there yet."""
    from grokinterp.sweeps.directory import SweepDirectory
    from grokinterp.sweeps.points import points_of
    from grokinterp.sweeps.spec import Spec

    spec = Spec.read({**SPEC, **tables})
    directory = SweepDirectory.of(spec, "nowhere")
    return [(point, directory.job(point, spec)) for point in points_of(spec)]


def test_one_member_that_fails_costs_the_others_nothing(tmp_path, workers, monkeypatch):
    """It is named with its line and its log, and the others are trained to their ends."""
    workers(True)
    initial = ensemble.initial_parameters

    def spoilt(config):
        parameters = initial(config)
        if config.seed == 2:
            parameters["embed.W_E"][0] = float("nan")
        return parameters

    with monkeypatch.context() as patched:
        patched.setattr(ensemble, "initial_parameters", spoilt)
        with pytest.raises(SweepError) as refusal:
            sweep(SPEC, out=tmp_path / "seeds", workers=1, progress=False)
    (name,) = refusal.value.failed
    assert name.startswith("seed2-") and "the training loss became nan at step 0" in refusal.value.failed[name]
    assert "log:" in refusal.value.failed[name]
    assert sorted(run.steps[-1:] for run in gi.load(tmp_path / "seeds").values()) == [[], [20], [20], [20]]


@pytest.mark.parametrize(
    ("tables", "options", "line"),
    [
        ({"run": {**SPEC["run"], "n_layers": 2}}, {}, "seed=0: its model is not one that the fast path takes"),
        ({"run": {**SPEC["run"], "weight_noise": 0.1}}, {}, "weight_noise=0.1 is not done weight by weight"),
        ({"run": {**SPEC["run"], "loggers": "tensorboard"}}, {}, "it has loggers"),
        ({"grid": {"d_model": [8, 16]}}, {}, "no two do; vary the seed"),
        ({"ensemble": "yes"}, {}, "ensemble='yes' must be true or false"),
        ({}, {"engine": "slurm"}, "not by another engine; leave ensemble out"),
    ],
    ids=str,
)
def test_what_no_ensemble_trains_is_refused(tmp_path, tables, options, line):
    """In one line, before anything is written."""
    with pytest.raises(ConfigError, match=line):
        sweep({**SPEC, **tables}, out=tmp_path / "seeds", **options)
    assert not (tmp_path / "seeds").exists()


def test_spec_keeps_what_was_asked():
    """`ensemble = true` survives the round trip, and a spec without it says nothing of it."""
    from grokinterp.sweeps.spec import Spec

    assert Spec.read(SPEC).ensemble and "ensemble = true" in Spec.read(SPEC).to_toml()
    assert "ensemble" not in Spec.read({name: table for name, table in SPEC.items() if name != "ensemble"}).to_toml()
