"""The `ablation` circuit, and the quick way it takes: the same numbers as `gi.ablate`."""

import functools
import json
import math

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp.circuits.ablation import AblationCircuit, clusters, measures
from grokinterp.config import TransformerConfig
from grokinterp.evaluation import snapshot as snapshots
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.interventions import Ablation, Ablator
from grokinterp.measuring import measure
from grokinterp.models import build
from grokinterp.models.parameters import parameter_shapes

P = 7


def snapshot(layout="a b =", expression="a + b", **options):
    """A random float64 transformer on a small table."""
    task = gi.Task(expression, p=P, layout=layout).split(frac=0.5, seed=0)
    config = TransformerConfig(**{"d_model": 12, "n_heads": 3, "d_mlp": 20, **options})
    config = config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    generator = torch.Generator().manual_seed(0)
    shapes = parameter_shapes(config).items()
    weights = {name: torch.randn(shape, generator=generator, dtype=torch.float64) * 0.5 for name, shape in shapes}
    return Snapshot(0, config, task, weights)


REQUESTS = [
    {},
    {"heads": [(0, 0), (0, 2)]},
    {"neurons": [(0, 3), (0, 11)]},
    {"layers": [0]},
    {"positions": [1]},
    {"components": ["attention"]},
    {"components": ["direct_path", "positions"]},
    {"frequencies": [2]},
    {"frequencies": [1, 3], "where": "mlp"},
    {"frequencies": [3], "where": "logits"},
    {"directions": torch.eye(12)[3]},
    {"heads": [(0, 1)], "neurons": [(0, 3)], "frequencies": [2], "components": ["direct_path"]},
    {"heads": [(0, 1)], "neurons": [(0, 3)], "frequencies": [2], "where": "mlp", "positions": [0]},
    {"neurons": [(0, 3)], "frequencies": [2], "components": ["attention"]},
]
SHAPES = [
    {},
    {"layout": "a b+p", "attention_rate": 0.4, "attention_direction": "bidirectional", "activation": "gelu"},
    {"attention_bias": True, "unembed_bias": True, "mlp_bias": False},
    {"expression": "a * b", "tied_unembed": True},
    {"n_layers": 2, "normalization": "pre"},
    {"attn_only": True},
]


@pytest.mark.parametrize("how", ["zero", "mean", "resample"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_quick_way_gives_the_numbers_of_ablate(shape, how):
    """For every kind of ablation, alone and together: the logits of a hooked run at the position read."""
    snap = snapshot(**shape)
    ablator = Ablator(snap)
    model = build(snap.config, dict(snap.parameters), task=snap.task)
    for request in REQUESTS:
        if "neurons" in request and not snap.config.layer_neurons:
            continue
        with torch.no_grad(), gi.ablate(model, **request, how=how, seed=3):
            expected = model(snap.task.inputs)[:, -1]
        found = ablator.columns(**request, how=how, seed=3)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9, msg=lambda m, r=request: f"{r}: {m}")


@pytest.mark.parametrize("how", ["zero", "mean", "resample"])
@pytest.mark.parametrize("shape", [{}, {"n_layers": 2}, {"layout": "power"}], ids=str)
def test_a_table_in_pieces_and_rows_of_one_s_own(shape, how, monkeypatch):
    """Some rows at a time, and with `data=`: the numbers of `ablate` on the whole, of patterns and neurons as well."""
    snap = snapshot(**shape)
    task, position = snap.task, snap.task.positions[0]
    model, own = build(snap.config, dict(snap.parameters), task=task), task.inputs[5:14].clone()
    requests = [
        {"heads": [(0, 0), (0, 2)]},
        {"heads": [(0, 0)], "neurons": [(0, 3)], "data": own},
        {"directions": torch.eye(12)[3]},
        {"heads": [(0, 1)], "frequencies": [3], "where": "logits"},
    ]
    names = [name for name in snap.names if name.endswith(("hook_pattern", "mlp.hook_post"))]
    expected = []
    for request in requests:
        with torch.no_grad(), gi.ablate(model, **request, how=how, seed=3):
            expected.append(model.run_with_cache(task.inputs, names_filter=names, return_cache_object=False))
    monkeypatch.setattr(snapshots, "TOKENS_AT_ONCE", 11 * task.inputs.shape[1])
    for request, (logits, cache) in zip(requests, expected, strict=True):
        close = functools.partial(
            torch.testing.assert_close, rtol=1e-9, atol=1e-9, msg=lambda m, r=request: f"{r}: {m}"
        )
        with torch.no_grad(), gi.ablate(model, **request, how=how, seed=3):
            close(model(task.inputs), logits)
        ablator = Ablator(Snapshot(0, snap.config, task, snap.parameters))
        close(ablator.columns(**request, how=how, seed=3), logits[:, position])
        for layer, pattern in enumerate(ablator.patterns(**request, how=how, seed=3)):
            close(pattern, cache[f"blocks.{layer}.attn.hook_pattern"][:, :, position])
            if "directions" not in request:
                post = ablator.activations(layer, **request, how=how, seed=3)
                close(post, cache[f"blocks.{layer}.mlp.hook_post"][:, position])


def test_mislabelled_rows_are_scored_by_what_they_were_taught():
    """Of a model that gives the answers, sure of them: 4 of 24 training rows are wrong, and no other row."""
    task = gi.Task("a + b", p=P, layout="a b =").split(frac=0.5, seed=0, mislabelled=4)
    found = measures(20 * torch.nn.functional.one_hot(task.labels, task.n_answers).float(), task)
    assert (found["train_accuracy"], found["test_accuracy"], found["accuracy"]) == (pytest.approx(20 / 24), 1, 1)
    assert found["train_loss"] == pytest.approx(20 * 4 / 24, rel=1e-6)
    assert [found["test_loss"], found["loss"]] == pytest.approx([6 * math.exp(-20)] * 2, rel=1e-5)


def test_the_quick_way_is_taken():
    """A one-layer transformer needs no hooks but for directions; what takes hooks says why."""
    ablator = Ablator(snapshot())
    for request in REQUESTS:
        needs = ablator.why_hooks(Ablation.of(ablator.snapshot.config, ablator.snapshot.task, **request))
        assert (needs is None) == ("directions" not in request)
    ablator.columns(heads=[(0, 0)])
    assert "_model" not in vars(ablator)
    two = Ablator(snapshot(n_layers=2))
    assert two.why_hooks(Ablation.of(two.snapshot.config, two.snapshot.task)) == "it has 2 layers"


def test_a_planted_clock_stands_on_its_frequencies(planted):
    """Without one of its two waves the clock is the other alone, wherever the wave is taken out; others do nothing."""
    p, scale = 11, 10.0
    snap = planted.clock(p, frequencies=(2, 5), scale=scale)
    found = AblationCircuit().read(snap)
    for removed, kept in ((2, 5), (5, 2)):
        wave = scale * torch.cos(2 * math.pi * kept * torch.arange(p).double() / p)
        expected = (wave.exp().sum().log() - wave[0]).item()
        for place in ("embedding", "mlp", "logits"):
            assert found.loss_without_frequency.sel(place=place, k=removed).item() == pytest.approx(expected, rel=1e-4)
        assert found.loss_without_cluster.sel(layer=0, k=removed).item() == pytest.approx(expected, rel=1e-4)
    nothing = found.loss_without_component.sel(component="none").item()
    for k in (1, 3, 4):
        assert found.loss_without_cluster.sel(layer=0, k=k).item() == nothing
        assert found.loss_without_frequency.sel(place="logits", k=k).item() == pytest.approx(nothing, abs=1e-4)
    assert found.loss_without_component.sel(component="mlp").item() == pytest.approx(math.log(p))
    assert found.accuracy_without_component.values.tolist() == [1.0, pytest.approx(1 / p)]
    both = measures(Ablator(snap).logits(frequencies=[2, 5]), snap.task)
    assert both["loss"] == pytest.approx(math.log(p))
    assert "loss_without_head" not in found


def test_clusters_are_the_planted_frequencies(planted):
    """Every neuron belongs to the frequency it was built for; the dead one to none."""
    snap = planted.clock(11, frequencies=(2, 5))
    found = clusters(snap["blocks.0.mlp.hook_post"], snap.task)
    assert found.bincount().tolist() == [1, 0, 121, 0, 0, 121]


def test_sides_of_the_split():
    """Each side's loss and accuracy are over its own rows; together they give those of all rows."""
    snap = snapshot()
    found = AblationCircuit().read(snap)
    train = int(snap.task.is_train.sum())
    for part, dims in (("head", ("layer", "head")), ("frequency", ("place", "k")), ("component", ("component",))):
        for measured in ("loss", "accuracy"):
            all_rows = found[f"{measured}_without_{part}"]
            assert all_rows.dims == dims and np.isfinite(all_rows).all()
            sides = found[f"train_{measured}_without_{part}"], found[f"test_{measured}_without_{part}"]
            n = len(snap.task.inputs)
            np.testing.assert_allclose(train / n * sides[0] + (1 - train / n) * sides[1], all_rows, rtol=1e-5)
    assert found.component.values.tolist() == ["none", "attention", "mlp", "positions", "direct_path"]
    assert found.k.values.tolist() == [1, 2, 3]


def test_unknown_splits_and_polynomials():
    """Without a split, its sides are NaN; without a wave, frequencies are the embedding's and there are no clusters."""
    snap = snapshot(expression="a^2 + a*b")
    snap.task.is_train = None
    found = AblationCircuit(how="mean").read(snap)
    assert np.isnan(found.train_loss_without_head).all() and np.isfinite(found.loss_without_head).all()
    assert found.place.values.tolist() == ["embedding"]
    assert "loss_without_cluster" not in found


def test_it_waits_to_be_asked_for(small_run):
    """`measure` reads it when it is named, and not otherwise."""
    run = gi.load(small_run)
    asked = measure(run, circuits=[], on_request=["ablation"], steps=[300], cache=False, progress=False)
    assert asked.test_loss_without_head.dims == ("step", "layer", "head")
    assert json.loads(asked.attrs["skipped"]) == {}


def test_a_public_model(data):
    """Zhong et al. 2023's Model A: accuracy without its frequencies in the embedding, recomputed for this project."""
    run = gi.load(data("pizza/model_p99zdpze5l.pt"))
    ablator = Ablator(Snapshot(0, run.final.config, run.task, run.final.parameters))
    for k, expected in {17: 0.492, 3: 0.542, 15: 0.529, 25: 1.0}.items():
        found = measures(ablator.logits(frequencies=[k]), run.task)
        assert found["accuracy"] == pytest.approx(expected, abs=6e-4) and math.isnan(found["test_loss"])
