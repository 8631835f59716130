"""The folded evaluation of embedding MLPs is the hooked model, in value and gradient."""

import pytest
import torch

import grokinterp as gi
from grokinterp import models
from grokinterp.config import EmbeddingMLPConfig
from grokinterp.evaluation import folded
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.models.initialisation import initialise


@pytest.mark.parametrize("combine", ["concatenate", "add", "project_then_add"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("expression", "sizes", "bias"), [("a + b", (7,), False), ("a + b*c", (7, 5), True)])
def test_folding_is_exact(combine, shared, expression, sizes, bias):
    """Two operands and three, one layer and two, with biases and without, all rows and some."""
    task = gi.Task(expression, p=5, layout="a b")
    config = EmbeddingMLPConfig(
        d_embed=6, combine=combine, shared_embedding=shared, hidden_sizes=sizes, mlp_bias=bias, unembed_bias=bias
    ).resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    generator = torch.Generator().manual_seed(1)
    parameters = {
        name: (value + 0.1 * torch.randn(value.shape, generator=generator)).requires_grad_()
        for name, value in initialise(config, seed=0).items()
    }
    rows = torch.arange(0, len(task.inputs), 3)
    weights = torch.randn(len(rows), task.n_answers, generator=generator)
    hooked = models.build(config)
    theirs = torch.func.functional_call(hooked, parameters, (task.inputs[rows],))[:, 0]
    ours = evaluator(config, task)(parameters, rows)
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad((x * weights).sum(), list(parameters.values())) for x in (ours, theirs)]
    torch.testing.assert_close(*gradients)
    whole = folded.activations(config, parameters, task.inputs)
    model = models.build(config, parameters={k: v.detach() for k, v in parameters.items()}, task=task)
    _, cache = model.run_with_cache(task.inputs)
    for i in range(len(sizes)):
        torch.testing.assert_close(whole.pre[i], cache[f"blocks.{i}.mlp.hook_pre"][:, 0])
        torch.testing.assert_close(whole.post[i], cache[f"blocks.{i}.mlp.hook_post"][:, 0])


def test_operand_tables_find_each_operands_tokens():
    """Also where the second operand has tokens of its own, and a pre-activation is their sum."""
    for layout in ("a b", "a b+p"):
        task = gi.Task("sym", n=3, layout=layout)
        config = EmbeddingMLPConfig(d_embed=4, shared_embedding=False, hidden_sizes=(5,), mlp_bias=False)
        config = config.resolved(task.n_vocab, task.n_answers, 2)
        parameters = initialise(config, seed=0)
        left, right = folded.operand_tables(config, parameters, task)
        x, y = task.operands.T
        torch.testing.assert_close(left[x] + right[y], folded.activations(config, parameters, task.inputs).pre[0])
