"""`Ablation`: requests that do not fit the model are refused before anything runs."""

import pytest
import torch

import grokinterp as gi
from grokinterp import models
from grokinterp.config import EmbeddingMLPConfig, TransformerConfig

TASK = gi.Task("a + b", p=7, layout="a b =")


def hooked(**options):
    return models.build(TransformerConfig(**{"d_model": 12, "n_heads": 3, "d_mlp": 20, **options}), task=TASK)


def handles(model):
    return [handle for module in model.modules() for handle in (*module._forward_hooks, *module._forward_pre_hooks)]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"heads": [(0, 3)]}, "layer 0 has no head 3; its heads are 0 to 2"),
        ({"heads": [(1, 0)]}, "names layer 1; the layers are 0 to 0"),
        ({"heads": [(0, -1)]}, "its heads are 0 to 2"),
        ({"heads": [(-1, 0)]}, "names layer -1; the layers are 0 to 0"),
        ({"neurons": [(0, -1)]}, "its neurons are 0 to 19"),
        ({"layers": [-1]}, "there is no layer -1"),
        ({"positions": [-1]}, "there is no position -1"),
        ({"frequencies": [0]}, "frequency 0 is not between 1 and 3"),
        ({"directions": [[1.0, *[0.0] * 11], [0.0] * 12]}, "none of them zero"),
        ({"heads": [(0, 1)], "how": "mean", "data": torch.tensor([[0, 1, 8]])}, "tokens outside 0 to 7"),
        ({"heads": [(0, 1)], "how": "mean", "data": torch.tensor([[0, 1, -1]])}, "tokens outside 0 to 7"),
        ({"heads": [(0, 1)], "how": "mean", "data": TASK.inputs[:0]}, r"rows of tokens .* not int64 \[0, 3\]"),
        ({"heads": [(0, 1)], "how": "mean", "data": TASK.inputs[:, [0, 1, 2, 2]]}, r"not int64 \[49, 4\]"),
        ({"heads": [1]}, r"\(layer, head\) pairs, as in heads=\[\(0, 1\)\]"),
        ({"neurons": [(0, 20)]}, "neurons are 0 to 19"),
        ({"frequencies": [4]}, "between 1 and 3"),
        ({"frequencies": [1.5]}, "whole numbers"),
        ({"layers": [1]}, "there is no layer 1; the layers are 0 to 0"),
        ({"positions": [3]}, "there is no position 3; the positions are 0 to 2"),
        ({"components": ["atention"]}, "Did you mean 'attention'"),
        ({"where": "embed"}, "Did you mean 'embedding'.*embedding, mlp, logits"),
        ({"how": "median"}, "zero, mean, resample"),
        ({"directions": torch.ones(20)}, "directions have 20 entries and where='embedding' has 12"),
        ({"directions": torch.zeros(12)}, "none of them zero"),
        ({"heads": [(0, 1)], "how": "mean", "data": torch.tensor([[0, 1, 9]])}, "tokens outside 0 to 7"),
        (
            {"heads": [(0, 1)], "how": "mean", "data": torch.ones(4, 3)},
            r"rows of tokens \[n, 3\].*not float32 \[4, 3\]",
        ),
    ],
)
def test_bad_requests_are_refused_at_once(request_, says):
    """When `ablate` is called, before a block is entered, in one line that says what there is."""
    model = hooked()
    before = len(handles(model))
    with pytest.raises(gi.BadRequest, match=says) as refusal:
        gi.ablate(model, **request_)
    assert "\n" not in str(refusal.value) and len(handles(model)) == before


def test_what_a_model_family_lacks_is_refused_by_name():
    """Heads and positions of an MLP, neurons of an attention-only model, positions without an embedding of them, ..."""
    network = models.build(EmbeddingMLPConfig(), task=gi.Task("a + b", p=7, layout="a b"))
    for request, says in [
        ({"heads": [(0, 0)]}, "no attention heads; ablate neurons="),
        ({"components": ["attention"]}, "no attention heads"),
        ({"positions": [0]}, "no position embedding"),
        ({"components": ["direct_path"]}, "no direct path"),
    ]:
        with pytest.raises(gi.BadRequest, match=says):
            gi.ablate(network, **request)
    with pytest.raises(gi.BadRequest, match="attention only and has no neurons"):
        gi.ablate(hooked(attn_only=True), neurons=[(0, 0)])
    with pytest.raises(gi.BadRequest, match="no position embedding"):
        gi.ablate(hooked(position_embedding="none"), positions=[0])
    with pytest.raises(gi.BadRequest, match="no path is direct"):
        gi.ablate(hooked(normalization="post"), components=["direct_path"])
    for attributes in ({}, {"config": network.config}, {"hook_dict": network.hook_dict}):
        other = torch.nn.Linear(2, 2)
        vars(other).update(attributes)  # a model of other code may have one of the two
        with pytest.raises(gi.BadRequest, match=r"hooked model, such as run\.final\.model"):
            gi.ablate(other)


def test_a_model_without_a_task():
    """Heads need none; frequencies and the mean say what to give."""
    model = models.build(hooked().config)
    with gi.ablate(model, heads=[(0, 0)], how="mean", data=TASK.inputs):
        model(TASK.inputs)
    with pytest.raises(gi.BadRequest, match=r"needs inputs.*give data="):
        gi.ablate(model, heads=[(0, 0)], how="mean")
    with pytest.raises(gi.BadRequest, match="frequencies need the model's task"):
        gi.ablate(model, frequencies=[1])
