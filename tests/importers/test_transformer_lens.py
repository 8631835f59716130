"""The TransformerLens grokking demo's files: old and new names, many checkpoints, losses and split."""

import dataclasses

import numpy as np
import pytest
import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

import grokinterp as gi
from grokinterp.config import TransformerConfig
from grokinterp.models.initialisation import initialise
from grokinterp.models.transformer import HookedTransformer

P = 5
DEMO = {"n_layers": 1, "n_heads": 2, "d_model": 8, "d_head": 4, "d_mlp": 16, "act_fn": "relu", "n_ctx": 3}
CLASSIC = {**DEMO, "normalization_type": None, "d_vocab": P + 1, "d_vocab_out": P, "seed": 999, "use_attn_scale": True}


def classic_state(seed, normalization="none", biases=0.0, **fields):
    """What HookedTransformer.state_dict() held: weights, biases (zero unless given), and two buffers a layer."""
    config = TransformerConfig(
        d_model=8, n_heads=2, d_mlp=16, d_vocab=P + 1, d_vocab_out=P, n_ctx=3, output="answers",
        attention_bias=True, unembed_bias=True, normalization=normalization, **fields,
    )  # fmt: skip
    state = initialise(config, seed)
    for name in state:
        if ".b_" in name:
            state[name] = torch.full_like(state[name], biases)
    for layer in range(config.n_layers):
        state[f"blocks.{layer}.attn.mask"] = torch.ones(3, 3).tril().bool()
        state[f"blocks.{layer}.attn.IGNORE"] = torch.tensor(-float("inf"))
    return state, config


def demo_file(path, epochs=(99, 199), n_epochs=200, **more):
    """A file as the demo saves it, of untrained weights."""
    states = [classic_state(epoch)[0] for epoch in epochs]
    indices = torch.randperm(P * P, generator=torch.Generator().manual_seed(598))
    content = {
        "model": states[-1],
        "config": CLASSIC,
        "checkpoints": states,
        "checkpoint_epochs": list(epochs),
        "train_losses": [10.0 - 0.01 * i for i in range(n_epochs)],
        "test_losses": [20.0 - 0.01 * i for i in range(n_epochs)],
        "train_indices": indices[:8],
        "test_indices": indices[8:],
    }
    torch.save({**content, **more}, path)
    return path


def how(run):
    """What was settled -> how it is known."""
    return {assumption.what: assumption.how for assumption in run.assumptions}


def test_every_checkpoint_is_at_its_step(tmp_path):
    """The checkpoint of epoch 99 holds the weights after 100 updates; zero biases are none."""
    run = gi.load(demo_file(tmp_path / "demo.pth"))
    assert run.steps == [100, 200]
    for step in run.steps:
        expected, _ = classic_state(step - 1)
        weights = run[step].parameters
        assert all(torch.equal(value, expected[name]) for name, value in weights.items())
    assert not run.final.config.attention_bias and not run.final.config.mlp_bias and not run.final.config.unembed_bias
    assert run.final.config.output == "answers" and run.final.config.d_vocab_out == P


def test_losses_belong_to_the_weights_they_were_taken_of(tmp_path):
    """Train loss e is of the weights before update e + 1 (our step e), test loss e of those after it (step e + 1)."""
    metrics = gi.load(demo_file(tmp_path / "demo.pth")).metrics.set_index("step")
    assert metrics["train_loss"][0] == 10.0 and metrics["train_loss"][199] == pytest.approx(8.01)
    assert metrics["test_loss"][1] == 20.0 and metrics["test_loss"][200] == pytest.approx(18.01)
    assert np.isnan(metrics["test_loss"][0]) and np.isnan(metrics["train_loss"][200])


def test_a_file_without_a_config_keeps_its_checkpoints(tmp_path):
    """Classic weights tell their sizes; what they do not tell is assumed, and said to be."""
    run = gi.load(demo_file(tmp_path / "demo.pth", config=None))
    assert run.steps == [100, 200] and run.final.config.n_heads == 2
    assert how(run)["activation=relu"] == "assumed"  # untrained weights bear no reading out


def test_the_split_is_the_files(tmp_path):
    """train_indices become the mask of a + b mod p, whose rows are in the demo's order."""
    run = gi.load(demo_file(tmp_path / "demo.pth"))
    indices = torch.randperm(P * P, generator=torch.Generator().manual_seed(598))[:8]
    assert sorted(indices.tolist()) == run.task.is_train.nonzero().flatten().tolist()
    assert run.task.inputs[7].tolist() == [1, 2, P] and int(run.task.labels[7]) == 3
    assert any("is assumed" in note for note in run.source["notes"])  # untrained weights show no operation


def test_a_later_final_model_is_the_last_checkpoint(tmp_path):
    """`model` is after the last update: a checkpoint of its own where the last one was saved earlier."""
    run = gi.load(demo_file(tmp_path / "demo.pth", n_epochs=250, model=classic_state(7)[0]))
    assert run.steps == [100, 200, 250]
    assert torch.equal(run.final.parameters["embed.W_E"], classic_state(7)[0]["embed.W_E"])


@pytest.mark.parametrize("normalization", ["none", "pre"])
def test_biases_that_are_not_zero_stay(tmp_path, normalization):
    """The model with its biases and norms computes the same function."""
    state, config = classic_state(0, normalization, biases=0.3)
    settings = {**CLASSIC, "normalization_type": None if normalization == "none" else "LN", "eps": 1e-5}
    run = gi.load(demo_file(tmp_path / "demo.pth", checkpoints=[], checkpoint_epochs=[], model=state, config=settings))
    from grokinterp import models

    own = {name: value for name, value in state.items() if not name.endswith(("mask", "IGNORE"))}
    expected = models.build(config, own)(run.task.inputs)
    torch.testing.assert_close(run.final.model()(run.task.inputs), expected)
    assert run.final.config.attention_bias and run.final.config.normalization == normalization


def test_folded_norms_are_norms_of_one(tmp_path):
    """LNPre has no weights of its own: the same function as w = 1, b = 0."""
    state, _ = classic_state(0, "pre")
    folded = {name: value for name, value in state.items() if ".ln" not in name and not name.startswith("ln")}
    settings = {**CLASSIC, "normalization_type": "LNPre"}
    with_norms = demo_file(tmp_path / "a.pth", checkpoints=[], checkpoint_epochs=[], model=state, config=settings)
    without = demo_file(tmp_path / "b.pth", checkpoints=[], checkpoint_epochs=[], model=folded, config=settings)
    logits = [gi.load(path).final.model()(torch.tensor([[1, 2, P]])) for path in (with_norms, without)]
    torch.testing.assert_close(*logits)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n_layers": 2, "attention_dir": "bidirectional", "act_fn": "gelu"},
        {"normalization_type": "LN"},
        {"attn_only": True, "d_mlp": None},
    ],
    ids=str,
)
def test_native_models_keep_their_function(tmp_path, fields):
    """A state dict of TransformerBridge.boot_native, with its pickled config, gives the bridge's logits."""
    settings = {**DEMO, "normalization_type": None, "d_vocab": P + 1, "d_vocab_out": P, "seed": 999, **fields}
    config = TransformerBridgeConfig(**settings, architecture="TransformerLensNative")
    bridge = TransformerBridge.boot_native(config)
    with torch.no_grad():
        for parameter in bridge.parameters():
            parameter.normal_(std=0.3)
    torch.save({"model": bridge.state_dict(), "config": bridge.cfg, "train_losses": [1.0] * 10}, tmp_path / "x.pth")
    run = gi.load(tmp_path / "x.pth")
    tokens = torch.cartesian_prod(torch.arange(P), torch.arange(P), torch.tensor([P]))
    with torch.no_grad():
        torch.testing.assert_close(run.final.model()(tokens), bridge(tokens), rtol=1e-4, atol=1e-5)
    assert run.steps == [10] and run.task.is_train is None


def test_the_operation_is_the_one_that_the_weights_answer(tmp_path):
    """Trained weights show their operation on the training rows, and the note says so."""
    from grokinterp.evaluation.evaluator import evaluator
    from grokinterp.evaluation.losses import cross_entropy

    task = gi.Task("a * b", p=P, layout="a b =").split(frac=0.6, seed=0)
    config = TransformerConfig(
        d_model=32, d_vocab=P + 1, d_vocab_out=P, n_ctx=3, output="answers", initialisation="nanda"
    )
    weights = {name: value.requires_grad_() for name, value in initialise(config, 0).items()}
    optimiser, rows = torch.optim.Adam(weights.values(), 1e-2), task.is_train.nonzero().flatten()
    evaluate = evaluator(config, task)
    for _ in range(60):
        optimiser.zero_grad()
        cross_entropy(evaluate(weights, rows), task.labels[rows]).backward()
        optimiser.step()
    state = {name: value.detach() for name, value in weights.items()}
    more = {"train_indices": rows, "test_indices": (~task.is_train).nonzero().flatten()}
    settings = {**CLASSIC, "n_heads": 4, "d_model": 32, "d_head": 8, "d_mlp": 128}
    run = gi.load(
        demo_file(tmp_path / "x.pth", checkpoints=[], checkpoint_epochs=[], model=state, config=settings, **more)
    )
    assert run.task.expression == "a * b" and torch.equal(run.task.is_train, task.is_train)
    assert any("a * b mod 5 is inferred" in note for note in run.source["notes"])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"act_fn": "gelu_new"}, "act_fn='gelu_new'"),
        ({"positional_embedding_type": "rotary"}, "positional_embedding_type='rotary'"),
        ({"normalization_type": "RMS"}, "normalization_type='RMS'"),
        ({"attn_scale": 3.0}, "attn_scale=3.0"),
        ({"n_key_value_heads": 1}, "n_key_value_heads=1"),
        ({"output_logits_soft_cap": 30.0}, "output_logits_soft_cap=30.0"),
    ],
)
def test_what_our_transformer_does_not_compute_is_refused(tmp_path, settings, named):
    """A setting that changes the function is refused by name, never ignored."""
    with pytest.raises(gi.BadRequest, match=named) as refusal:
        gi.load(demo_file(tmp_path / "x.pth", config={**CLASSIC, **settings}))
    assert "\n" not in str(refusal.value)


def test_epochs_and_checkpoints_must_agree(tmp_path):
    """A checkpoint without its epoch cannot be placed."""
    with pytest.raises(gi.BadRequest, match="2 checkpoints and 1 checkpoint_epochs"):
        gi.load(demo_file(tmp_path / "x.pth", checkpoint_epochs=[99]))


def test_a_given_task_counts(tmp_path):
    """With a task given, the file's split is applied to it."""
    task = gi.Task("a - b", p=P, layout="a b =")
    run = gi.load(demo_file(tmp_path / "x.pth"), task=task)
    assert run.task.expression == "a - b" and int(run.task.is_train.sum()) == 8
    assert dataclasses.is_dataclass(run.config)


def test_a_number_of_heads_that_is_stated_goes_before_a_wrong_one(tmp_path):
    """Native weights do not tell it: what does not fit them is refused with the remedy, and the remedy helps."""
    model = HookedTransformer(TransformerConfig(d_model=16, n_heads=2).resolved(P + 1, P + 1, 3))
    content = {"model": model.to_bridge().state_dict(), "config": {"n_heads": 3}}
    torch.save(content, tmp_path / "x.pth")
    torch.save({"state_dict": content["model"], "config": content["config"]}, tmp_path / "y.pth")
    tokens = torch.tensor([[1, 2, P]])
    for path in (tmp_path / "x.pth", tmp_path / "y.pth"):
        with pytest.raises(gi.BadRequest, match=r"width 16, which are not 3 heads; state how many .* n_heads=4"):
            gi.load(path)
        run = gi.load(path, n_heads=2)
        assert how(run)["n_heads=2"] == "stated"
        with torch.no_grad():
            torch.testing.assert_close(run.final.model()(tokens), model(tokens), rtol=1e-5, atol=1e-5)


def test_what_is_stated_goes_before_the_config(tmp_path):
    """Followed where the weights can be that, else refused by name; the rest is the file's, and said to be."""
    path = demo_file(tmp_path / "x.pth", config={**CLASSIC, "act_fn": "gelu", "attention_dir": "causal"})
    run = gi.load(path)
    assert how(run)["activation=gelu"] == how(run)["attention_direction=causal"] == "from the file"
    assert how(run)["2 steps, 100 to 200"] == "from the file"
    stated = {"activation": "tanh", "attention_rate": 0.5}
    run = gi.load(path, **stated)
    assert (run.final.config.activation, run.final.config.attention_rate) == ("tanh", 0.5)
    assert how(run)["activation=tanh"] == how(run)["attention_rate=0.5"] == "stated"
    assert "activation=gelu" not in how(run)
    with pytest.raises(gi.BadRequest, match="n_heads=2, so n_heads=4 is refused"):
        gi.load(path, n_heads=4)
