"""Which readings a file's parameters leave open: the places and kinds of norms, the likeliest first."""

import pytest
import torch

from grokinterp.config import EmbeddingMLPConfig, TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.importers.reading import candidates
from grokinterp.models.functional import sinusoids
from grokinterp.models.initialisation import initialise
from grokinterp.tasks import Task

BLOCKS, FINAL = ("blocks.0.ln1", "blocks.0.ln2"), ("ln_final",)


@pytest.mark.parametrize(
    ("norms", "bias", "places"),
    [
        ((), False, ["none layer no", "pre layer final", "pre rms final", "post layer no"]),
        (BLOCKS + FINAL, True, ["pre layer final", "post layer final"]),
        (BLOCKS + FINAL, False, ["pre rms final", "pre layer final", "post rms final", "post layer final"]),
        (BLOCKS, True, ["post layer no", "pre layer no"]),
        (BLOCKS[1:], False, ["post rms no", "post layer no", "pre rms no", "pre layer no"]),
        (FINAL, True, ["none layer final"]),
        (FINAL, False, ["none rms final", "none layer final"]),
    ],
)
def test_norms_are_where_their_parameters_are(norms, bias, places):
    """Without any they may have been folded into the weights; a bias is a LayerNorm's; a final one is of pre-norms."""
    weights = {f"{norm}.{letter}": torch.ones(4) for norm in norms for letter in ("w", *("b" if bias else ""))}
    found = candidates._norms({"embed.W_E": torch.ones(5, 4), **weights})
    words = [f"{x['normalization']} {x['norm_kind']} {'final' if x['final_norm'] else 'no'}" for x in found]
    assert words == places


@pytest.mark.parametrize(
    ("n_layers", "task", "directions"),
    [
        (1, Task("a + b", p=5), {"causal"}),
        (2, Task("a + b", p=5), {"causal", "bidirectional"}),
        (1, Task("a + b", p=5, layout="power"), {"causal", "bidirectional"}),
        (1, None, {"causal", "bidirectional"}),
    ],
    ids=["read at the last position", "two layers", "read at two positions", "without a task"],
)
def test_the_direction_is_open_where_it_is_seen(n_layers, task, directions):
    """One layer that is read at its last position attends to the past either way."""
    n_ctx = 3 if task is None else task.inputs.shape[1]
    config = TransformerConfig(n_layers=n_layers, d_model=8, n_heads=2, d_vocab=8, d_vocab_out=8, n_ctx=n_ctx)
    found = candidates.of_classic(initialise(config, 0), {"activation": "relu"}, task, {}, "x")
    assert {each.config.attention_direction for each in found} == directions
    assert {each.config.embedding_scale for each in found} == {1.0, 8**0.5}
    assert all(("attention_direction" in each.open) == (len(directions) > 1) for each in found)


def test_heads_are_those_that_divide_the_width():
    """Fused heads of width 12; as many as are stated, or as their size makes, and no others."""
    shapes = {"embed.weight": (6, 12), "pos_embed.weight": (3, 12), "unembed.weight": (6, 12)}
    shapes |= {f"blocks.0.attn.{x}.weight": (12, 12) for x in "qkvo"}
    weights = {name: torch.randn(shape) for name, shape in shapes.items()}
    task = Task("a + b", p=5)
    found = lambda **known: candidates.candidates(weights, {"embedding_scale": 1.0, **known}, task, "x")
    numbers = lambda **known: list(dict.fromkeys(each.config.n_heads for each in found(**known)))
    assert numbers() == [4, 2, 1, 3, 6, 12] and numbers(n_heads=3) == [3] and numbers(head_size=6) == [2]
    assert all("n_heads" in each.open for each in found())
    assert not any("n_heads" in each.open for each in found(n_heads=3))
    for known in ({"n_heads": 5}, {"head_size": 5}, {"head_size": 0}, {"head_size": -4}):
        with pytest.raises(BadRequest, match="has attention of width 12"):
            found(**known)


def test_tokens_that_are_no_numbers_are_tried_in_every_order():
    """Of `a op b =` the sign and the equals sign; a file that has them the other way round has its rows exchanged."""
    task, one = Task("a + b", p=5, layout="a op b ="), Task("a + b", p=5)
    assert (
        candidates._orders(one)
        == [""]
        == candidates._orders(None)
        == candidates._orders(Task("a + b", p=5, layout="a b"))
    )
    sign, equals = task.tokens[5:]
    assert candidates._orders(task) == [f"{sign} {equals}", f"{equals} {sign}"]
    weights = {"embed.W_E": torch.arange(7.0)[:, None] * torch.ones(3), "unembed.W_U": torch.arange(7.0).expand(3, 7)}
    moved = candidates._reordered(weights, f"{equals} {sign}", task)
    assert moved["embed.W_E"][:, 0].tolist() == [0, 1, 2, 3, 4, 6, 5] == moved["unembed.W_U"][0].tolist()
    assert candidates._reordered(weights, f"{sign} {equals}", task) is weights
    answers = {**weights, "unembed.W_U": torch.ones(3, 5)}
    assert candidates._reordered(answers, f"{equals} {sign}", task)["unembed.W_U"] is answers["unembed.W_U"]
    short = {**weights, "embed.W_E": torch.ones(6, 3)}  # a file of fewer tokens
    assert candidates._reordered(short, f"{equals} {sign}", task) is short


def test_positions_are_learned_unless_they_are_sinusoids():
    """Up to rounding; without a table either may have been added."""
    table = sinusoids(3, 8)
    assert candidates._positions({}, 8) == ("none", "sinusoidal")
    assert candidates._positions({"pos_embed.W_pos": table + 9e-5}, 8) == ("sinusoidal",)
    assert candidates._positions({"pos_embed.W_pos": table + 3e-4}, 8) == ("learned",)


def test_queries_are_multiplied_where_scores_are_not_divided():
    """By the root of the heads' width, 3, weights and biases; keys are not."""
    weights = {f"blocks.0.attn.{name}": torch.ones(2, 8, 9) for name in ("W_Q", "W_K", "b_Q")}
    moved = candidates.without_attention_scale(candidates.Candidate(EmbeddingMLPConfig(), weights, {})).parameters
    assert {name[-3:]: float(value.mean()) for name, value in moved.items()} == {"W_Q": 3, "W_K": 1, "b_Q": 3}


@pytest.mark.parametrize(
    ("place", "kind", "final", "gained"),
    [
        ("none", "layer", False, []),
        ("none", "layer", True, ["ln_final.b"]),
        ("none", "rms", True, []),
        ("pre", "rms", True, ["blocks.0.ln1.w", "blocks.0.ln2.w"]),
    ],
)
def test_norms_that_a_file_lacks_are_there_as_ones_and_zeros(place, kind, final, gained):
    """A final norm alone is one too; a bias of zeros is a LayerNorm's."""
    shapes = {"embed.W_E": (5, 4), "blocks.0.attn.W_Q": (1, 4, 4), "blocks.0.mlp.W_in": (4, 6)}
    classic = {name: torch.randn(shape) for name, shape in shapes.items()} | {"ln_final.w": torch.full((4,), 2.0)}
    whole = candidates._with_norms(classic, {"normalization": place, "norm_kind": kind, "final_norm": final})
    assert sorted(whole.keys() - classic) == gained and not classic.keys() - whole.keys()
    assert all(bool((whole[name] == float(name.endswith("w"))).all()) for name in gained)
    assert whole["ln_final.w"] is classic["ln_final.w"]
