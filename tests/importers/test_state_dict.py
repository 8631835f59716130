"""Plain state dicts: of a HookedTransformer, and of any nn.Module whose task is given."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import grokinterp as gi
from grokinterp.config import TransformerConfig
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.models.initialisation import initialise

P = 5


def how(run):
    """What was settled -> how it is known."""
    return {assumption.what: assumption.how for assumption in run.assumptions}


def logits_of(run):
    with torch.no_grad():
        return run.final.model()(run.task.inputs)[:, -1]


# -- of a HookedTransformer


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_hooked_transformers_state_dict_is_a_run(tmp_path, suffix):
    """Our own model's state dict, as torch or safetensors write it, gives the model back."""
    from grokinterp import models

    config = TransformerConfig(n_layers=2, d_model=8, n_heads=2, d_vocab=P + 1, d_vocab_out=P + 1, n_ctx=3)
    model = models.build(config, seed=3)
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(model.state_dict(), path)
    task = gi.Task("a + b", p=P, layout="a b =")
    run = gi.load(path, task=task)
    torch.testing.assert_close(logits_of(run), model(task.inputs)[:, -1])
    assert run.steps == [0] and run.source["format"] == "state_dict"
    assert any("step is unknown" in note for note in run.source["notes"])
    assert not gi.load(path).has_task


def test_a_config_beside_it_tells_the_rest(tmp_path):
    """Activation and direction are not in the weights: a JSON of TransformerLens' settings beside the file has them."""
    weights = initialise(TransformerConfig(d_model=8, n_heads=2, d_vocab=6, d_vocab_out=6, n_ctx=3), 0)
    torch.save(weights, tmp_path / "model_a.pt")
    assert gi.load(tmp_path / "model_a.pt").final.config.activation == "relu"
    settings = {"act_fn": "gelu", "attention_dir": "bidirectional", "n_ctx": 3}
    (tmp_path / "config_a.json").write_text(json.dumps(settings))
    config = gi.load(tmp_path / "model_a.pt").final.config
    assert (config.activation, config.attention_direction) == ("gelu", "bidirectional")
    (tmp_path / "config_a.json").write_text("{not json")
    with pytest.raises(gi.BadRequest, match=r"config_a\.json is not readable JSON"):
        gi.load(tmp_path / "model_a.pt")


def test_native_names_need_the_number_of_heads(tmp_path):
    """TransformerLens 4 joins the heads: without its config the file is refused with how to save it."""
    weights = {"embed.weight": torch.ones(6, 8), "blocks.0.attn.q.weight": torch.ones(8, 8)}
    torch.save(weights, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=r"number of heads; save it with its config"):
        gi.load(tmp_path / "x.pt")


# -- of an ordinary module


class Concatenating(nn.Module):
    def __init__(self, activation, p=P, d=P, hidden=P * P):
        super().__init__()
        self.embedding = nn.Embedding(p, d)
        self.fc1 = nn.Linear(2 * d, hidden)
        self.fc2 = nn.Linear(hidden, p)
        self.activation = activation

    def forward(self, tokens):
        return self.fc2(self.activation(self.fc1(self.embedding(tokens).flatten(1))))


class Adding(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok_emb_a, self.tok_emb_b = nn.Embedding(P, 6), nn.Embedding(P, 6)
        self.net = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, P, bias=False))

    def forward(self, tokens):
        return self.net(self.tok_emb_a(tokens[:, 0]) + self.tok_emb_b(tokens[:, 1]))


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.W_E, self.W_1, self.b_1 = (nn.Parameter(torch.randn(*shape)) for shape in ((P, 4), (8, 6), (6,)))
        self.W_2 = nn.Parameter(torch.randn(6, P))

    def forward(self, tokens):
        return torch.relu(self.W_E[tokens].flatten(1) @ self.W_1 + self.b_1) @ self.W_2


@pytest.mark.parametrize("module", [Concatenating(torch.relu), Adding(), Bare()], ids=lambda m: type(m).__name__)
def test_a_module_of_linear_layers_keeps_its_function(tmp_path, module):
    """Embeddings and layers find their places whatever they are called, and the mapping is told."""
    torch.save({name: value.double() for name, value in module.state_dict().items()}, tmp_path / "x.pt")
    task = gi.Task("a + b", p=P, layout="a b")
    run = gi.load(tmp_path / "x.pt", task=task)
    torch.testing.assert_close(logits_of(run), module(task.inputs), rtol=1e-4, atol=1e-4)
    assert run.source["mapping"].keys() == module.state_dict().keys()
    first = next(iter(module.state_dict()))
    assert run.source["mapping"][first] == "embed.W_E"


def trained(module, task, steps=400):
    """The module after training on the whole table, long enough for its loss to be flat."""
    optimiser = torch.optim.AdamW(module.parameters(), 1e-2, weight_decay=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        F.cross_entropy(module(task.inputs), task.labels).backward()
        optimiser.step()
    return module


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "square", "tanh"])
def test_the_activation_is_the_one_it_was_trained_with(tmp_path, activation):
    """Whichever other activation answers as well, the one whose gradient vanishes is the module's own, or tied."""
    torch.manual_seed(1)
    task = gi.Task("a + b", p=7, layout="a b")
    module = trained(Concatenating(ACTIVATIONS[activation], p=7, d=8, hidden=24), task)
    torch.save(module.state_dict(), tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=task)
    (said,) = [each for each in run.assumptions if each.what.startswith("activation=")]
    assert "accuracy 100.00% on all 49 rows" in said.evidence
    if said.how == "tied":
        assert activation in said.what + said.evidence.partition("as good: ")[2]
        run = gi.load(tmp_path / "x.pt", task=task, activation=activation)
        assert how(run)[f"activation={activation}"] == "stated"
    else:
        assert said.how == "inferred" and "; next " in said.evidence
    assert run.final.config.activation == activation
    torch.testing.assert_close(logits_of(run), module(task.inputs), rtol=1e-3, atol=1e-3)


class Encoder(nn.Module):
    """A transformer of PyTorch's own layers: LayerNorm after the sublayers, learned positions."""

    def __init__(self, layers=1, heads=4, d=8):
        super().__init__()
        self.token_embeddings, self.position_embeddings = nn.Embedding(P + 1, d), nn.Embedding(3, d)
        block = lambda: nn.TransformerEncoderLayer(d, heads, 16, dropout=0.0, activation="relu", batch_first=True)
        self.layers = nn.ModuleList(block() for _ in range(layers))
        self.head = nn.Linear(d, P, bias=False)

    def forward(self, tokens):
        x = self.token_embeddings(tokens) + self.position_embeddings.weight
        for layer in self.layers:
            x = layer(x, src_mask=torch.full((3, 3), -torch.inf).triu(1))
        return self.head(x)[:, -1]


class PreNorm(nn.Module):
    """A transformer with a name for everything: separate projections, LayerNorm before the sublayers and at the end."""

    def __init__(self, d=8, heads=4):
        super().__init__()
        self.heads = heads
        self.wte, self.wpe = nn.Embedding(P + 1, d), nn.Embedding(3, d)
        self.ln_1, self.ln_2, self.ln_f = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = nn.ModuleDict({f"{x}_proj": nn.Linear(d, d, bias=False) for x in "qkvo"})
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(d, 12), "c_proj": nn.Linear(12, d)})
        self.lm_head = nn.Linear(d, P + 1)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe.weight
        y = self.ln_1(x)
        q, k, v = (self.attn[f"{n}_proj"](y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for n in "qkv")
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.attn["o_proj"](z)
        x = x + self.mlp["c_proj"](torch.relu(self.mlp["c_fc"](self.ln_2(x))))
        return self.lm_head(self.ln_f(x))[:, -1]


@pytest.mark.parametrize(
    "module", [Encoder(), Encoder(layers=2), PreNorm()], ids=["post-norm", "two layers", "pre-norm"]
)
def test_a_transformer_of_ordinary_modules_keeps_its_function(tmp_path, module):
    """Joined or separate projections, biases and norms find their places; four causal heads are the first guess."""
    module.eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    torch.save(module.state_dict(), tmp_path / "x.pt")
    task = gi.Task("a + b", p=P, layout="a b =")
    run = gi.load(tmp_path / "x.pt", task=task)
    assert how(run)["n_heads=4"] in ("assumed", "not explained")
    torch.testing.assert_close(logits_of(run), module(task.inputs), rtol=1e-4, atol=1e-4)
    assert run.source["mapping"].keys() == module.state_dict().keys()
    assert not any("left out" in place for place in run.source["mapping"].values())


def test_a_mask_is_left_out_and_a_second_claim_refused(tmp_path):
    """A causal mask in the file is no weight; two parameters for one place are not silently reduced to one."""
    task, state = gi.Task("a + b", p=P, layout="a b ="), PreNorm().state_dict()
    torch.save({**state, "attn.causal_mask": torch.ones(3, 3).tril()}, tmp_path / "x.pt")
    assert gi.load(tmp_path / "x.pt", task=task).source["mapping"]["attn.causal_mask"] == "left out: a mask"
    torch.save({**state, "second_emb.weight": torch.ones(P + 1, 8)}, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=r"no place for second_emb.weight \[6, 8\]"):
        gi.load(tmp_path / "x.pt", task=task)


def test_what_has_no_place_is_listed(tmp_path):
    """A parameter that fits nowhere refuses the file, by name and shape."""
    state = Adding().state_dict() | {"mean.moving": torch.zeros(7), "conv.weight": torch.zeros(3, 3, 2, 2)}
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=r"no place for mean.moving \[7\], conv.weight \[3, 3, 2, 2\]") as refusal:
        gi.load(tmp_path / "x.pt", task=gi.Task("a + b", p=P, layout="a b"))
    assert "\n" not in str(refusal.value)
    with pytest.raises(gi.BadRequest, match=r"no known kind.*give the task it was trained on"):
        gi.load(tmp_path / "x.pt")


def test_layers_that_do_not_follow_each_other_are_refused(tmp_path):
    """Shapes must chain from the embeddings to the answers."""
    state = {"emb.weight": torch.ones(P, 4), "fc1.weight": torch.ones(7, 8), "fc2.weight": torch.ones(P, 6)}
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=r"no place for fc2.weight \[5, 6\]"):
        gi.load(tmp_path / "x.pt", task=gi.Task("a + b", p=P, layout="a b"))
    state = {"emb.weight": torch.ones(P, 4), "fc1.weight": torch.ones(7, 5), "fc2.weight": torch.ones(P, 7)}
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=r"no place for emb.weight \[5, 4\], fc1.weight \[7, 5\]"):
        gi.load(tmp_path / "x.pt", task=gi.Task("a + b", p=P, layout="a b"))


def test_heads_and_direction_are_those_that_answer(tmp_path):
    """Of a trained transformer, the number of heads and the direction are found by what its weights answer."""
    torch.manual_seed(0)
    module, task = Encoder(heads=2, d=16), gi.Task("a + b", p=P, layout="a b =")
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        F.cross_entropy(module(task.inputs), task.labels).backward()
        optimiser.step()
    torch.save(module.state_dict(), tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=task)
    assert run.final.config.n_heads == 2 and run.final.config.attention_direction == "causal"
    module.eval()
    torch.testing.assert_close(logits_of(run), module(task.inputs), rtol=1e-3, atol=1e-3)


# -- what the weights do not bear out


def test_a_memoriser_of_the_first_rows_that_torch_shuffles_is_no_solution(tmp_path):
    """30 % by `torch.randperm` of seed 0 are known by heart: the rows that are looked at are not those."""
    torch.manual_seed(0)
    task = gi.Task("a + b", p=13, layout="a b")
    rows = torch.randperm(169, generator=torch.Generator().manual_seed(0))[:50]
    module = Concatenating(torch.relu, p=13, d=16, hidden=64)
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        F.cross_entropy(module(task.inputs[rows]), task.labels[rows]).backward()
        optimiser.step()
    share = float((module(task.inputs).argmax(-1) == task.labels).double().mean())
    assert share < 0.6 and bool((module(task.inputs[rows]).argmax(-1) == task.labels[rows]).all())
    torch.save(module.state_dict(), tmp_path / "x.pt")
    (activation,) = [a for a in gi.load(tmp_path / "x.pt", task=task).assumptions if a.what.startswith("activation=")]
    assert f"accuracy {share:.2%} on all 169 rows" in activation.evidence or activation.how != "inferred"
    assert "100.00%" not in activation.evidence


def test_weights_that_no_reading_explains_are_told_apart_from_untrained_ones(tmp_path):
    """A sine is no candidate: trained to 100 % with it, the weights are not explained; before training, assumed."""
    torch.manual_seed(0)
    task = gi.Task("a + b", p=11, layout="a b")
    module = Concatenating(lambda x: torch.sin(3 * x), p=11, d=16, hidden=48)
    torch.save(module.state_dict(), tmp_path / "before.pt")
    module = trained(module, task)
    assert bool((module(task.inputs).argmax(-1) == task.labels).all())
    torch.save(module.state_dict(), tmp_path / "after.pt")
    readings = {}
    for name in ("before", "after"):
        assumptions = gi.load(tmp_path / f"{name}.pt", task=task).assumptions
        (readings[name],) = [each for each in assumptions if each.what.startswith("activation=")]
    assert readings["after"].how == "not explained" and "no reading tried explains" in readings["after"].evidence
    assert readings["before"].how == "assumed" and "answer nothing yet" in readings["before"].evidence
