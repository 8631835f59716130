"""Which recipe a task is trained with where none is asked for, and numbers of every type in a configuration."""

import numpy as np
import pytest
import torch

from grokinterp.config.presets import PRESETS, recipe
from grokinterp.errors import ConfigError
from grokinterp.tasks import Task
from grokinterp.training.planning import plan

OWN = sorted({config.task.expression for config in PRESETS.values()} & set(Task.registry))


def test_the_named_tasks_with_recipes_are_found() -> None:
    """Those that cannot be trained, or not sensibly, with the mainline's."""
    assert OWN == ["digits", "division", "encoded_sum", "lines", "repeated_subsequence", "skip_trigram", "slope"]


@pytest.mark.parametrize("name", OWN)
def test_a_task_with_a_recipe_of_its_own_follows_it(name: str) -> None:
    """Named as text or given as a task: the preset made for it; an explicit preset is followed, also where it fails."""
    config, _ = plan(name)
    assert config.preset == recipe(name)
    assert config.preset != "nanda"
    assert plan(Task(name, **PRESETS[recipe(name)].task.parameters))[0].preset == config.preset


def test_a_formula_follows_the_mainline_whoever_has_trained_it() -> None:
    """`a / b` is what Power et al.'s preset is of, and trains with Nanda's recipe as ever."""
    assert plan("a / b", p=7)[0].preset == "nanda"
    assert plan()[0].preset == "nanda"
    with pytest.raises(ConfigError, match="batch_size"):
        plan("digits", preset="nanda")


def test_numbers_of_numpy_and_torch_are_python_s_own_configuration() -> None:
    """They give the very identity of Python's numbers, and lists become tuples."""
    given = plan(
        "a + b", p=np.int64(7), seed=torch.tensor(3), lr=np.float32(0.5), checkpoint_steps=np.array([5, 7]), steps=9
    )[0]
    assert given == plan("a + b", p=7, seed=3, lr=0.5, checkpoint_steps=(5, 7), steps=9)[0]
    assert type(given.seed) is int
    assert given.identity == type(given).from_json(given.to_json()).identity


@pytest.mark.parametrize(("name", "order"), [("s3", 6), ("S_4", 24), ("a5", 60), ("D7", 14), ("c13", 13), ("S5", 120)])
def test_groups_go_by_their_names(name: str, order: int) -> None:
    """A family's letter and its number, in upper or lower case, spelled in one way."""
    task = Task(name)
    assert len(task.group) == order
    assert task.expression == name.lower().replace("_", "")
    assert torch.equal(Task(task.expression).labels, task.labels)
