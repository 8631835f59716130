"""A planted induction circuit scores 1, a head that looks everywhere its share, and other tasks are left out."""

import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp.circuits import induction
from grokinterp.circuits.loss import Loss
from grokinterp.config import TransformerConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.measuring.reading import join
from grokinterp.tasks import Task


def planted(task: Task, sharpness: float = 400.0) -> Snapshot:
    """Layer 0 copies the previous token, layer 1 looks for the current one among the copies and says what follows it.

    The stream has a place for each token, each position, each previous token and each answer, one-hot.
    """
    tokens, length = task.n_vocab, task.inputs.shape[1]
    width = max(tokens, length)
    token, position, previous, answer = (slice(0, tokens), slice(tokens, tokens + length),
                                         slice(tokens + length, 2 * tokens + length),
                                         slice(2 * tokens + length, 3 * tokens + length))  # fmt: skip
    d = 3 * tokens + length
    config = TransformerConfig(n_layers=2, d_model=d, n_heads=1, d_head=width, attn_only=True)
    config = config.resolved(tokens, task.n_answers, length)
    weights = {name: torch.zeros(2, 1, d, width) for name in ("W_Q", "W_K", "W_V")}
    W_O = torch.zeros(2, 1, width, d)
    weights["W_Q"][0, 0, position, :length] = sharpness * torch.eye(length)
    weights["W_K"][0, 0, position, :length] = torch.eye(length).roll(1, 1)  # the key of s is the query of s + 1
    weights["W_K"][0, 0, tokens + length - 1] = 0  # but the last one's, which wraps around to 0
    weights["W_Q"][1, 0, token, :tokens] = sharpness * torch.eye(tokens)
    weights["W_K"][1, 0, previous, :tokens] = torch.eye(tokens)
    for layer, place in enumerate((previous, answer)):
        weights["W_V"][layer, 0, token, :tokens] = torch.eye(tokens)
        W_O[layer, 0, :tokens, place] = torch.eye(tokens)
    W_E, W_pos, W_U = torch.zeros(tokens, d), torch.zeros(length, d), torch.zeros(d, tokens)
    W_E[:, token], W_pos[:, position], W_U[answer] = torch.eye(tokens), torch.eye(length), 50 * torch.eye(tokens)
    parameters = {"embed.W_E": W_E, "pos_embed.W_pos": W_pos, "unembed.W_U": W_U}
    for layer in range(2):
        parameters |= {f"blocks.{layer}.attn.{name}": value[layer] for name, value in weights.items()}
        parameters[f"blocks.{layer}.attn.W_O"] = W_O[layer]
    return Snapshot(0, config, task, parameters)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task("repeated_subsequence", length=17, subsequence=4, repeats=3, vocabulary=16, points=50)


def test_a_planted_circuit_scores_one(task):
    """Its previous-token head and its induction head score 1, each in its own layer, and every answer is right."""
    snapshot = planted(task)
    found = induction.Induction().read(snapshot)
    assert found.induction_score.values[1, 0] == pytest.approx(1, abs=1e-6)
    assert found.previous_token_score.values[0, 0] == pytest.approx(1, abs=1e-6)
    assert found.induction_score.values[0, 0] < 0.01 and found.previous_token_score.values[1, 0] < 0.5
    assert float(found.best_induction_score) == pytest.approx(1, abs=1e-6)
    assert float(Loss().read(snapshot).test_loss) < 1e-6 and float(Loss().read(snapshot).test_accuracy) == 1


def test_a_head_that_looks_everywhere_has_its_share(task):
    """Uniform attention: two earlier copies out of the q + 1 tokens a query sees; the previous one is 1 of q + 1."""
    snapshot = planted(task, sharpness=0)
    found = induction.Induction().read(snapshot)
    share = sum(2 / (q + 1) for q in (13, 14, 15)) / 3
    assert found.induction_score.values == pytest.approx(share, rel=1e-5)
    assert found.previous_token_score.values == pytest.approx(sum(1 / (q + 1) for q in range(1, 13)) / 12, rel=1e-5)


def test_sources_hold_the_answer_after_the_current_token(task):
    """Two in each row and scored position, always the label, never the future."""
    found = induction.sources(task)
    assert (found.sum(-1) == 2).all()
    rows, t, place = found.nonzero(as_tuple=True)
    query = torch.tensor(task.positions)[t]
    assert torch.equal(task.inputs[rows, place], task.labels[rows, t]) and (place < query).all()
    assert torch.equal(task.inputs[rows, place - 1], task.inputs[rows, query])


def test_other_tasks_are_left_out(planted):
    """No answer of a + b stands earlier in its row, and an MLP has no attention."""
    assert "do not stand earlier" in induction.Induction().why_not(planted.untrained(5))
    assert "no attention" in induction.Induction().why_not(planted.clock(5, (1,)))


def test_the_phase_change_is_the_first_checkpoint_at_the_threshold(task):
    """Absent where no head reaches it; the rule is stated."""
    readouts = {
        step: induction.Induction().read(planted(task, sharpness)) for step, sharpness in ((0, 0.0), (100, 400.0))
    }
    assert induction.Induction().summarise(join(readouts))["induction_step"] == 100
    before = induction.Induction().summarise(join({0: readouts[0]}))
    assert "induction_step" not in before and "0.5" in before["induction_rule"]


def test_nandas_two_layers_have_both_heads(data):
    """Published: layer 0 head 2 attends to the previous token, layer 1 heads 1 to 3 are induction heads."""
    task = gi.Task("repeated_subsequence", points=64)
    run = gi.load(data("nanda/induction_head_infinite.pth"), task=task)
    found = induction.Induction().read(Snapshot(run.final.step, run.final.config, task, run.final.parameters))
    score, previous = found.induction_score.values, found.previous_token_score.values
    assert previous.argmax() == 2 and previous[0, 2] > 3 * previous[[0, 0, 0, 1, 1, 1, 1], [0, 1, 3, 0, 1, 2, 3]].max()
    assert score[1, 1:].min() > 5 * max(score[0].max(), score[1, 0])


def test_a_half_reaches_the_threshold_and_other_rules_have_their_own():
    trace = xr.Dataset({"best_induction_score": ("step", [0.25, 0.5, 0.75])}, {"step": [0, 10, 20]})
    steps = [induction.Induction(threshold=at).summarise(trace).get("induction_step") for at in (0.5, 0.51, 0.25, 0.9)]
    assert steps == [10, 20, 0, None]
