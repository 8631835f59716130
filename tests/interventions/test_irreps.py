"""Irreps taken out of a model of a group, beside the projections that their characters give."""

import pytest
import torch

import grokinterp as gi
from grokinterp import models
from grokinterp.config import EmbeddingMLPConfig, TransformerConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.interventions import AblationError, Ablator, all_irreps_but
from grokinterp.models.initialisation import initialise


def weights_of(task, kind):
    """The configuration of a small model on a task, and random weights."""
    sizes = dict(d_vocab=len(task.tokens), d_vocab_out=task.n_answers)
    if kind is TransformerConfig:
        config = kind(d_model=16, n_heads=2, n_ctx=3, **sizes)
    else:
        config = kind(d_embed=16, hidden_sizes=(32,), shared_embedding=False, n_ctx=2, **sizes)
    return config, initialise(config, seed=0)


def model_of(task, kind):
    """The model itself."""
    config, weights = weights_of(task, kind)
    return models.build(config, parameters=weights, task=task)


def projected(f, group, irrep):
    """The part of a function on the group in an irrep: d / |G| sum_h chi(h) f(h^-1 g), over the complex type."""
    moved = f[group.table[group.inverse]]  # [h, g, ...]: f(h^-1 g)
    weights = irrep.character * irrep.dimension / len(group) / irrep.type
    return torch.einsum("h,hg...->g...", weights, moved.double())


@pytest.fixture(params=[TransformerConfig, EmbeddingMLPConfig], ids=["transformer", "mlp"])
def kind(request):
    """A model with one embedding, and one with an embedding for each operand."""
    return request.param


def task_for(kind, name, **parameters):
    """A group's task in the layout that a model reads."""
    return gi.Task(name, layout="a b =" if kind is TransformerConfig else "a b", **parameters)


@pytest.fixture(params=["s4", "d5", "c5"])
def task(request, kind):
    """Real irreps of dimensions 1 to 3, and rotations that complex numbers split."""
    return task_for(kind, request.param)


def test_what_is_taken_out_is_what_the_characters_project_on(task, kind):
    """Of the logits: the sum over the rows of each answer loses its part in the irrep, and nothing else."""
    group, model = task.group, model_of(task, kind)
    irrep = group.irreps[-1]
    with torch.no_grad():
        plain = last(model(task.inputs))
        with gi.ablate(model, irreps=[irrep.name], where="logits"):
            ablated = last(model(task.inputs))
    fold = lambda logits: (
        torch.zeros(len(group), logits.shape[1]).double().index_add(0, task.answer_labels, logits.double())
    )
    assert torch.allclose(fold(plain) - fold(ablated), projected(fold(plain), group, irrep), atol=1e-4)
    # On every row the change depends on the answer alone.
    change = (plain - ablated).double()
    assert torch.allclose(change, (fold(change) / len(group))[task.answer_labels], atol=1e-5)


def last(logits):
    """The logits that answer."""
    return logits[:, -1] if logits.ndim == 3 else logits


def test_the_embedding_loses_the_irreps_and_any_batch_can_be_asked(task, kind):
    """All but the trivial one taken out: every element is embedded as their mean, and all pairs are answered alike."""
    model = model_of(task, kind)
    with torch.no_grad(), gi.ablate(model, irreps=all_irreps_but(task, [])):
        some = last(model(task.inputs[3:9]))
    assert torch.allclose(some, some[:1].expand_as(some), atol=1e-5)
    kept = [irrep.name for irrep in task.group.irreps[1:]]
    assert all_irreps_but(task, kept[:1]) == kept[1:] and all_irreps_but(task, [2]) == [kept[0], *kept[2:]]


@pytest.mark.parametrize("where", ["embedding", "mlp", "logits"])
def test_with_and_without_hooks_it_is_the_same(kind, where):
    """`Ablator` on a snapshot, and a block around the model; also where an element is moved by conjugation."""
    task = task_for(kind, "s4", operation="xyx^-1")
    model = model_of(task, kind)
    request = dict(irreps=[task.group.irreps[2].name, 3], where=where, how="resample", seed=1)
    snapshot = Snapshot(0, *weights_of(task, kind)[:1], task, weights_of(task, kind)[1])
    with torch.no_grad(), gi.ablate(model, **request):
        expected = last(model(task.inputs))
    assert torch.allclose(Ablator(snapshot).columns(**request), expected, atol=1e-4)


def test_what_there_is_not_is_refused_by_name():
    """A task of numbers, another group's irrep, the mean, and two names for the same."""
    model = model_of(gi.Task("s4"), TransformerConfig)
    for asked, words in (
        (dict(irreps=["standrd"]), "Did you mean 'standard'"),
        (dict(irreps=["trivial"]), "none that can be taken out of S4"),
        (dict(irreps=[9]), "From 1 on, they are standard"),
        (dict(irreps=[1.5]), "must be names"),
        (dict(irreps=["sign"], frequencies=[1]), "give one of them"),
    ):
        with pytest.raises(AblationError, match=words):
            gi.ablate(model, **asked)
    with pytest.raises(AblationError, match="no task of a group"):
        gi.ablate(model_of(gi.Task("a + b", p=5), TransformerConfig), irreps=["sign"])
