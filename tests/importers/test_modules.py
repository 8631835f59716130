"""Modules in memory: what they are read as is what they compute, whatever their names, and nothing in them changes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import grokinterp as gi
from grokinterp import models
from grokinterp.errors import BadRequest
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.importers.modules import Adapter, _is_ours
from grokinterp.models.parameters import check_parameters

TASK = gi.Task("a + b", p=7, layout="a b").split(0.5)
PLACES = {"table": "embed.W_E", "inward": "mlp.W_in: m d -> d m", "outward": "unembed.W_U: v m -> m v"}


class Bare(nn.Module):
    """Embeddings side by side, one layer, and names that say nothing."""

    def __init__(self, act=F.relu, p=7, d=4, m=8):
        super().__init__()
        self.table = nn.Parameter(torch.randn(p, d))
        self.inward = nn.Parameter(torch.randn(m, 2 * d))
        self.outward = nn.Parameter(torch.randn(p, m))
        self.act = act

    def forward(self, rows):
        return self.act(self.table[rows].flatten(1) @ self.inward.T) @ self.outward.T


class Named(nn.Module):
    """The same by the names that people give; its output layer begins at zero, as some like it."""

    def __init__(self, act=F.relu, p=7, d=4, m=8):
        super().__init__()
        self.embedding, self.fc1, self.fc2 = nn.Embedding(p, d), nn.Linear(2 * d, m), nn.Linear(m, p)
        nn.init.zeros_(self.fc2.weight)
        self.act = act

    def forward(self, rows):
        return self.fc2(self.act(self.fc1(self.embedding(rows).flatten(1))))


class Attentive(nn.Module):
    """A transformer of torch's own parts, read at every position; what it reads out with is its embedding."""

    def __init__(self, p=7, d=8):
        super().__init__()
        self.embed, self.pos = nn.Embedding(p, d), nn.Parameter(torch.randn(2, d))
        self.attention = nn.MultiheadAttention(d, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, 16), nn.GELU(), nn.Linear(16, d))
        self.register_buffer("mask", torch.triu(torch.ones(2, 2, dtype=torch.bool), 1))

    def forward(self, rows):
        x = self.embed(rows) + self.pos
        x = x + self.attention(x, x, x, attn_mask=self.mask, need_weights=False)[0]
        return (x + self.mlp(x)) @ self.embed.weight.T


class Heads(nn.Module):
    """Attention by hand, its heads side by side in one matrix."""

    def __init__(self, p=7, d=8):
        super().__init__()
        self.e, self.u = nn.Parameter(torch.randn(p, d)), nn.Parameter(torch.randn(d, p))
        self.q, self.k, self.v, self.o = (nn.Parameter(torch.randn(d, d) / 3) for _ in range(4))

    def forward(self, rows):
        x = self.e[rows]
        q, k, v = (((x @ w.T).unflatten(-1, (2, 4))).transpose(1, 2) for w in (self.q, self.k, self.v))
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        return (x + z @ self.o.T) @ self.u


HEADS = {
    "e": "embed.W_E",
    "u": "unembed.W_U",
    **{x: f"attn.W_{x.upper()}: (h e) d -> h d e, h=2" for x in "qkv"},
    "o": "attn.W_O: d (h e) -> h e d, h=2",
}
OURS = [
    pytest.param(lambda: Bare(), PLACES, "embedding_mlp", id="bare"),
    pytest.param(lambda: Bare(torch.square), PLACES, "embedding_mlp", id="square"),
    pytest.param(lambda: Named(F.gelu), None, "embedding_mlp", id="named"),
    pytest.param(lambda: Attentive(), None, "transformer", id="attentive"),
    pytest.param(lambda: Heads(), HEADS, "transformer", id="heads"),
    pytest.param(
        lambda: models.build(gi.RunConfig().replace(d_model=8, n_heads=2, d_mlp=8).model, task=TASK),
        None,
        "transformer",
        id="ours",
    ),
]
OWN = [
    pytest.param(lambda: Bare(torch.sin), None, id="bare"),
    pytest.param(lambda: Bare(torch.sin), {"table": "embed.W_E", "outward": "unembed.W_U: v m -> m v"}, id="places"),
    pytest.param(lambda: Named(torch.sin), None, id="sine"),
    pytest.param(lambda: Named(lambda x: F.gelu(x, approximate="tanh")), None, id="nearly"),
]


def last(output):
    return output[:, -1] if output.ndim == 3 else output


@pytest.mark.parametrize(("build", "places", "kind"), OURS)
def test_what_computes_the_same_is_one_of_ours(build, places, kind):
    """By names or by patterns: a model of ours with these weights gives the module's logits, whatever they are."""
    module = build()
    adapter = Adapter.of(module, TASK, places)
    assert adapter.config.kind == kind
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    tensors = adapter.tensors(module)
    check_parameters(adapter.config, tensors)
    with torch.no_grad():
        torch.testing.assert_close(
            evaluator(adapter.config, TASK)(tensors), last(module(TASK.inputs)), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(("build", "places"), OWN)
def test_what_computes_something_else_is_its_own(build, places):
    """Names do not decide, and an output of zeros hides nothing: no model of ours has a sine, or the other GELU."""
    assert Adapter.of(build(), TASK, places).config.kind == "own_module"


class Everywhere(nn.Module):
    """Logits at every position, by what no model of ours computes."""

    def __init__(self, vocabulary):
        super().__init__()
        self.e, self.u = nn.Parameter(torch.randn(vocabulary, 5)), nn.Parameter(torch.randn(5, vocabulary))

    def forward(self, rows):
        return torch.sin(self.e[rows].cumsum(1)) @ self.u


@pytest.mark.parametrize(("layout", "positions"), [("a b", [-1]), ("power", [-2, -1])])
def test_a_module_of_its_own_is_read_where_its_task_is_scored(layout, positions):
    """[rows, columns] at one position, [rows, positions, columns] at several; rows by number or as they are."""
    task = gi.Task("a + b", p=7, layout=layout).split(0.5)
    module = Everywhere(task.n_vocab)
    adapter = Adapter.of(module, task)
    whole, tensors = module(task.inputs)[:, positions].detach(), adapter.tensors(module)
    whole = whole[:, 0] if len(positions) == 1 else whole
    evaluate = evaluator(adapter.config.made_by(lambda: Everywhere(task.n_vocab)), task)
    rows = torch.tensor([5, 3, 3])
    with torch.no_grad():
        for found, expected in (
            (evaluate(tensors), whole),
            (evaluate(tensors, rows), whole[rows]),
            (evaluate(tensors, task.inputs[rows]), whole[rows]),
        ):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("build", "places"), [(p.values[0], p.values[1]) for p in (*OURS, *OWN)], ids=range(10))
def test_a_checkpoint_goes_back_into_the_module(build, places):
    """Every parameter comes back, bit for bit, whichever way it was turned."""
    module, other = build(), build()
    adapter = Adapter.of(module, TASK, places)
    adapter.put_back(other, adapter.tensors(module))
    for (name, mine), theirs in zip(module.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs), name


def test_the_module_and_the_random_numbers_are_left_alone():
    """Weights, training mode and torch's generator are as they were, also where it drops out."""
    module = nn.Sequential(Named(torch.sin), nn.Dropout(0.5)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    Adapter.of(module, TASK)
    assert torch.equal(torch.get_rng_state(), state) and module.training and module[1].training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_a_model_in_memory_is_measured_as_it_is():
    """Losses of its logits, at step 0; what needs more of a module of its own says so."""
    module = Named(torch.sin)
    nn.init.normal_(module.fc2.weight)
    trace = gi.measure(module, TASK, circuits=["loss", "attention"], progress=False)
    labels, train = TASK.labels, TASK.is_train
    wanted = F.cross_entropy(module(TASK.inputs)[train].double(), labels[train]).item()
    assert trace.step.values.tolist() == [0] and float(trace.train_loss[0]) == pytest.approx(wanted)
    assert "no attention" in trace.attrs["skipped"]
    # Weights that move later are another model.
    again = gi.measure(module, TASK, ["loss"], progress=False)
    nn.init.zeros_(module.fc2.weight)
    assert float(again.train_loss[0]) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ({"tabel": "embed.W_E"}, "no parameter 'tabel'. Did you mean 'table'"),
        ({**PLACES, "inward": "mlp.W_in: m d e -> d m e"}, r"'m d e -> d m e' does not fit its shape \[8, 8\]"),
        ({**PLACES, "outward": "embed.W_E"}, "two parameters are said to be 'embed.W_E'"),
        ({**PLACES, "inward": "mlp.W_in"}, "computes what Bare does"),
        ({"table": "embed.W_E: (a b) d -> a b d, a=x"}, "must be as in"),
    ],
    ids=range(5),
)
def test_a_mapping_that_cannot_be_is_refused(places, says):
    """One line names the parameter, or says that the whole is no model of ours."""
    with pytest.raises(BadRequest, match=says):
        Adapter.of(Bare(p=7, d=4, m=8), TASK, places)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (nn.Embedding(7, 3), r"gives a tensor of shape \[2, 2, 3\]"),
        (nn.Linear(3, 7), "cannot be called on rows of task.inputs"),
        (nn.Identity(), "Identity has no parameters"),
    ],
    ids=["narrow", "fails", "empty"],
)
def test_what_answers_no_logits_is_refused(module, says):
    """A module that is none for this task is told before anything is written."""
    with pytest.raises(BadRequest, match=says):
        Adapter.of(module, TASK)


def test_one_of_our_models_is_known_without_importing_its_class() -> None:
    """By the name of the module that defines it, which must be the right one; any other network is not."""
    ours = models.build(gi.RunConfig().replace(d_model=8, n_heads=2).model, task=TASK)
    assert _is_ours(ours) and not _is_ours(Bare())
