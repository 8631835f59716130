"""Structures: weights of networks that are connected otherwise than ours are not told as those of ours."""

import math

import pytest
import torch
from torch.nn import functional as F

import grokinterp as gi

P, WIDTH, HEADS = 11, 32, 4
TASK = gi.Task("a + b", p=P, layout="a b")
A, B = TASK.inputs.T
SHARES = pytest.mark.parametrize("share", [1.0, 0.4], ids=["solved", "memorised"])


def trained(forward, shapes, share):
    """Parameters of these shapes, trained on this share of the table."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda shape: (torch.randn(shape, generator=generator) / math.sqrt(shape[-1])).requires_grad_()
    weights = {name: draw(shape) for name, shape in shapes.items()}
    rows = torch.randperm(P * P, generator=generator)[: int(share * P * P)]
    optimiser = torch.optim.Adam(weights.values(), lr=0.02, betas=(0.9, 0.98))
    for _ in range(150):
        loss = F.cross_entropy(forward(weights)[rows], TASK.labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {name: value.detach() for name, value in weights.items()}


def said_of_connections(path, state, **stated):
    torch.save(state, path)
    run = gi.load(path, task=TASK, **stated)
    return run, [each for each in run.assumptions if each.what == "its layers are connected as here"]


BLOCK = {
    "tok.weight": (P, WIDTH), "pos.weight": (2, WIDTH), **{f"attn.{x}.weight": (WIDTH, WIDTH) for x in "qkvo"},
    "mlp.fc1.weight": (64, WIDTH), "mlp.fc2.weight": (WIDTH, 64), "head.weight": (P, WIDTH),
}  # fmt: skip


def block(connected, scores=lambda q, k: q @ k.mT / math.sqrt(WIDTH // HEADS)):
    """One layer read at its last position."""

    def forward(w):
        h = torch.stack([w["tok.weight"][A], w["tok.weight"][B]], 1) + w["pos.weight"]
        q, k, v = (F.linear(h, w[f"attn.{x}.weight"]).unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in "qkv")
        mixed = scores(q[:, :, -1:], k).softmax(-1) @ v
        attn = F.linear(mixed.transpose(1, 2).flatten(1), w["attn.o.weight"])
        mlp = lambda x: F.linear(torch.relu(F.linear(x, w["mlp.fc1.weight"])), w["mlp.fc2.weight"])
        return F.linear(connected(h[:, -1], attn, mlp), w["head.weight"])

    return forward


@SHARES
@pytest.mark.parametrize(
    ("words", "connected"),
    [
        ("attention and MLP in parallel", lambda h, attn, mlp: h + attn + mlp(h)),
        ("without a residual around its attention", lambda h, attn, mlp: attn + mlp(attn)),
        ("without a residual around its MLP", lambda h, attn, mlp: mlp(h + attn)),
    ],
    ids=["parallel", "around MLP only", "around attention only"],
)
def test_a_block_that_is_connected_otherwise_is_not_inferred(tmp_path, words, connected, share):
    state = trained(block(connected), BLOCK, share)
    run, said = said_of_connections(tmp_path / "x.pt", state, n_heads=HEADS, activation="relu")
    assert [each.how for each in said] in (["not explained"], ["tied"])
    assert share < 1 or (said[0].how == "not explained" and words in said[0].evidence)
    assert "inferred" not in {each.how for each in run.assumptions}


def test_of_a_block_as_ours_nothing_is_said(tmp_path):
    state = trained(block(lambda h, attn, mlp: h + attn + mlp(h + attn)), BLOCK, 1.0)
    run, said = said_of_connections(tmp_path / "x.pt", state, n_heads=HEADS, activation="relu")
    assert not said and not run.unexplained


MLP = {"emb.weight": (P, 16), "fc1.weight": (64, 32), "fc1.bias": (64,)}
DEEP = {**MLP, "fc2.weight": (32, 64), "fc2.bias": (32,), "head.weight": (P, 32), "head.bias": (P,)}


def deep(connected):
    """A network on both embeddings, whose two layers give as many numbers as they read."""

    def forward(w):
        x = torch.cat([w["emb.weight"][A], w["emb.weight"][B]], 1)
        inner = F.linear(torch.relu(F.linear(x, w["fc1.weight"], w["fc1.bias"])), w["fc2.weight"], w["fc2.bias"])
        return F.linear(connected(x, inner), w["head.weight"], w["head.bias"])

    return forward


@SHARES
@pytest.mark.parametrize(
    ("words", "connected"),
    [
        ("a residual around each two layers,", lambda x, inner: x + inner),
        ("a residual around each two layers before its activation,", lambda x, inner: torch.relu(x + inner)),
        ("", lambda x, inner: torch.relu(inner)),
    ],
    ids=["residual", "before the activation", "in turn"],
)
def test_a_residual_network_is_not_told_as_another(tmp_path, words, connected, share):
    _, said = said_of_connections(tmp_path / "x.pt", trained(deep(connected), DEEP, share))
    if share < 1:  # what knows its rows by heart may know them as well otherwise connected
        assert {each.how for each in said} <= {"tied", "not explained"} and (said or not words)
        assert words or "not explained" not in {each.how for each in said}
    else:
        assert bool(said) == bool(words)
        assert not words or (said[0].how == "not explained" and words in said[0].evidence)


def test_a_product_of_embeddings_is_named(tmp_path):
    shapes = {**MLP, "fc1.weight": (64, 16), "fc2.weight": (P, 64)}
    neurons = lambda w: torch.relu(F.linear(w["emb.weight"][A] * w["emb.weight"][B], w["fc1.weight"], w["fc1.bias"]))
    state = trained(lambda w: F.linear(neurons(w), w["fc2.weight"]), shapes, 1.0)
    _, (said,) = said_of_connections(tmp_path / "x.pt", state)
    assert said.how == "not explained" and "an MLP of the product of its embeddings" in said.evidence


def test_cosines_of_queries_and_keys_are_not_explained(tmp_path):
    """Times ten, as no width's root is."""
    cosines = lambda q, k: 10 * F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT
    state = trained(block(lambda h, attn, mlp: h + attn + mlp(h + attn), cosines), BLOCK, 1.0)
    run, _ = said_of_connections(tmp_path / "x.pt", state, n_heads=HEADS, activation="relu")
    assert run.unexplained and "inferred" not in {each.how for each in run.assumptions}


@pytest.mark.parametrize("setting", [{"parallel_residual": True}, {"use_residual": False}, {"qk_norm": True}])
def test_a_setting_that_says_so_is_refused_by_its_name(tmp_path, setting):
    state = {name: torch.zeros(shape) for name, shape in BLOCK.items()}
    torch.save({"model": state, "config": setting}, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=f"has the setting {next(iter(setting))}=.*, which is not computed here"):
        gi.load(tmp_path / "x.pt", task=TASK, n_heads=HEADS)


@pytest.mark.parametrize("among", [False, True], ids=["beside the weights", "among them"])
def test_settings_of_the_file_itself_are_followed_or_refused(tmp_path, among):
    """As those in its config are; other numbers that stand there are none."""
    state = {name: torch.randn(shape) for name, shape in BLOCK.items()}
    save = lambda more: torch.save({**state, **more} if among else {"model": state, **more}, tmp_path / "x.pt")
    save({"num_heads": 2, "activation": "silu", "norm": 12.5, "step": 7})
    run = gi.load(tmp_path / "x.pt", task=TASK)
    assert run.config.model.n_heads == 2 and run.config.model.activation == "silu" and run.steps == [7]
    assert {each.what: each.evidence for each in run.assumptions}["n_heads=2"] == "num_heads=2"
    save({"d_head": 5})
    with pytest.raises(gi.BadRequest, match="has attention of width 32 and heads of 5"):
        gi.load(tmp_path / "x.pt", task=TASK)
    save({"use_swiglu": True})
    with pytest.raises(gi.BadRequest, match="has the setting use_swiglu=True, which is not computed here"):
        gi.load(tmp_path / "x.pt", task=TASK)
