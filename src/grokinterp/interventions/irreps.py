"""Irreps of a task's group: by name, and the functions on elements and on the table that are theirs."""

import functools
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp.errors import BadRequest, as_whole, did_you_mean, listed
from grokinterp.irreps import Group
from grokinterp.tasks import Task
from grokinterp.tasks.groups import GroupTask, why_no_group


def numbered(task: Task | None, asked: Iterable[Any]) -> tuple[int, ...]:
    """The places in `group.irreps`, from 1, of irreps that are asked for by name or place.

    Raises `BadRequest` for others, and for the trivial one at place 0: it is the mean, which is no wave either.
    """
    group = _group_of(task)
    names = [irrep.name for irrep in group.irreps]
    return tuple(dict.fromkeys(_number(each, names, group) for each in asked))


def all_irreps_but(task: Task, kept: Iterable[Any]) -> list[str]:
    """Every irrep of the task's group but these and the trivial one, which is the mean over the group.

    `ablate(model, irreps=all_irreps_but(task, ["standard"]))` keeps one alone.
    """
    keep = {0, *numbered(task, kept)}
    return [irrep.name for i, irrep in enumerate(_group_of(task).irreps) if i not in keep]


# Cached, because a forward pass asks for the same ones every time.
@functools.lru_cache(maxsize=64)
def element_functions(task: Task, irreps: tuple[int, ...]) -> Float[Tensor, "function element"]:
    """Orthonormal functions on the group that span the matrix entries of these irreps."""
    group = _group_of(task)
    return group.basis[torch.isin(group.basis_irrep, torch.tensor(irreps))]


@functools.lru_cache(maxsize=16)
def table_functions(task: Task, irreps: tuple[int, ...]) -> Float[Tensor, "function ab"]:
    """The same of each row's answer, orthonormal on the table: what turns with the answer as these irreps do.

    The answers of x y x^-1 are not equally often each element, so that their functions are made orthogonal anew.
    """
    on_rows = element_functions(task, irreps)[:, task.answer_labels]
    _, singular, right = torch.linalg.svd(on_rows, full_matrices=False)
    return right[singular > 1e-10 * singular[0]]


def _group_of(task: Task | None) -> Group:
    if task is None:
        raise BadRequest("irreps need the model's task, to know its group; build the model with task=")
    if not isinstance(task, GroupTask):
        raise BadRequest(f"no irreps can be taken out: {why_no_group(task)}")
    return task.group


def _number(asked: Any, names: list[str], group: Group) -> int:
    if isinstance(asked, str) and asked in names[1:]:
        return names.index(asked)
    if not isinstance(asked, str) and 0 < (number := as_whole(asked)) < len(names):
        return number
    near = did_you_mean(asked, names[1:]) if isinstance(asked, str) else ""
    raise BadRequest(
        f"irrep {asked!r} is none that can be taken out of {group.name}.{near} From 1 on, they are {listed(names[1:])}"
    )
