"""What a model is called on and what it returns, by the habits of TransformerLens' users."""

import pytest
import torch
from torch.testing import assert_close

from grokinterp import models
from grokinterp.config import EmbeddingMLPConfig, TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.losses import cross_entropy
from grokinterp.models.transformer import HookedTransformer
from grokinterp.tasks import Task

TASK = Task("a + b", p=5)


@pytest.fixture
def model() -> HookedTransformer:
    """Two layers on sums mod 5."""
    return HookedTransformer(TransformerConfig(n_layers=2, d_model=8, n_heads=2), task=TASK)


def test_rows_are_read_in_any_form(model: HookedTransformer) -> None:
    """Text, lists, arrays and one row alone give the logits of the same tokens."""
    wanted = model(TASK.inputs[:2])
    text = [" ".join(TASK.tokens[token] for token in row) for row in TASK.inputs[:2].tolist()]
    for given in (text, TASK.inputs[:2].tolist(), TASK.inputs[:2].numpy(), TASK.inputs[:2].to(torch.int32)):
        assert_close(model(given), wanted, rtol=0, atol=0)
    assert_close(model(text[0]), wanted[:1])
    assert_close(model(TASK.inputs[0]), wanted[:1])


@pytest.mark.parametrize("config", [TransformerConfig(d_model=8, n_heads=2), EmbeddingMLPConfig(hidden_sizes=(8,))])
def test_the_loss_is_of_the_task_s_answers(config) -> None:
    """The cross-entropy of the sums, over the answers' columns alone, for any rows of the table in any order."""
    task = Task("a + b", p=5, layout="a b" if config.kind == "embedding_mlp" else "a b =")
    model = models.build(config, task=task)
    rows = torch.tensor([7, 3, 3])
    logits, loss = model(task.inputs[rows], return_type="both")
    a, b = task.operands[rows].T
    assert_close(loss, cross_entropy(logits[:, -1, :5], (a + b) % 5))
    each = model(task.inputs[rows], return_type="loss", loss_per_token=True)
    assert each.shape == (3, 1)
    assert_close(each.mean(), loss)
    assert model(task.inputs, return_type=None) is None


def test_the_loss_of_next_tokens_is_of_any_rows() -> None:
    """Where the answers are the tokens that come next, fresh rows have answers too, one for each scored position."""
    task = Task("digits", digits=2)
    model = HookedTransformer(TransformerConfig(d_model=8, n_heads=2, output="answers"), task=task)
    rows, labels = task.fresh(6, seed=1, step=3)
    each = model(rows, return_type="loss", loss_per_token=True)
    logits = model(rows)[:, list(task.positions)].double()
    assert_close(each, -logits.log_softmax(-1).gather(-1, labels[..., None])[..., 0])


def test_next_tokens_are_scored_before_the_end_of_a_row() -> None:
    """Power's answers stand in the row too, and nothing comes after its last: rows of no question have no answer."""
    from grokinterp.models.answers import answers, next_tokens

    power = Task("a + b", p=5, layout="power")
    assert next_tokens(Task("digits", digits=2)) and not next_tokens(power) and not next_tokens(TASK)
    wrong = power.inputs[:1].clone()
    wrong[0, -1] += 1
    with pytest.raises(BadRequest, match="is none of the 25"):
        answers(power, wrong)


def test_the_loss_of_power_s_rows_is_of_both_answers() -> None:
    """Power's layout scores the answer and the closing token, over the whole vocabulary."""
    task = Task("a + b", p=5, layout="power")
    model = HookedTransformer(TransformerConfig(d_model=8, n_heads=2), task=task)
    loss = model(task.inputs[:9], return_type="loss")
    assert_close(loss, cross_entropy(model(task.inputs[:9])[:, [-2, -1]], task.labels[:9]))


def test_rows_that_are_none_of_the_task_s_have_no_loss(model: HookedTransformer) -> None:
    """A row with = in the place of a number has no answer."""
    with pytest.raises(BadRequest, match=r"row 1, .* is none of the 25"):
        model([[0, 1, 5], [5, 1, 5]], return_type="loss")


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_a_pass_stops_and_goes_on(model: HookedTransformer, layer: int) -> None:
    """The stream before a block, put in before that block, gives the same logits."""
    stream = model(TASK.inputs, stop_at_layer=layer)
    _, cache = model.run_with_cache(TASK.inputs)
    assert_close(stream, cache["resid_pre", layer % 2])
    assert_close(model(stream, start_at_layer=layer), model(TASK.inputs))


@pytest.mark.parametrize("given", [TASK.inputs, torch.zeros(25, 3, 7)], ids=["tokens", "another width"])
def test_a_pass_goes_on_from_a_stream_alone(model: HookedTransformer, given: torch.Tensor) -> None:
    with pytest.raises(BadRequest, match=r"takes the residual stream \[batch, pos, 8\]"):
        model(given, start_at_layer=1)


def test_a_pass_stopped_after_all_blocks_lacks_the_unembedding(model: HookedTransformer) -> None:
    """`stop_at_layer=n_layers` is the last stream, as in TransformerLens."""
    assert_close(model.unembed(model(TASK.inputs, stop_at_layer=2)), model(TASK.inputs))


def test_composition_scores_are_the_norms_of_the_products(model: HookedTransformer) -> None:
    """|OV QK| / (|OV| |QK|) of an earlier and a later head, zero for any other pair."""
    scores = model.all_composition_scores("Q")
    ov, qk = model.blocks[0].attn.OV[1].AB, model.blocks[1].attn.QK[0].AB
    assert_close(scores[0, 1, 1, 0], (ov @ qk).norm() / (ov.norm() * qk.norm()))
    assert not scores[1].any()
    assert not scores[0, :, 0].any()
    first, second = model.OV[0, 0].AB, model.OV[1, 1].AB
    of_values = (first @ second).norm() / (first.norm() * second.norm())
    assert_close(model.all_composition_scores("V")[0, 0, 1, 1], of_values)


def test_names_and_sizes(model: HookedTransformer) -> None:
    """What notebooks print: labels of heads, the two embeddings together, sizes in the representation."""
    assert model.all_head_labels() == ["L0H0", "L0H1", "L1H0", "L1H1"]
    assert_close(model.W_E_pos, torch.cat([model.W_E, model.W_pos]))
    shown = repr(model)
    for part in ("Embed(d_vocab=6, d_model=8)", "PosEmbed(n_ctx=3, d_model=8)", "Unembed(d_model=8, d_vocab_out=6)"):
        assert part in shown
    assert "n_heads=2, d_model=8, d_head=4" in shown


def test_a_long_table_of_positions_has_those_of_the_rows() -> None:
    """A table of 8 positions on rows of 3: positions 0 to 2 can be taken out, and 3 is refused."""
    import grokinterp as gi

    model = HookedTransformer(TransformerConfig(d_model=8, n_heads=2, n_ctx=8), task=TASK)
    before = model(TASK.inputs)
    with gi.ablate(model, positions=[2]):
        assert not torch.equal(model(TASK.inputs), before)
    with pytest.raises(BadRequest, match="no position 3; the positions are 0 to 2"):
        gi.ablate(model, positions=[3])
    with gi.ablate(model, components=["positions"]):
        model(TASK.inputs)


def test_a_run_with_hooks_or_a_cache_takes_what_a_call_takes(model: HookedTransformer) -> None:
    """Text for rows and a loss for a result; the hooks last as long as the call."""
    without = [("blocks.0.mlp.hook_post", lambda value, hook: 0 * value)]
    text = [" ".join(TASK.tokens[token] for token in row) for row in TASK.inputs.tolist()]
    loss = model.run_with_hooks(text, fwd_hooks=without, return_type="loss")
    with model.hooks(without):
        assert_close(loss, model(TASK.inputs, return_type="loss"), rtol=0, atol=0)
    whole = model(TASK.inputs, return_type="loss")
    assert not torch.allclose(whole, loss)
    assert_close(model.run_with_cache(text, return_type="loss")[0], whole, rtol=0, atol=0)


def test_positions_are_of_the_row(model: HookedTransformer) -> None:
    """From either end, at the last that there is on each side; one further is refused."""
    rows = model.task.inputs[:2]
    whole = model(rows)
    for positions in ((-3,), (2,), (0, -1)):
        torch.testing.assert_close(model(rows, positions=positions), whole[:, list(positions)])
    for positions in ((-4,), (3,)):
        with pytest.raises(BadRequest, match="must be positions of rows of 3"):
            model(rows, positions=positions)
    for layer in (-3, 3):
        with pytest.raises(BadRequest, match="is no layer"):
            model(rows, stop_at_layer=layer)
    with pytest.raises(BadRequest, match="is no layer"):
        model(rows, start_at_layer=2)
