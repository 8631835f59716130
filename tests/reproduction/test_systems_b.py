"""Claims of groups, of Power et al. and of lines in images: what they make of runs whose answer is known."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp.circuits.irreps import Irreps
from grokinterp.models.initialisation import initialise
from grokinterp.reproduction.claims import groups, lines, power
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore


def curve(config=None, accuracies=()):
    """A run whose test accuracy was recorded every 50 steps."""
    steps = [50 * i for i in range(len(accuracies))]
    return Run(MemoryStore({}, pd.DataFrame({"step": steps, "test_accuracy": accuracies})), "curve", config)


@pytest.mark.parametrize(
    ("curves_of", "first", "grow"),
    [
        ([[0, 1], [0, 0, 1], [0, 0, 0]], True, True),  # never is more than any
        ([[0, 0, 1], [0, 1], [0, 0, 0]], True, False),
        ([[0, 0], [0, 0], [0, 0]], False, False),  # of several that never do none is the slower
    ],
)
def test_fractions_are_compared_in_order(curves_of, first, grow):
    wanted = power.FRACTIONS_ADD.trainings
    runs = [curve(run.config(), recorded) for run, recorded in zip(wanted, curves_of, strict=True)]
    values = power.FRACTIONS_ADD.measure(*runs)
    assert values["largest fraction generalises"] is first
    assert values["steps grow as the fraction falls"] is grow


def test_fractions_fall_along_a_claims_runs():
    """The measure compares each run with the one before."""
    for claim in (power.FRACTIONS_ADD, power.FRACTIONS_DIVIDE):
        fractions = [run.config().split.frac for run in claim.trainings]
        assert fractions == sorted(fractions, reverse=True)


def test_their_transformer_has_their_parameters():
    """394,240 and 455,424 are those of the published code, whatever the modulus."""
    config = power.ADD[0].config()
    run = Run(MemoryStore({0: lambda: initialise(config.model, 0)}), "untrained", config)
    assert power.parameters.judge(power.parameters.measure(run)) == "reproduced"


def test_a_ring_of_answers_is_a_number_line(monkeypatch):
    """Columns on a circle of frequency 12: the step to the nearest is 8, for 8 * 12 = -1 mod 97, an angle of 1 / 97."""
    pytest.importorskip("sklearn")
    angles = 2 * math.pi * 12 * torch.arange(97) / 97
    W_U = torch.stack([angles.cos(), angles.sin()])
    monkeypatch.setattr(power, "final", lambda run: SimpleNamespace(W_U=W_U))
    values = power.number_line.measure(curve())
    assert values["s"] == 8
    assert values["likeness"] == pytest.approx(math.cos(2 * math.pi / 97), abs=1e-5)
    assert power.number_line.judge(values) == "reproduced"


def test_neighbours_are_the_nearest_others():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert power._neighbours(points, 1)[:, 0].tolist() == [1, 0, 1, 2]


# -- groups


def test_the_planted_irrep_is_the_key_one(planted, monkeypatch):
    """Logits that are the trace cube of one irrep: it alone is key, and the cube explains all of them."""
    snapshot = planted.trace_cube(gi.Task("sym", n=4, layout="a b").split(0.5), "sign")
    circuit = Irreps().fit(snapshot)
    monkeypatch.setattr(groups, "last", lambda run, *names: circuit.read(snapshot))
    values = groups.key_irreps.measure(curve())
    assert values["key irreps"] == 1 and values["sign"] and not values["standard"] and values["dimension 6"] == 0
    assert groups.logits.measure(curve())["share of the logits"] == pytest.approx(1, abs=1e-5)
    assert groups.FVE_S4.measure(curve())["key irreps"] == "sign"


@pytest.mark.parametrize(
    ("similar", "first"),
    [
        ([[0.9, 0.01, 0.01], [0.9, 0.02, 0.06], [0.9, 0.8, 0.5]], "sign"),  # the trivial one does not count
        ([[0.9, 0.01, 0.01], [0.9, 0.3, 0.2], [0.9, 0.1, 0.9]], "standard"),  # the stronger of two at once
        ([[0.9, 0.01, 0.01]] * 3, "none"),
    ],
)
def test_what_is_learnt_first(similar, first, monkeypatch):
    found = xr.Dataset(
        {"logit_similarity": (("step", "irrep"), np.array(similar))},
        {"step": [0, 2_500, 5_000], "irrep": ["trivial", "standard", "sign"]},
    )
    monkeypatch.setattr(groups, "trace", lambda run, *names, every: found)
    values = groups.sign_first.measure(curve())
    assert values["learnt first"] == first and values["sign first"] is (first == "sign")


def test_every_intervention_has_a_number_of_theirs():
    """A new intervention needs a target, or is left out on purpose."""
    from grokinterp.circuits.causal import INTERVENTIONS

    assert set(groups.CAUSAL) == set(INTERVENTIONS)


# -- lines


def test_each_name_is_of_its_model():
    patches = {name: run.config().model for name, run in lines.CLEAN.items()}
    assert patches[lines.PIXELS].patch == 1
    assert patches[lines.PATCHES].patch > 1 and not patches[lines.PATCHES].inner_layers
    assert patches[lines.NESTED].inner_layers


def test_noise_compares_each_model_with_ransac_on_its_images(monkeypatch):
    """Accuracies and RANSAC's that tell models and noises apart: each difference must be of one model and noise."""
    reached = {("nested", "flips"): 0.9, ("nested", "outliers"): 0.95, ("patches", "flips"): 0.6,
               ("patches", "outliers"): 0.7}  # fmt: skip
    ransac = {"flips": 0.8, "outliers": 0.85}
    kind = lambda config: "flips" if config.task.parameters["flips"] else "outliers"
    runs = []
    for wanted in lines.noise.trainings:
        config = wanted.config()
        model = "nested" if config.model.inner_layers else "patches"
        runs.append(curve(config, [reached[model, kind(config)]]))
    reference = lambda run, name: xr.Dataset({"ransac_accuracy": ransac[kind(run.config)]})
    monkeypatch.setattr(lines, "last", reference)
    values = lines.noise.measure(*runs)
    assert list(values[f"{lines.NESTED} over RANSAC"].values()) == pytest.approx([0.1, 0.1])
    assert list(values[f"{lines.PATCHES} over RANSAC"].values()) == pytest.approx([-0.2, -0.15])
    assert lines.noise.judge(values) == "reproduced"


def test_a_layer_of_one_number_does_not_count_as_reduced(monkeypatch):
    """An embedding of single numbers has one dimension: without 90 % of it nothing is left."""
    layers = {"inner_embed": 0.1, "embed": 0.2, "blocks.0.mlp": 0.9, "unembed": 0.8}
    found = xr.Dataset(
        {"accuracy_at_rank": (("layer", "share"), [[x, 1.0] for x in layers.values()])},
        {"layer": [*layers], "share": [0.1, 1.0]},
    )
    monkeypatch.setattr(lines, "last", lambda run, name: found)
    values = lines.rank.measure(curve(), curve())
    assert set(values["combining layer"].values()) == {0.2}
    assert set(values["any other layer, least"].values()) == {0.8}
