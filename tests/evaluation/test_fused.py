"""The fast path is the hooked model, to float rounding."""

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from grokinterp.config import TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation import fused
from grokinterp.evaluation.lazy import LazyActivations
from grokinterp.models import build
from grokinterp.models.initialisation import initialise

configs = st.builds(
    TransformerConfig,
    d_model=st.sampled_from([8, 12]),
    n_heads=st.integers(1, 3),
    d_head=st.sampled_from([None, 3, 5]),
    d_mlp=st.sampled_from([None, 7]),
    attn_only=st.booleans(),
    activation=st.sampled_from(["relu", "gelu", "tanh", "silu", "square"]),
    attention_direction=st.sampled_from(["causal", "bidirectional"]),
    attention_rate=st.sampled_from([0.0, 0.4, 1.0]),
    position_embedding=st.sampled_from(["learned", "sinusoidal", "none"]),
    attention_bias=st.booleans(),
    mlp_bias=st.booleans(),
    unembed_bias=st.booleans(),
    tied_unembed=st.booleans(),
    initialisation=st.sampled_from(["nanda", "pizza", "furuta", "power", "transformer_lens"]),
    d_vocab=st.just(6),
    n_ctx=st.sampled_from([2, 3, 4]),
)


def perturbed(config: TransformerConfig, seed: int) -> dict[str, torch.Tensor]:
    """Initial weights with nothing left at zero, so that every parameter matters."""
    torch.manual_seed(seed)
    drawn = initialise(config, seed)
    return {name: (w.double() + 0.1 * torch.randn(w.shape)).requires_grad_() for name, w in drawn.items()}


def resolved(config: TransformerConfig) -> TransformerConfig:
    return config.resolved(n_vocab=6, n_answers=6 if config.tied_unembed else 5, n_positions=3)


@settings(max_examples=60, deadline=None)
@given(config=configs, same_last_token=st.booleans(), seed=st.integers(0, 100))
def test_agrees_with_the_hooked_model(config, same_last_token, seed):
    """Logits and the gradient of every parameter agree to 1e-5 relative for every configuration it accepts."""
    config = resolved(config)
    assert config.why_not_fused() is None
    torch.manual_seed(seed)
    inputs = torch.randint(0, 6, (11, config.n_ctx))
    if same_last_token:
        inputs[:, -1] = 5
    weights = torch.randn(11, config.d_vocab_out, dtype=torch.float64)
    mine, hooked = perturbed(config, seed), perturbed(config, seed)
    model = build(config).double()

    fast = fused.logits(config, mine, fused.Rows.of(inputs))
    slow = torch.func.functional_call(model, hooked, (inputs,))[:, -1]
    # The hooked model keeps its sinusoids in float32, so a logit near zero is only as exact as the largest one.
    assert (fast - slow).abs().max() <= 1e-5 * slow.abs().max()
    with torch.no_grad():
        # Another order of the same sums.
        other = LazyActivations(config, mine, fused.Rows.of(inputs)).logits
        assert (other - slow).abs().max() <= 1e-5 * slow.abs().max()
    (fast * weights).sum().backward()
    (slow * weights).sum().backward()
    for name in mine:
        if hooked[name].grad is None:
            assert mine[name].grad is None or not mine[name].grad.any(), name
            continue
        scale = hooked[name].grad.abs().max().clamp(min=1e-9)
        assert (mine[name].grad - hooked[name].grad).abs().max() <= 1e-5 * scale + 1e-12, name


def test_a_token_that_ends_all_rows_is_one_pair():
    """The values of `=` are gathered once and not row by row; where rows end in several, row by row."""
    inputs = torch.randint(0, 5, (9, 3))
    shapes = lambda rows: [tuple(column.shape) for column in rows.by_position()]
    assert shapes(fused.Rows.of(inputs)) == [(9,)] * 3
    inputs[:, -1] = 5
    assert shapes(fused.Rows.of(inputs)) == [(9,), (9,), (1,)]
    assert shapes(fused.Rows.of(inputs)[torch.zeros(4, 2, dtype=torch.int64)]) == [(4, 2), (4, 2), (4, 1)]


@pytest.mark.parametrize("batch", [(3,), (2, 2)])
def test_batches_over_leading_dimensions(batch):
    """Parameters stacked over seeds or checkpoints give each one's own logits."""
    config = resolved(TransformerConfig(d_model=8, n_heads=2))
    count = int(torch.tensor(batch).prod())
    each = [initialise(config, seed) for seed in range(count)]
    stacked = {name: torch.stack([p[name] for p in each]).unflatten(0, batch) for name in each[0]}
    rows = fused.Rows.of(torch.randint(0, 6, (7, 3)))
    together = fused.logits(config, stacked, rows)
    apart = torch.stack([fused.logits(config, p, rows) for p in each]).unflatten(0, batch)
    assert torch.allclose(together, apart, atol=1e-5)


def test_some_rows_are_the_same_rows():
    """Choosing rows of a factored table evaluates exactly those rows."""
    config = resolved(TransformerConfig(d_model=8, n_heads=2))
    rows = fused.Rows.of(torch.randint(0, 6, (9, 3)))
    chosen = torch.tensor([8, 0, 3])
    parameters = initialise(config, 0)
    assert torch.allclose(
        fused.logits(config, parameters, rows[chosen]), fused.logits(config, parameters, rows)[chosen], atol=1e-6
    )


def test_activations_carry_the_hooks_values():
    """Each activation equals what the hook of its name sees at the last position."""
    config = resolved(TransformerConfig(d_model=8, n_heads=2))
    parameters = initialise(config, 1)
    inputs = torch.randint(0, 6, (7, 3))
    _, cache = build(config, parameters).run_with_cache(inputs)
    act = fused.activations(config, parameters, fused.Rows.of(inputs))
    last = {
        "pattern": cache["blocks.0.attn.hook_pattern"][:, :, -1].mT,
        "z": cache["blocks.0.attn.hook_z"][:, -1].flatten(1),
        "resid_mid": cache["blocks.0.hook_resid_mid"][:, -1],
        "pre": cache["blocks.0.mlp.hook_pre"][:, -1],
        "post": cache["blocks.0.mlp.hook_post"][:, -1],
        "resid_post": cache["blocks.0.hook_resid_post"][:, -1],
    }
    for name, value in last.items():
        assert torch.allclose(getattr(act, name), value, atol=1e-5), name


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_layers": 2}, "2 layers"),
        ({"normalization": "pre"}, "LayerNorm"),
        ({"final_norm": True, "norm_kind": "rms"}, "RMSNorm"),
        ({"embedding_scale": 2.0}, "embedding is scaled"),
    ],
)
def test_refuses_what_it_cannot_do(changes, reason):
    """A model outside its reach is named with the reason, never computed wrongly."""
    config = resolved(TransformerConfig(d_model=8, n_heads=2, **changes))
    assert reason in (config.why_not_fused() or "")
    with pytest.raises(BadRequest, match=reason):
        fused.logits(config, initialise(config, 0), fused.Rows.of(torch.zeros(2, 3, dtype=torch.int64)))


def test_the_loss_of_a_uniform_guess():
    """All-zero weights give every answer the same logit: a loss of ln(number of columns)."""
    config = resolved(TransformerConfig(d_model=8, n_heads=2))
    zeros = {name: torch.zeros_like(w) for name, w in initialise(config, 0).items()}
    logits = fused.logits(config, zeros, fused.Rows.of(torch.randint(0, 6, (7, 3))))
    loss = F.cross_entropy(logits.double(), torch.zeros(7, dtype=torch.int64))
    assert loss.item() == pytest.approx(torch.log(torch.tensor(config.d_vocab_out)).item())


def gradients_by_use(config, parameters, rows, labels) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """The embedding, the pairs made of it, and the gradient of the loss for each of the four uses of the pairs."""
    weights = fused.flat({name: w.detach() for name, w in parameters.items()}, 0)
    W_E = weights["embed.W_E"].clone().requires_grad_()
    pairs = fused.positioned(config, weights, W_E[:, rows.tokens], rows)
    uses = {name: pairs.detach().clone().requires_grad_() for name in ("residual", "queries", "keys", "values")}
    last = slice(-rows.n_last, None)
    scores = fused.scores(config, weights, uses["queries"][:, last], uses["keys"]).flatten(1, 2)
    pattern = fused.gather(scores, rows.last[:, None] * len(rows.tokens) + rows.source).softmax(2)
    z = fused.weigh_values(fused.project(config, weights, uses["values"], "V"), pattern, rows)
    start = uses["residual"][:, last] if rows.n_last == 1 else fused.gather(uses["residual"][:, last], rows.last)
    resid_mid = torch.baddbmm(start, z, weights["blocks.0.attn.W_O"].flatten(1, 2))
    pre = torch.baddbmm(weights["blocks.0.mlp.b_in"][:, None], resid_mid, weights["blocks.0.mlp.W_in"])
    resid_post = torch.baddbmm(resid_mid, pre.relu(), weights["blocks.0.mlp.W_out"])
    logits = torch.bmm(resid_post + weights["blocks.0.mlp.b_out"][:, None], weights["unembed.W_U"])[0]
    gradients = torch.autograd.grad(F.cross_entropy(logits, labels), [*uses.values()])
    return W_E, pairs, dict(zip(uses, gradients, strict=True))


@pytest.mark.parametrize("layout", ["a b =", "a b"])
def test_training_sums_gradients_in_one_order_to_the_last_bit(layout):
    """Those of the pairs as keys, values, queries, residual: in another order, runs would have other weights.

    The weights of a run are the same in all versions, bit for bit, and of four gradients only this order (or its first
    two exchanged) gives the same sum: two uses that share a slice add theirs first.
    """
    p = 23
    a, b = torch.arange(p).repeat_interleave(p), torch.arange(p).repeat(p)
    inputs = torch.stack([a, b, torch.full_like(a, p)][: len(layout.split())], 1)
    config = TransformerConfig(d_model=32, n_heads=2, d_mlp=32).resolved(p + 1, p, inputs.shape[1])
    rows, labels = fused.Rows.of(inputs), (a + b) % p
    same = set(permutations(("residual", "queries", "keys", "values")))
    for seed in range(3):  # once, another order may happen to give the same bits
        parameters = {name: w.requires_grad_() for name, w in initialise(config, seed).items()}
        F.cross_entropy(fused.logits(config, parameters, rows), labels).backward()
        W_E, pairs, parts = gradients_by_use(config, parameters, rows, labels)
        for order in list(same):
            total = sum(parts[use] for use in order)
            (gradient,) = torch.autograd.grad(pairs, W_E, total, retain_graph=True)
            if not gradient[0].equal(parameters["embed.W_E"].grad):
                same.remove(order)
    assert same == {("keys", "values", "queries", "residual"), ("values", "keys", "queries", "residual")}
