"""The dense MLP: its equations, its ablations, and a run of it from training to measuring."""

import json

import pytest
import torch

import grokinterp as gi
from grokinterp.config import DenseMLPConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.interventions import AblationError
from grokinterp.models import build
from grokinterp.models.hooked import UnknownHookError
from grokinterp.models.initialisation import initialise, parameter_shapes
from grokinterp.runs.run import RunError, check_fits

TASK = {"p": 7, "bits": 30, "winners": 5, "include_equal": True}


@pytest.fixture(scope="module")
def task():
    return gi.Task("encoded_sum", **TASK).split(frac=0.5, seed=0)


@pytest.fixture(scope="module")
def model(task):
    return build(DenseMLPConfig(hidden_sizes=(20, 12)), seed=3, task=task)


def test_the_model_is_its_equations(task, model):
    """relu(x W + b) twice, then the unembedding; the hooks hold what stands in between."""
    w = dict(model.named_parameters())
    logits, cache = model.run_with_cache(task.inputs)
    x = task.inputs
    for layer in range(2):
        pre = x @ w[f"blocks.{layer}.mlp.W_in"] + w[f"blocks.{layer}.mlp.b_in"]
        torch.testing.assert_close(cache[f"blocks.{layer}.mlp.hook_pre"][:, 0], pre)
        x = pre.relu()
        torch.testing.assert_close(cache[f"blocks.{layer}.mlp.hook_post"][:, 0], x)
    torch.testing.assert_close(logits[:, -1], x @ model.W_U + model.b_U)
    assert torch.equal(cache["hook_combined"][:, 0], task.inputs)
    torch.testing.assert_close(evaluator(model.config, task)(w), logits[:, -1])


def test_fresh_weights_are_scikit_learn_s(task, model):
    """Uniform up to sqrt(6 / (inputs + outputs)), biases too; sizes come from the task."""
    assert (model.config.d_in, model.config.d_vocab_out) == (30, 7)
    assert parameter_shapes(model.config)["blocks.1.mlp.W_in"] == (20, 12)
    wide = initialise(DenseMLPConfig(hidden_sizes=(500,), d_in=400, d_vocab_out=300), seed=0)
    for name, fans in (("blocks.0.mlp.W_in", 900), ("blocks.0.mlp.b_in", 900), ("unembed.W_U", 800)):
        bound = (6 / fans) ** 0.5
        assert 0.97 * bound < wide[name].abs().max() <= bound
    assert wide["blocks.0.mlp.W_in"].var().item() == pytest.approx(6 / 900 / 3, rel=0.02)


def test_neurons_layers_and_directions_can_be_ablated(task, model):
    """A neuron is as if its outgoing weights were zero; a direction of the row as if the row lacked it."""
    with torch.no_grad():
        with gi.ablate(model, neurons=[(0, 4), (1, 2)]):
            out = model(task.inputs)
        weights = {name: value.clone() for name, value in model.named_parameters()}
        weights["blocks.1.mlp.W_in"][4] = 0
        weights["unembed.W_U"][2] = 0
        torch.testing.assert_close(out, build(model.config, weights)(task.inputs))
        with gi.ablate(model, layers=[1]):
            torch.testing.assert_close(model(task.inputs)[:, 0], model.b_U.expand(len(task.inputs), -1))
        bit = torch.zeros(30)
        bit[8] = 1
        with gi.ablate(model, directions=bit):
            out = model(task.inputs)
        torch.testing.assert_close(out, model(task.inputs * (1 - bit)))
        with gi.ablate(model, layers=[0, 1], how="mean"):
            out = model(task.inputs)
            torch.testing.assert_close(out, out[:1].expand_as(out))


def test_what_the_model_lacks_is_refused_in_one_line(task, model):
    """Heads, frequencies, positions, tokens, rows of another width, unknown hooks."""
    for request, message in (
        ({"heads": [(0, 0)]}, "no attention heads"),
        ({"frequencies": [1]}, "no token each"),
        ({"neurons": [(2, 0)]}, "the layers are 0 to 1"),
        ({"components": ["positions"]}, "no position embedding"),
        ({"how": "mean", "neurons": [(0, 1)], "data": torch.zeros(3, 30, dtype=torch.int64)}, r"rows \[n, 30\]"),
    ):
        with pytest.raises(AblationError, match=message):
            gi.ablate(model, **request)
    with pytest.raises(BadRequest, match="reads rows of 30 numbers and was given 29"):
        model(task.inputs[:, 1:])
    with pytest.raises(UnknownHookError, match="no hook point 'hook_embed'"):
        model.run_with_cache(task.inputs, names_filter="hook_embed")
    with pytest.raises(RunError, match="reads features and 'a \\+ b' has rows of tokens"):
        check_fits(gi.Task("a + b", p=7), model.config, "it")
    with pytest.raises(RunError, match="has d_in=30 and the task 'encoded_sum' needs 60"):
        check_fits(gi.Task("encoded_sum", **{**TASK, "bits": 60}), model.config, "it")


def test_a_run_is_trained_loaded_measured_and_ablated(tmp_path):
    """End to end; it learns to fit its rows, and circuits of tokens say why they do not apply."""
    small = {"hidden_sizes": (64,), "batch_size": 8, "steps": 400, "metrics_every": 50, "checkpoint_every": 200}
    gi.train("encoded_sum", preset="encoded_sum", **TASK, **small, out=tmp_path / "run", progress=False)
    run = gi.load(tmp_path / "run")
    assert run.metrics.train_accuracy.iloc[-1] == 1
    assert run.final.config.kind == "dense_mlp" and run.config.split.frac == 0.5
    trace = gi.measure(run, progress=False, on_request=["learnt_code", "output_layer"])
    skipped = json.loads(trace.attrs["skipped"])
    assert {"embedding", "spectrum", "attention", "learnt_code", "logits"} <= set(skipped)
    assert "token each" in skipped["learnt_code"]
    assert trace.train_accuracy.values[-1] == 1
    assert trace.code_similarity.shape == (3, 7, 7)
    model = run.final.model()
    with gi.ablate(model, neurons=[(0, 0)]):
        assert model(run.task.inputs).shape == (28, 1, 7)
