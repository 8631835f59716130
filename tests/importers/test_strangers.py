"""Names and shapes of other people's modules: each finds its place, and the function stays what it was."""

import pytest
import torch

import grokinterp as gi
from grokinterp import models
from grokinterp.config import TransformerConfig
from grokinterp.importers.reading.parts import parts_of
from grokinterp.importers.reading.placing import native_names
from grokinterp.importers.reading.wrappings import unwrap
from grokinterp.models.functional import sinusoids
from grokinterp.models.initialisation import initialise

P, D, HEADS = 5, 8, 2


class Weights:
    """A transformer's weights as `nn.Linear` keeps them, [out, in], by what they do."""

    def __init__(self, **fields):
        sizes = {"d_model": D, "n_heads": HEADS, "d_mlp": 12, "d_vocab": P + 1, "d_vocab_out": P + 1, "n_ctx": 3}
        self.config = TransformerConfig(**{**sizes, **fields})
        generator = torch.Generator().manual_seed(1)
        drawn = initialise(self.config, 0)
        self.classic = {n: v + 0.2 * torch.randn(v.shape, generator=generator) for n, v in drawn.items()}
        self.embed, self.pos = self.classic["embed.W_E"], self.classic.get("pos_embed.W_pos")

    def linear(self, place: str, layer: int = 0) -> torch.Tensor:
        if place == "u":
            return self.classic["unembed.W_U"].mT
        kind = {"i": "mlp.W_in", "p": "mlp.W_out"}.get(place, f"attn.W_{place.upper()}")
        W = self.classic[f"blocks.{layer}.{kind}"]
        if place in "qkv":
            return W.mT.reshape(-1, D)
        return W.reshape(-1, D).mT if place == "o" else W.mT

    def bias(self, place: str, layer: int = 0) -> torch.Tensor:
        kind = {"i": "mlp.b_in", "p": "mlp.b_out"}.get(place, f"attn.b_{place.upper()}")
        return self.classic["unembed.b_U" if place == "u" else f"blocks.{layer}.{kind}"].flatten()

    def both(self, name: str, place: str, layer: int = 0, kernel: bool = False) -> dict[str, torch.Tensor]:
        W = self.linear(place, layer)
        return {f"{name}.{'kernel' if kernel else 'weight'}": W.mT.contiguous() if kernel else W,
                f"{name}.bias": self.bias(place, layer)}  # fmt: skip

    def norm(self, name: str, place: str, weight: str = "weight", bias: str | None = "bias") -> dict[str, torch.Tensor]:
        return {f"{name}.{weight}": self.classic[f"{place}.w"]} | (
            {f"{name}.{bias}": self.classic[f"{place}.b"]} if bias else {}
        )

    def fused(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat([self.linear(x) for x in "qkv"]), torch.cat([self.bias(x) for x in "qkv"])


def sequential():
    """A list of blocks, then a norm and a head that have numbers for names (nn.MultiheadAttention inside)."""
    w = Weights(normalization="post", final_norm=True, attention_bias=True, unembed_bias=True)
    qkv, bias = w.fused()
    state = {"token_embeddings.weight": w.embed, "position_embeddings.weight": w.pos}
    state |= {"model.0.self_attn.in_proj_weight": qkv, "model.0.self_attn.in_proj_bias": bias}
    state |= w.both("model.0.self_attn.out_proj", "o") | w.norm("model.0.self_attn_norm", "blocks.0.ln1")
    state |= w.both("model.0.ffn.0", "i") | w.both("model.0.ffn.2", "p") | w.norm("model.0.ffn_norm", "blocks.0.ln2")
    return w, state | w.norm("model.1", "ln_final") | w.both("model.2", "u"), {}


def separate_heads():
    """A module for each head, with a mask of its own; the sublayers are `sa` and `ffwd`."""
    w = Weights(normalization="pre", unembed_bias=True)
    state = {"token_embedding_table.weight": w.embed, "position_embedding_table.weight": w.pos}
    for x, word in zip("qkv", ("query", "key", "value"), strict=True):
        for i, part in enumerate(w.linear(x).chunk(HEADS)):
            state[f"blocks.0.sa.heads.{i}.{word}.weight"] = part.clone()
            state[f"blocks.0.sa.heads.{i}.tril"] = torch.ones(3, 3).tril()
    state |= {"blocks.0.sa.proj.weight": w.linear("o")} | w.both("blocks.0.ffwd.net.0", "i")
    state |= w.both("blocks.0.ffwd.net.2", "p") | w.norm("blocks.0.ln1", "blocks.0.ln1")
    state |= w.norm("blocks.0.ln2", "blocks.0.ln2") | w.norm("ln_f", "ln_final") | w.both("lm_head", "u")
    return w, state, {"n_heads"}


def in_out():
    """GPT-2 as others keep it: matrices [in, out], masks among the weights, the unembedding tied and saved."""
    w = Weights(normalization="pre", attention_bias=True, tied_unembed=True)
    qkv, bias = w.fused()
    h = "transformer.h.0."
    state = {"transformer.wte.weight": w.embed, "transformer.wpe.weight": w.pos, "lm_head.weight": w.embed}
    state |= {h + "attn.c_attn.weight": qkv.mT.contiguous(), h + "attn.c_attn.bias": bias}
    state |= {h + "attn.bias": torch.ones(1, 1, 3, 3).tril(), h + "attn.masked_bias": torch.tensor(-1e4)}
    for name, place in (("attn.c_proj", "o"), ("mlp.c_fc", "i"), ("mlp.c_proj", "p")):
        state |= {f"{h}{name}.weight": w.linear(place).mT.contiguous(), f"{h}{name}.bias": w.bias(place)}
    state |= w.norm(h + "ln_1", "blocks.0.ln1") | w.norm(h + "ln_2", "blocks.0.ln2")
    return w, state | w.norm("transformer.ln_f", "ln_final"), {}


def kernels():
    """JAX's names: kernels [in, out] with a dimension for heads, scales, and nested dictionaries of arrays."""
    w = Weights(normalization="pre", unembed_bias=True)
    attention = {
        word: {"kernel": w.linear(x).mT.reshape(D, HEADS, -1)}
        for x, word in zip("qkv", ("query", "key", "value"), strict=True)
    }
    attention["out"] = {"kernel": w.linear("o").mT.reshape(HEADS, -1, D)}
    dense = lambda place: {"kernel": w.linear(place).mT, "bias": w.bias(place)}
    norm = lambda place: {"scale": w.classic[f"{place}.w"], "bias": w.classic[f"{place}.b"]}
    block = {"attention": attention, "ln1": norm("blocks.0.ln1"), "ln2": norm("blocks.0.ln2")}
    block["mlp"] = {"Dense_0": dense("i"), "Dense_1": dense("p")}
    state = {"Embed_0": {"embedding": w.embed}, "pos_embedding": w.pos, "block_0": block, "head": dense("u")}
    arrays = {"params": {**state, "LayerNorm_0": norm("ln_final")}}
    as_arrays = lambda tree: {k: as_arrays(v) if isinstance(v, dict) else v.numpy() for k, v in tree.items()}
    return w, as_arrays(arrays), {"n_heads"}


def tutorial():
    """nn.TransformerEncoder with sinusoids as a buffer [longest, 1, width], and `linear` for a head."""
    w = Weights(normalization="post", attention_bias=True, unembed_bias=True, position_embedding="sinusoidal",
                embedding_scale=D**0.5)  # fmt: skip
    qkv, bias = w.fused()
    h = "transformer_encoder.layers.0."
    state = {"pos_encoder.pe": sinusoids(40, D)[:, None], "embedding.weight": w.embed}
    state |= {h + "self_attn.in_proj_weight": qkv, h + "self_attn.in_proj_bias": bias}
    state |= w.both(h + "self_attn.out_proj", "o") | w.both(h + "linear1", "i") | w.both(h + "linear2", "p")
    state |= w.norm(h + "norm1", "blocks.0.ln1") | w.norm(h + "norm2", "blocks.0.ln2")
    return w, state | w.both("linear", "u"), {"embedding_scale"}


def two_claims_of_fc_out():
    """`fc_out` after the last norm is the head where the block has a second layer of its own."""
    w = Weights(final_norm=True, mlp_bias=False)
    state = {"tok.weight": w.embed, "pos": w.pos[None], "fc_out.weight": w.linear("u")}
    state |= {f"layer.0.attn.{x}_proj.weight": w.linear(x) for x in "qkv"}
    state |= {"layer.0.attn.out_proj.weight": w.linear("o"), "layer.0.w1.weight": w.linear("i")}
    return w, state | {"layer.0.w2.weight": w.linear("p")} | w.norm("final_norm", "ln_final"), {}


def lists_by_kind():
    """A list of attentions and one of MLPs, each with numbers of its own."""
    w = Weights(n_layers=2)
    state = {"embedding.weight": w.embed, "positional.weight": w.pos, "output.weight": w.linear("u")}
    for i in range(2):
        state |= {f"attns.{i}.attn.{x}.weight": w.linear(x, i) for x in "qkv"}
        state |= {f"attns.{i}.attn.out.weight": w.linear("o", i)}
        state |= w.both(f"mlps.{i}.fc1", "i", i) | w.both(f"mlps.{i}.fc2", "p", i)
    return w, state, {}


def outputs_inside():
    """BERT's names: a block has outputs of its own, and the head is called `cls`."""
    w = Weights(normalization="post")
    layer = "bert.encoder.layer.0."
    state = {"bert.embeddings.word_embeddings.weight": w.embed, "bert.embeddings.position_embeddings.weight": w.pos}
    for x, word in zip("qkv", ("query", "key", "value"), strict=True):
        state[f"{layer}attention.self.{word}.weight"] = w.linear(x)
    state |= {layer + "attention.output.dense.weight": w.linear("o")}
    state |= w.norm(layer + "attention.output.LayerNorm", "blocks.0.ln1") | w.both(layer + "intermediate.dense", "i")
    state |= w.both(layer + "output.dense", "p") | w.norm(layer + "output.LayerNorm", "blocks.0.ln2")
    return w, {**state, "bert.embeddings.position_ids": torch.arange(3), "cls.weight": w.linear("u")}, {}


def bare():
    """Parameters without modules, multiplied from the right; RMSNorm's weights are `g`."""
    w = Weights(normalization="pre", norm_kind="rms", final_norm=False)
    state = {"W_E": w.embed, "W_pos": w.pos, "W_U": w.linear("u").mT.contiguous()}
    state |= {f"blocks.0.attn.W{x}": w.linear(x).mT.contiguous() for x in "qkvo"}
    for i, place in (("1", "i"), ("2", "p")):
        state |= {f"blocks.0.mlp.W{i}": w.linear(place).mT.contiguous(), f"blocks.0.mlp.b{i}": w.bias(place)}
    return w, state | {f"blocks.0.rms{i}.g": w.classic[f"blocks.0.ln{i}.w"] for i in (1, 2)}, {}


STRANGERS = [
    *(sequential, separate_heads, in_out, kernels, tutorial, two_claims_of_fc_out),
    *(lists_by_kind, outputs_inside, bare),
]


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda f: f.__name__)
def test_the_function_is_that_of_the_module(tmp_path, stranger):
    """Everything but names is stated, so that a wrong place shows in the logits, or is refused."""
    w, state, told = stranger()
    torch.save(state, tmp_path / "x.pt")
    fields = ("normalization", "position_embedding", "embedding_scale", "n_heads", "activation")
    stated = {name: getattr(w.config, name) for name in fields if name not in told}
    stated |= {"final_norm": w.config.has_final_norm, "norm_kind": w.config.norm_kind} if w.config.has_norms else {}
    stated |= {"attention_direction": "causal"} if w.config.n_layers > 1 else {}
    if "embedding_scale" in told:
        stated["embedding_scale"] = D**0.5
    task = gi.Task("a + b", p=P, layout="a b =")
    run = gi.load(tmp_path / "x.pt", task=task, **stated)
    truth = models.build(w.config, parameters=dict(w.classic))
    with torch.no_grad():
        expected, got = truth(task.inputs)[:, -1], run.final.model()(task.inputs)[:, -1]
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert run.final.config.n_heads == HEADS


def test_a_weight_and_its_bias_are_one_part():
    """Dotted or bare, `W_in` and `b_in`, `in_proj_weight` and `in_proj_bias`."""
    names = ["mlp.W_in", "mlp.b_in", "attn.in_proj_weight", "attn.in_proj_bias", "ln.gamma", "ln.beta", "pos"]
    parts = parts_of({name: torch.zeros(2) for name in names})
    assert [sorted(part.tensors) for part in parts] == [["bias", "weight"]] * 3 + [["weight"]]


STATE = {"emb.weight": torch.ones(5, 4), "fc1.weight": torch.ones(7, 8), "fc2.weight": torch.ones(5, 7)}


@pytest.mark.parametrize(
    ("content", "steps"),
    [
        ({"net": STATE, "steps": torch.tensor(400)}, (400,)),
        ({f"step_{n}": {k: n * v for k, v in STATE.items()} for n in (100, 200)}, (100, 200)),
        ([(10, STATE), (20, {k: 2 * v for k, v in STATE.items()})], (10, 20)),
        ([(10, {"state_dict": STATE}), (20, {"state_dict": STATE})], (10, 20)),
        ({"model": STATE, "iter_num": 7, "best_val_loss": torch.tensor(0.1)}, (7,)),
        ({"snapshots": [STATE, STATE], "logged_epochs": [3, 9]}, (3, 9)),
        ({"model": STATE, "ema": STATE, "epoch": 3}, (3,)),
        ({"history": [{"epoch": 3, "params": STATE, "loss": 1.0}, {"epoch": 9, "params": STATE, "loss": 1.0}]}, (3, 9)),
        ({"results": {"final": {"model": STATE, "step": 4}, "lr": 0.1}, "seed": 3}, (4,)),
        (STATE, None),
        ({"embed": {"weight": torch.ones(5, 4)}, "model": {"0": {"weight": torch.ones(5, 4)}}}, None),
    ],
)
def test_a_state_is_found_with_its_steps_wherever_a_file_keeps_it(content, steps):
    wrapped = unwrap(content)
    assert wrapped is not None and wrapped.steps == steps
    assert steps is None or wrapped.states[0].keys() == STATE.keys()


def test_a_layout_that_does_not_fit_is_refused_with_the_one_that_does(tmp_path):
    """Two tokens of eleven, where the default row has three of twelve."""
    w = Weights(d_vocab=P, d_vocab_out=P, n_ctx=2)
    torch.save(w.classic, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=r'its sizes are those of --layout "a b"$'):
        gi.load(tmp_path / "x.pt", task="a + b", p=P)


def test_a_fused_matrix_is_read_head_by_head_where_its_rows_are_so():
    """GPT-NeoX keeps query, key and value of the first head, then of the second."""
    w = Weights(attention_bias=True)
    by_head = lambda whole: whole.unflatten(0, (3, HEADS, -1)).transpose(0, 1).flatten(0, 2)
    weight, bias = map(by_head, w.fused())
    state = {"embed_in.weight": w.embed, "embed_out.weight": w.linear("u")}
    state |= {"layers.0.attention.query_key_value.weight": weight, "layers.0.attention.query_key_value.bias": bias}
    state |= w.both("layers.0.attention.dense", "o") | w.both("layers.0.mlp.dense_h_to_4h", "i")
    native = native_names({**state, **w.both("layers.0.mlp.dense_4h_to_h", "p")}, gi.Task("a + b", p=P), "x.pt")
    assert native.is_fused
    found = native.head_by_head(HEADS)
    for x in "qkv":
        torch.testing.assert_close(found[f"blocks.0.attn.{x}.weight"], w.linear(x), rtol=0, atol=0)
        torch.testing.assert_close(found[f"blocks.0.attn.{x}.bias"], w.bias(x), rtol=0, atol=0)


def test_a_norm_of_the_embedding_is_refused_by_its_name(tmp_path):
    w, state, _ = outputs_inside()
    torch.save(state | w.norm("bert.embeddings.LayerNorm", "blocks.0.ln1"), tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match="has a norm of its embedding"):
        gi.load(tmp_path / "x.pt", task="a + b", p=P)


def test_one_norm_for_attention_and_mlp_is_refused_by_its_name(tmp_path):
    """Both in parallel, as in GPT-J: read one after the other it answers all the same, with another activation."""
    w = Weights(normalization="pre")
    state = {"embed.weight": w.embed, "pos_embed.weight": w.pos, "unembed.weight": w.linear("u")}
    state |= {f"blocks.0.attn.{x}_proj.weight": w.linear(x) for x in "qkvo"}
    state |= w.both("blocks.0.mlp.fc1", "i") | w.both("blocks.0.mlp.fc2", "p") | w.norm("norm", "ln_final")
    torch.save(state | w.norm("blocks.0.norm1", "blocks.0.ln1"), tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=r"one norm in a block of attention and MLP \(blocks\.0\.norm1\.weight\)"):
        gi.load(tmp_path / "x.pt", task="a + b", p=P)


@pytest.mark.parametrize("rows", [2, 4], ids=["multi-query", "grouped"])
def test_fewer_heads_of_keys_than_of_queries_are_refused_by_name(tmp_path, rows):
    """Eight wide: one head of keys for four of queries, or two."""
    d, names = 8, ("attn.q", "attn.k", "attn.v", "attn.o", "mlp.fc1", "mlp.fc2")
    state = {"tok.weight": torch.zeros(P, d), "pos.weight": torch.zeros(2, d), "head.weight": torch.zeros(P, d)}
    state |= {f"{name}.weight": torch.zeros(rows if name[-1] in "kv" else d, d) for name in names}
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(
        gi.BadRequest, match=f"grouped or multi-query attention .keys of {rows} and queries of 8 numbers"
    ):
        gi.load(tmp_path / "x.pt", task="a + b", p=P, layout="a b")


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"net.0.parametrizations.weight.original0": torch.zeros(7, 1)}, "weights in two parts"),
        ({"net.0.weight_g": torch.zeros(7, 1)}, "weights in two parts"),
        ({"net.0.lora_A.weight": torch.zeros(2, 7)}, "low-rank additions that are not merged"),
        ({"net.1.running_mean": torch.zeros(7)}, "a batch norm"),
        ({"cls_token": torch.zeros(1, 1, 4)}, "a token of its class"),
        ({"net.1.norm.weight": torch.ones(7)}, "norms between the layers of an MLP"),
    ],
)
def test_what_is_not_computed_is_refused_by_its_name(tmp_path, more, name):
    """No other names would make a model of ours of it."""
    torch.save(STATE | more, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match=f"has {name}.* .*analyse it in the code that trained it"):
        gi.load(tmp_path / "x.pt", task="a + b", p=P, layout="a b")
