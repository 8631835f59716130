"""Direct logit attribution and activation patching: shares that add up, and effects that algebra knows."""

import pytest
import torch

import grokinterp as gi
from grokinterp.config import EmbeddingMLPConfig, TransformerConfig
from grokinterp.models import build
from grokinterp.models.attribution import PATCHES, answers_of, direct_logit_attribution, patch
from grokinterp.models.parameters import parameter_shapes

P = 7
TASK = gi.Task("a + b", p=P, layout="a b =")


def random_model(task=TASK, **options):
    """A small float64 transformer with random biases and LayerNorm."""
    config = TransformerConfig(**{"d_model": 12, "n_heads": 3, "d_mlp": 20, "n_layers": 2, **options})
    config = config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    generator = torch.Generator().manual_seed(0)
    shapes = parameter_shapes(config).items()
    return build(
        config, {n: torch.randn(s, generator=generator, dtype=torch.float64) * 0.5 for n, s in shapes}, task=task
    )


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("by", ["component", "head", "neuron"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalization": "pre", "unembed_bias": True},
        {"normalization": "pre", "norm_kind": "rms", "embedding_scale": 4.0},
        {"normalization": "pre", "final_norm": False},
        {"final_norm": True},
        {"attn_only": True, "attention_bias": True},
    ],
    ids=str,
)
def test_shares_add_up_to_the_logit(options, by):
    """Over the whole table by default: components and constant sum to the right answer's logit, or to a difference."""
    model = random_model(**options)
    logits, rows = model(TASK.inputs).detach()[:, -1], torch.arange(P * P)
    found = direct_logit_attribution(model, by=by)
    assert found.values.shape == (len(found.labels), P * P)
    close(found.values.sum(0) + found.constant, logits[rows, TASK.labels])
    wrong = (TASK.labels + 1) % P
    compared = direct_logit_attribution(model, wrong=wrong, by=by)
    close(compared.values.sum(0) + compared.constant, logits[rows, TASK.labels] - logits[rows, wrong])


def test_shares_are_those_of_the_activations(monkeypatch):
    """A head's is z W_O W_U, a neuron's its activation times W_out W_U; in however many pieces the table is taken."""
    monkeypatch.setattr("grokinterp.models.attribution.CHUNK", 10_000)
    model = random_model()
    found = direct_logit_attribution(model, by="neuron")
    _, cache = model.run_with_cache(TASK.inputs)
    answer = model.W_U[:, TASK.labels].detach()
    head = cache["blocks.1.attn.hook_z"][:, -1, 2] @ model.W_O[1, 2]
    close(found["L1H2"], (head * answer.T).sum(1).detach())
    neuron = cache["blocks.0.mlp.hook_post"][:, -1, [5]] * model.W_out[0, 5]
    close(found["L0N5"], (neuron * answer.T).sum(1).detach())
    with pytest.raises(gi.BadRequest, match=r"no component 'L9H9'.*See \.labels"):
        found["L9H9"]


def test_what_an_ablation_takes_away_is_what_was_attributed():
    """Attention only, one layer: zeroing a head lowers the logit by its share."""
    model = random_model(n_layers=1, attn_only=True)
    share = direct_logit_attribution(model, by="head")["L0H1"]
    rows = torch.arange(P * P)
    with torch.no_grad():
        whole = model(TASK.inputs)[rows, -1, TASK.labels]
        with gi.ablate(model, heads=[(0, 1)]):
            close(whole - model(TASK.inputs)[rows, -1, TASK.labels], share)


@pytest.mark.parametrize(
    ("what", "shape"),
    [
        ("resid_pre", (2, 3)),
        ("resid_mid", (2, 3)),
        ("attn_out", (2, 3)),
        ("mlp_out", (2, 3)),
        ("head", (2, 3)),
        ("head_by_position", (2, 3, 3)),
        ("query", (2, 3)),
        ("key", (2, 3)),
        ("value", (2, 3)),
        ("pattern", (2, 3)),
    ],
)
def test_patching_by_what(what, shape):
    """Each kind gives an effect per layer and place, and leaves no hook behind."""
    assert what in PATCHES
    model = random_model()
    found = patch(model, TASK.inputs[:5], TASK.inputs[20:25], what)
    assert found.shape == shape and found.isfinite().all() and not model.list_hooks()


def test_patching_restores_where_the_runs_differ():
    """Only the first operand differs: the stream before layer 0 carries all of it at position 0, nothing elsewhere."""
    model = random_model()
    a, b = TASK.operands[:P].T
    clean, corrupted = TASK.inputs[:P], TASK.inputs[3 * P : 4 * P]
    assert torch.equal(clean[:, 1:], corrupted[:, 1:]) and (a == 0).all() and b.tolist() == [*range(P)]
    found = patch(model, clean, corrupted, "resid_pre")
    torch.testing.assert_close(found[0], torch.tensor([1.0, 0.0, 0.0]).to(found), atol=1e-5, rtol=0)


def test_heads_of_a_linear_readout_add_up():
    """One layer of attention: logits are linear in heads, so the heads' effects sum to the whole."""
    found = patch(random_model(n_layers=1, attn_only=True), TASK.inputs[:9], TASK.inputs[30:39], "head")
    assert found.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_metric_is_the_caller_s():
    """A metric of one's own takes the place of the answers' difference; scaled, its size and offset do not matter."""
    model = random_model()
    pair = TASK.inputs[:5], TASK.inputs[20:25]
    one, two = (patch(model, *pair, metric=lambda x, s=scale: s * x[:, -1, 3].mean() + s) for scale in (1, -5))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one, patch(model, *pair), atol=1e-3)


def test_answers_are_found_in_the_table():
    """By their tokens, in any order and number; rows that are not in it are refused."""
    rows = torch.tensor([40, 3, 3, 17])
    assert torch.equal(answers_of(TASK, TASK.inputs[rows]), TASK.labels[rows])
    with pytest.raises(gi.BadRequest, match="is none of the"):
        answers_of(TASK, torch.tensor([[1, 2, 3]]))
    with pytest.raises(gi.BadRequest, match="have 3 entries, not 2"):
        answers_of(TASK, torch.tensor([[1, 2]]))


def test_rows_of_many_tokens_are_told_apart_to_the_last():
    """64^16 is no int64: a row that differs from the table's in its query alone has another answer, or none."""
    task = gi.Task("skip_trigram", fillers=42, data="finite", points=40)
    assert (task.n_vocab, task.inputs.shape[1]) == (64, 16)
    other = task.inputs[:1].clone()
    other[0, -1] = 41 - other[0, -1]  # tokens 20 and 21 ask for the two kinds of keys
    with pytest.raises(gi.BadRequest, match=r"row 0.*is none of the 40"):
        answers_of(task, other)
    assert torch.equal(answers_of(task, task.inputs), task.labels)


@pytest.mark.parametrize("name", ["clean", "corrupted"])
def test_what_is_patched_are_rows_of_tokens(name):
    """One row by itself, or a list of them: without the shapes that these tests check, as users have it."""
    rows = {"clean": TASK.inputs[:5], "corrupted": TASK.inputs[20:25]}
    for given in (TASK.inputs[0], TASK.inputs[:5].tolist()):
        with pytest.raises(gi.BadRequest, match=f"{name}=.* must be rows of tokens"):
            patch.__wrapped__(random_model(), **{**rows, name: given})


def test_what_cannot_be_attributed_is_refused():
    """In one line that says what there is instead."""
    mlp = build(EmbeddingMLPConfig(), task=gi.Task("a + b", p=P, layout="a b"))
    with pytest.raises(gi.BadRequest, match="no residual stream"):
        direct_logit_attribution(mlp)
    with pytest.raises(gi.BadRequest, match="use activation patching"):
        direct_logit_attribution(random_model(normalization="post"))
    with pytest.raises(gi.BadRequest, match="component, head, neuron"):
        direct_logit_attribution(random_model(), by="layer")
    with pytest.raises(gi.BadRequest, match="Did you mean 'head'"):
        patch(random_model(), TASK.inputs[:5], TASK.inputs[5:10], "heads")
    with pytest.raises(gi.BadRequest, match="pair the rows"):
        patch(random_model(), TASK.inputs[:5], TASK.inputs[:4])
    with pytest.raises(gi.BadRequest, match="same on clean and corrupted"):
        patch(random_model(), TASK.inputs[:5], TASK.inputs[:5])
    pair = TASK.inputs[:5], TASK.inputs[20:25]
    with pytest.raises(gi.BadRequest, match=r"the metric gives a tensor of shape \[5\]"):
        patch(random_model(), *pair, metric=lambda x: x[:, -1, 0])
    with pytest.raises(gi.BadRequest, match="has no task"):
        direct_logit_attribution(build(random_model().config))
