"""Vision transformers: what they compute, from the equations; and ablations by the same names as a transformer's."""

import math

import pytest
import torch
from torch.nn import functional as F

import grokinterp as gi
from grokinterp.config import VisionConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.parameters import parameter_shapes
from grokinterp.models.vision import VisionTransformer
from grokinterp.tasks import Task

TASK = Task("lines", size=8, length=5, largest=2)
FORMS = {
    "pixels": VisionConfig(patch=1, d_model=8, n_heads=2),
    "patches": VisionConfig(patch=4, d_model=8, n_heads=2),
    "nested": VisionConfig(patch=4, d_model=8, n_heads=2, inner_layers=1, inner_width=4),
    "bare": VisionConfig(patch=2, n_layers=1, d_model=8, n_heads=1, normalization="none", activation="relu"),
}
IMAGES = TASK.inputs[::40].double()


def build(form: str) -> VisionTransformer:
    config = FORMS[form].resolved(TASK.n_vocab, TASK.n_answers, 64)
    generator = torch.Generator().manual_seed(0)
    shapes = parameter_shapes(config)
    weights = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    return VisionTransformer(config, weights, task=TASK)


def attend(x, w, block, heads, queries):
    """The sum of the heads' outputs at some positions."""
    out = 0
    for head in range(heads):
        q, k, v = (x @ w[f"{block}attn.W_{part}"][head] for part in "QKV")
        pattern = torch.softmax(q[:, queries] @ k.mT / math.sqrt(q.shape[-1]), -1)
        out = out + pattern @ v @ w[f"{block}attn.W_O"][head]
    return out


def run_block(x, w, config, layer, queries):
    """Attention and an MLP, each after a LayerNorm and added to the stream."""
    block = f"blocks.{layer}."

    def norm(x, name):
        has_norm = config.normalization == "pre"
        return F.layer_norm(x, x.shape[-1:], w[f"{block}{name}.w"], w[f"{block}{name}.b"]) if has_norm else x

    x = x[:, queries] + attend(norm(x, "ln1"), w, block, config.n_heads, queries)
    act = F.gelu if config.activation == "gelu" else torch.relu
    hidden = act(norm(x, "ln2") @ w[f"{block}mlp.W_in"] + w[f"{block}mlp.b_in"])
    return x + hidden @ w[f"{block}mlp.W_out"] + w[f"{block}mlp.b_out"]


@pytest.mark.parametrize("form", FORMS)
def test_the_model_is_its_equations(form):
    """Logits of the last token, patch by patch from the images, to float64 rounding."""
    model = build(form)
    config, w, patch = model.config, dict(model.named_parameters()), model.config.patch
    images = IMAGES.reshape(-1, 8, 8)
    corners = [(y, x) for y in range(0, 8, patch) for x in range(0, 8, patch)]
    tokens = []
    for y, x in corners:
        pixels = images[:, y : y + patch, x : x + patch].reshape(len(images), -1)
        if config.inner_layers:
            stream = pixels[..., None] * w["inner_embed.W_E"][0] + w["inner_pos_embed.W_pos"]
            for layer in range(config.inner_layers):
                stream = run_block(stream, w, config, layer, slice(None))
            pixels = stream.flatten(1)
        tokens.append(pixels @ w["embed.W_E"])
    x = torch.stack([*tokens, torch.zeros_like(tokens[0])], 1) + w["pos_embed.W_pos"]
    for layer in range(config.inner_layers, len(config.block_configs)):
        x = run_block(x, w, config, layer, slice(None))
    if config.normalization == "pre":
        x = F.layer_norm(x, x.shape[-1:], w["ln_final.w"], w["ln_final.b"])
    expected = x[:, -1:] @ w["unembed.W_U"] + w["unembed.b_U"]
    torch.testing.assert_close(model(IMAGES), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", ["pixels", "patches"])
def test_without_places_the_order_of_patches_is_unknown(form):
    """Position embeddings planted equal: the logits stay when patches change places, and not when pixels do within."""
    model = build(form)
    model.pos_embed.W_pos.data[:] = 1.0
    patch = model.config.patch
    n = 8 // patch
    order = torch.randperm(n * n, generator=torch.Generator().manual_seed(1))
    split = IMAGES.reshape(-1, n, patch, n, patch).transpose(2, 3).flatten(1, 2)
    moved = split[:, order].reshape(-1, n, n, patch, patch).transpose(2, 3).reshape(-1, 64)
    assert not torch.equal(moved, IMAGES)
    torch.testing.assert_close(model(moved), model(IMAGES), rtol=1e-9, atol=1e-9)
    if patch > 1:
        within = split.flip(-1).reshape(-1, n, n, patch, patch).transpose(2, 3).reshape(-1, 64)
        assert not torch.allclose(model(within), model(IMAGES))


def test_heads_neurons_and_layers_are_ablated_by_their_names():
    """Layer 0 is inside the patches. Zero: what a head adds to attention is gone; a layer: the stream passes it by."""
    model = build("nested")
    clean, cache = model.run_with_cache(IMAGES)
    assert cache["blocks.0.attn.hook_z"].shape == (len(IMAGES) * 4, 16, 2, 2)
    assert cache["blocks.2.hook_resid_post"].shape == (len(IMAGES), 1, 8)
    for layer in range(3):
        with gi.ablate(model, layers=[layer]):
            _, without = model.run_with_cache(IMAGES)
        before = cache[f"blocks.{layer}.hook_resid_pre"]
        torch.testing.assert_close(without[f"blocks.{layer}.hook_resid_post"], before[:, -1:] if layer == 2 else before)
        with gi.ablate(model, heads=[(layer, 0)], neurons=[(layer, 3)]):
            _, without = model.run_with_cache(IMAGES)
        assert not without[f"blocks.{layer}.attn.hook_z"][:, :, 0].any()
        assert not without[f"blocks.{layer}.mlp.hook_post"][:, :, 3].any()
        torch.testing.assert_close(
            without[f"blocks.{layer}.attn.hook_z"][:, :, 1], cache[f"blocks.{layer}.attn.hook_z"][:, :, 1]
        )
    torch.testing.assert_close(model(IMAGES), clean)


def test_mean_and_resample_keep_the_patches_of_an_image_together():
    """Inside patches too: the mean is over all rows and patches; a resampled image has another's patches, in order."""
    model = build("nested")
    data = TASK.inputs[::20].double()
    _, cache = model.run_with_cache(data)
    post = cache["blocks.0.mlp.hook_post"]
    with gi.ablate(model, neurons=[(0, 2)], how="mean", data=data):
        _, without = model.run_with_cache(IMAGES)
    expected = post[:, :, 2].mean(0).expand(len(IMAGES) * 4, -1)
    torch.testing.assert_close(without["blocks.0.mlp.hook_post"][:, :, 2], expected)
    with gi.ablate(model, neurons=[(0, 2)], how="resample", data=data, seed=5):
        _, without = model.run_with_cache(data)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(5))
    dealt = post[:, :, 2].unflatten(0, (-1, 4))[order].flatten(0, 1)
    torch.testing.assert_close(without["blocks.0.mlp.hook_post"][:, :, 2], dealt)


def test_directions_leave_the_stream_over_patches():
    """At every place from the first block over patches on, and not in the narrower streams inside them."""
    model = build("nested")
    direction = torch.arange(8, dtype=torch.float64)
    with gi.ablate(model, directions=direction):
        _, cache = model.run_with_cache(IMAGES)
    for name in ("blocks.1.hook_resid_pre", "blocks.1.hook_resid_mid", "blocks.2.hook_resid_post"):
        assert (cache[name] @ direction).abs().max() < 1e-9
    with gi.ablate(model, positions=[4]):
        _, cache = model.run_with_cache(IMAGES)
    assert not cache["hook_pos_embed"][:, 4].any() and cache["hook_pos_embed"][:, 3].all()


@pytest.mark.parametrize(
    ("request_", "remedy"),
    [
        ({"heads": [(3, 0)]}, "layers are 0 to 2"),
        ({"neurons": [(0, 16)]}, "neurons are 0 to 15"),
        ({"positions": [5]}, "positions are 0 to 4"),
        ({"frequencies": [1]}, "use directions="),
        ({"components": ["direct_path"]}, "leave direct_path out"),
        ({"neurons": [(0, 0)], "how": "mean", "data": torch.ones(3, 10)}, "rows .n, 64."),
    ],
)
def test_what_it_does_not_have_cannot_be_ablated(request_, remedy):
    """One line each, before anything runs."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        gi.ablate(build("nested"), **request_)
    assert "\n" not in str(refused.value)


def test_images_of_another_size_are_refused():
    """And sizes that patches do not divide."""
    for pixels in (49, 81):
        with pytest.raises(BadRequest, match="images of 64 pixels"):
            build("patches")(torch.ones(1, pixels))
    for sizes in ({"patch": 4, "d_in": 80}, {"patch": 3, "d_in": 64}):
        with pytest.raises(BadRequest, match="patch=1"):
            VisionConfig(**sizes)


@pytest.mark.parametrize("name", ["pixels", "patches", "nested"])
def test_each_preset_trains_and_is_measured(name, tmp_path):
    """End to end at a small size; a snapshot has the activations of the token that is read."""
    sizes = {"size": 8, "length": 5, "largest": 2, "d_model": 8, "n_heads": 2, "batch_size": 8}
    run = gi.train(preset=f"lines_{name}", **sizes, steps=2, metrics_every=1, out=tmp_path / name, progress=False)
    trace = gi.measure(run, progress=False, cache=False, steps=[2])
    assert {"test_accuracy", "translation_invariance", "translation_plane"} <= set(trace.data_vars)
    final = run.final
    snapshot = Snapshot(2, final.config, run.task, final.parameters)
    _, cache = final.model().run_with_cache(run.task.inputs)
    layer = len(final.config.block_configs) - 1
    name = f"blocks.{layer}.hook_resid_post"
    torch.testing.assert_close(snapshot[name], cache[name][:, -1])
    assert snapshot.names[0] == f"blocks.{final.config.inner_layers}.attn.hook_pattern"
