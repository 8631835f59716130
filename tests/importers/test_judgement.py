"""Judgement: weights of functions that are no candidate, or like another, are not told as what they are not."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import grokinterp as gi

P = 11
TASK = gi.Task("a + b", p=P, layout="a b")
A, B = TASK.inputs.T


def trained(forward, shapes, steps=250, share=0.8):
    """Parameters of these shapes, trained on four fifths of the table: most of the others are never learnt."""
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: (torch.randn(shape, generator=generator) / math.sqrt(shape[-1])).requires_grad_()
        for name, shape in shapes.items()
    }
    rows = torch.randperm(P * P, generator=generator)[: int(share * P * P)]
    optimiser = torch.optim.Adam(weights.values(), lr=0.02, betas=(0.9, 0.98))
    for _ in range(steps):
        loss = F.cross_entropy(forward(weights)[rows], TASK.labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {name: value.detach() for name, value in weights.items()}


MLP = {"emb.weight": (P, 16), "fc1.weight": (64, 32), "fc1.bias": (64,), "fc2.weight": (P, 64), "fc2.bias": (P,)}


def mlp(activation):
    def forward(w):
        x = torch.cat([w["emb.weight"][A], w["emb.weight"][B]], 1)
        return F.linear(activation(F.linear(x, w["fc1.weight"], w["fc1.bias"])), w["fc2.weight"], w["fc2.bias"])

    return forward


def said_of_activation(state, path, **stated):
    torch.save(state, path)
    run = gi.load(path, task=TASK, **stated)
    (said,) = [each for each in run.assumptions if each.what.startswith("activation=")]
    return run, said


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("relu_squared", lambda x: torch.relu(x) ** 2),
        ("elu", F.elu),
        ("softplus", F.softplus),
        ("leaky_relu", F.leaky_relu),
    ],
)
def test_an_activation_is_never_told_as_another(tmp_path, name, activation):
    """Where unseen rows are sure and wrong, another function's smaller loss is no evidence. (Leaky ReLU is named.)"""
    _, said = said_of_activation(trained(mlp(activation), MLP), tmp_path / "x.pt")
    assert said.how in ("inferred", "tied", "assumed") and name in str(said)
    assert said.how == "tied" or said.what == f"activation={name}"


LARGER = {"square": torch.square, "relu_squared": lambda x: torch.relu(x) ** 2, "abs": torch.abs}


@pytest.mark.parametrize("steps, share", [(150, 1.0), (250, 0.8)], ids=["all rows", "four fifths"])
@pytest.mark.parametrize("name", LARGER)
def test_functions_larger_than_a_rectifier_are_told_from_each_other(tmp_path, name, steps, share):
    """Squares have the smaller loss under all three, and |x| the smaller spread; weights lie along their gradient."""
    _, said = said_of_activation(trained(mlp(LARGER[name]), MLP, steps, share=share), tmp_path / "x.pt")
    assert said.what == f"activation={name}" and said.how in ("inferred", "tied", "assumed")
    assert said.how != "assumed" or share < 1


def test_a_nearly_equal_activation_is_tied(tmp_path):
    """Leaky ReLU's slope of .01 and none: weights that solve the task with one solve it with the other."""
    _, said = said_of_activation(trained(mlp(F.leaky_relu), MLP, 150, share=1.0), tmp_path / "x.pt")
    assert (said.what, said.how) == ("activation=relu", "tied")
    assert "leaky_relu" in said.evidence.partition("as good: ")[2]


def test_an_even_function_is_not_told_as_its_square(tmp_path):
    """|x|: its square has a thousandth of the loss, and no other candidate answers half of the rows."""
    _, said = said_of_activation(trained(mlp(torch.abs), MLP, 150, share=1.0), tmp_path / "x.pt")
    assert said.what == "activation=abs"


@pytest.mark.parametrize("activation", [torch.sin, lambda x: F.leaky_relu(x, 0.5)])
def test_an_activation_that_is_no_candidate_is_not_inferred(tmp_path, activation):
    _, said = said_of_activation(trained(mlp(activation), MLP), tmp_path / "x.pt")
    assert said.how in ("tied", "assumed", "not explained")


def test_what_answers_nothing_is_told_with_the_scores_of_the_likeliest(tmp_path):
    """Weights at random, too large to be fresh ones: the loss that is named is that of the run as it is read."""
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(shape, generator=generator) for name, shape in MLP.items()}
    run, said = said_of_activation(state, tmp_path / "x.pt")
    with torch.no_grad():
        loss = F.cross_entropy(run.final.model()(TASK.inputs).reshape(P * P, -1), TASK.labels)
    assert f"loss {loss:.4g}" in said.evidence.replace(f"{loss:.5g}", f"{loss:.4g}")


def test_a_square_that_solves_the_task_is_no_reading_of_a_rectifier(tmp_path):
    """Held by decay at a loss of .19, ReLU's weights have one of .006 with its square; the gradient tells."""
    torch.manual_seed(0)
    p = 31
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    embedding, net = nn.Embedding(p, 64), nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, p))
    rows = torch.randperm(p * p)[: int(0.7 * p * p)]
    optimiser = torch.optim.AdamW([*embedding.parameters(), *net.parameters()], lr=1e-2, weight_decay=3.0)
    for _ in range(500):
        loss = F.cross_entropy(net(embedding(pairs[rows]).flatten(1)), pairs[rows].sum(1) % p)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    state = {"embedding.weight": embedding.weight, "hidden.weight": net[0].weight, "hidden.bias": net[0].bias}
    torch.save({**state, "answer.weight": net[2].weight, "answer.bias": net[2].bias}, tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=gi.Task("a + b", p=p, layout="a b"))
    (said,) = [each for each in run.assumptions if each.what.startswith("activation=")]
    assert (said.what, said.how) == ("activation=relu", "tied")


WIDTH, HEADS = 32, 4
ATTENTION = {
    "tok.weight": (P, WIDTH), "pos.weight": (2, WIDTH), **{f"attn.{x}.weight": (WIDTH, WIDTH) for x in "qkvo"},
    "mlp.fc1.weight": (64, WIDTH), "mlp.fc2.weight": (WIDTH, 64), "head.weight": (P, WIDTH),
}  # fmt: skip


def attention(scale=(WIDTH // HEADS) ** -0.5, prepare=lambda x: x):
    """One layer read at its last position; queries and keys are prepared, and their products scaled."""

    def forward(w):
        h = torch.stack([w["tok.weight"][A], w["tok.weight"][B]], 1) + w["pos.weight"]
        q, k, v = (F.linear(h, w[f"attn.{x}.weight"]).unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in "qkv")
        mixed = ((prepare(q[:, :, -1:]) @ prepare(k).mT) * scale).softmax(-1) @ v
        h = h[:, -1] + F.linear(mixed.transpose(1, 2).flatten(1), w["attn.o.weight"])
        h = h + F.linear(torch.relu(F.linear(h, w["mlp.fc1.weight"])), w["mlp.fc2.weight"])
        return F.linear(h, w["head.weight"])

    return forward


def test_scores_that_are_not_divided_are_found_out_and_computed(tmp_path):
    """The function is the module's, and says so; of divided ones nothing is said."""
    forward = attention(scale=1.0)
    state = trained(forward, ATTENTION, 150, share=1.0)
    torch.save({"state_dicts": [state, {n: 1.01 * v for n, v in state.items()}]}, tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=TASK, n_heads=HEADS, activation="relu")
    (said,) = [each for each in run.assumptions if each.what == "attention_scale=1"]
    assert said.how == "inferred" and "divided by the root of the heads' width" in said.evidence
    for checkpoint, scale in zip(run, (1.0, 1.01), strict=True):
        expected = forward({n: scale * v for n, v in state.items()})
        torch.testing.assert_close(checkpoint.model()(TASK.inputs)[:, -1], expected, rtol=1e-4, atol=1e-3)
    torch.save(trained(attention(), ATTENTION, 150, share=1.0), tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=TASK, n_heads=HEADS, activation="relu")
    assert not run.unexplained and not [each for each in run.assumptions if "attention_scale" in each.what]


def test_queries_and_keys_that_are_normalised_without_weights_are_not_explained(tmp_path):
    """RMS norms without weights leave none: no field of the reading is told as inferred."""
    forward = attention(prepare=lambda x: F.rms_norm(x, x.shape[-1:]))
    torch.save(trained(forward, ATTENTION, 150, share=1.0), tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=TASK, n_heads=HEADS)
    (said,) = run.unexplained
    assert said.what == "queries and keys are not normalised" and "root mean square" in said.evidence
    assert "inferred" not in {each.how for each in run.assumptions}


def test_memorised_weights_are_not_called_untrained(tmp_path):
    """A norm of the neurons leaves no weights: read without it they answer what they learnt, sure of nothing."""

    def forward(w):
        x = torch.cat([w["emb.weight"][A], w["emb.weight"][B]], 1)
        neurons = torch.relu(F.linear(x, w["fc1.weight"], w["fc1.bias"]))
        return F.linear(F.layer_norm(neurons, neurons.shape[-1:]), w["fc2.weight"], w["fc2.bias"])

    run, said = said_of_activation(trained(forward, MLP, 200, share=0.4), tmp_path / "x.pt")
    assert said.how == "not explained" and [said] == [*run.unexplained]


@pytest.mark.parametrize(
    "forward",
    [
        attention(scale=1.0),
        attention(scale=0.08),
        attention(prepare=lambda x: F.rms_norm(x, x.shape[-1:])),
        attention(),
    ],
    ids=["not divided", "divided by more", "normalised", "as ours"],
)
def test_of_memorised_weights_nothing_is_inferred(tmp_path, forward):
    """Two fifths of the table, the rest sure and wrong: read otherwise than trained they know a part of it, too."""
    torch.save(trained(forward, ATTENTION, 150, share=0.4), tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=TASK, n_heads=HEADS, activation="relu")
    told = [each for each in run.assumptions if each.how not in ("stated", "from the file")]
    assert "normalization" in str(told) and {each.how for each in told} <= {"assumed", "tied", "not explained"}


def test_a_mean_over_positions_is_told_as_one(tmp_path):
    """Attention that mixes nothing, so that the last position knows one operand, and the mean of both knows both."""

    class Pooled(nn.Module):
        def forward(self, w):
            h = torch.stack([w["tok.weight"][A], w["tok.weight"][B]], 1) + w["pos.weight"]
            q, k, v = (F.linear(h, w[f"attn.{x}.weight"]) for x in "qkv")
            mixed = (q @ k.mT / math.sqrt(D)).softmax(-1) @ v
            h = h + F.linear(mixed, w["attn.o.weight"])
            h = h + F.linear(torch.relu(F.linear(h, w["fc1.weight"])), w["fc2.weight"])
            return F.linear(h.mean(1), w["head.weight"])

    D = 16
    shapes = {"tok.weight": (P, D), "pos.weight": (2, D), **{f"attn.{x}.weight": (D, D) for x in "qkvo"}}
    shapes |= {"fc1.weight": (64, D), "fc2.weight": (D, 64), "head.weight": (P, D)}
    torch.save(trained(Pooled(), shapes, 150), tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=TASK, n_heads=1)
    (said,) = run.unexplained
    assert "averaged over all positions" in str(said) and "inferred" not in {each.how for each in run.assumptions}


def test_a_mean_that_answers_as_well_is_told(tmp_path, planted):
    """A clock whose heads find both operands from wherever they look: each of its positions has the answer."""
    clock = planted.transformer_clock(layout="a b", p=P)
    torch.save(dict(clock.parameters), tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=TASK, activation=clock.config.activation)
    (said,) = [each for each in run.assumptions if each.what == "its answers are read at the last position"]
    assert said.how == "tied" and not run.unexplained


def sums_without_positions(p):
    """A transformer by formula: attention takes the mean of all, neurons know each pair, a diagonal adds what lacks."""
    pairs = [(i, j) for i in range(p) for j in range(i, p)]
    d = 2 * p
    W_E, W_in, W_out = torch.zeros(p + 1, d), torch.zeros(d, len(pairs)), torch.zeros(len(pairs), d)
    W_E[:p, :p] = torch.eye(p)
    for n, (i, j) in enumerate(pairs):
        W_in[[i, j], n] = 1.0
        W_out[n, p + (i + j) % p] = 10.0 if i != j else 30.0
    W_U = torch.zeros(d, p + 1)
    W_U[p:, :p] = torch.eye(p)
    attn = {"W_Q": torch.zeros(1, d, d), "W_K": torch.zeros(1, d, d), "W_V": 3 * torch.eye(d)[None]}
    mlp = {"W_in": W_in, "b_in": -torch.ones(len(pairs)), "W_out": W_out, "b_out": torch.zeros(d)}
    inside = {f"attn.{n}": v for n, v in {**attn, "W_O": torch.eye(d)[None]}.items()}
    inside |= {f"mlp.{n}": v for n, v in mlp.items()}
    return {"embed.W_E": W_E, "unembed.W_U": W_U, **{f"blocks.0.{n}": v for n, v in inside.items()}}


def test_positions_that_no_weight_tells_are_assumed(tmp_path):
    """Rotary ones leave no weights; and where there are no norms nothing is said of their kind."""
    torch.save(sums_without_positions(5), tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task="a + b", p=5, activation="relu")
    told = {each.what: each for each in run.assumptions}
    answers = run.final.model()(run.task.inputs)[:, -1, :5].argmax(-1)
    assert torch.equal(answers, run.task.labels.flatten())
    assert told["position_embedding=none"].how == "assumed" and "rotary" in told["position_embedding=none"].evidence
    assert "normalization=none" in told and "norm_kind=layer" not in told


def test_a_split_that_a_file_records_is_known_when_its_weights_are_judged(tmp_path):
    """Memorised weights beside the numbers of their rows: the page would say that the split is not known."""
    state = trained(mlp(torch.relu), MLP, 200, share=0.4)
    right = (mlp(torch.relu)(state).argmax(-1) == TASK.labels).nonzero()[:, 0]
    torch.save({"model": state, "train_idx": right}, tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=TASK)
    assert int(run.task.is_train.sum()) == len(right) and "split is not known" not in str(run.assumptions)
