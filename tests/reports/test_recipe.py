"""The command on a report trains the same configuration again: read back, it gives the very same config."""

import ast
import shlex
from typing import Any

import pytest

from grokinterp.cli.arguments import parse, split_at_dashes
from grokinterp.cli.train_command import arguments, parameter
from grokinterp.config import SECTIONS, RunConfig
from grokinterp.config.presets import PRESETS, preset
from grokinterp.models.parameters import why_unreadable
from grokinterp.reports.recipe import Recipe
from grokinterp.training.planning import plan

FORMULA = plan("a + b", p=7)[1]
"""Some presets' models read images or codes instead of its tokens."""

CONFIGS = [
    *({"preset": name, "p": 7} for name, base in PRESETS.items() if why_unreadable(base.model, FORMULA) is None),
    {"task": "a * b", "p": 11, "frac": 0.5, "seed": 3, "n_layers": 2, "lr": 3e-4, "attn_only": True},
    {"task": "-a + b", "p": 7, "checkpoint_steps": (1, 5), "mlp_bias": False},
    {"task": "a / b if b % 2 else a - b", "p": 7, "preset": "power", "batch_size": None},
    {"task": "a + b; a - b", "p": 7, "preset": "furuta"},
    {"preset": "scienceetonnante", "p": 7, "hidden_sizes": (32, 16), "batch_size": 4},
    {"task": "digits", "preset": "digits", "digits": 2, "data": "finite", "points": 40, "frac": 0.5},
    {"task": "encoded_sum", "preset": "encoded_sum", "p": 7, "include_equal": True, "bits": 20, "winners": 4},
]


def configured(task: str = "a + b", **fields: Any) -> RunConfig:
    return plan(task, **{"batch_size": 4, **fields} if "batch_size" not in fields else fields)[0]


@pytest.mark.parametrize("given", CONFIGS, ids=str)
def test_python_call_gives_the_same_configuration(given):
    """The keywords of the printed call, read by Python's own parser, plan the run's config."""
    config = configured(**given)
    recipe = Recipe.of(config)
    assert recipe is not None
    call = ast.parse(recipe.python()).body[-1].value
    keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert plan(ast.literal_eval(call.args[0]), **keywords)[0] == config


@pytest.mark.parametrize("given", CONFIGS, ids=str)
def test_shell_command_gives_the_same_configuration(given):
    """The printed command, split as a shell does and read by the command line, plans the run's config."""
    config = configured(**given)
    recipe = Recipe.of(config)
    assert recipe is not None
    program, command, *argv = shlex.split(recipe.command())
    assert (program, command) == ("grokinterp", "train")
    before, after = split_at_dashes(argv)
    read: Any = parse(arguments(preset(recipe.preset)), [*before, *(["EXPR"] if after else [])], "train")
    parameters = {"p": read.p, "layout": read.layout, **dict(map(parameter, read.set))}
    options = {section: getattr(read, section) for section in SECTIONS}
    task = after[0] if after else read.expression
    known = {name: value for name, value in parameters.items() if value is not None}
    assert plan(task, preset=read.preset, seed=read.seed, **known, **options)[0] == config


def test_only_what_differs_from_the_preset_is_said():
    """Nanda's mainline is one short line."""
    assert Recipe.of(plan("a + b")[0]).command() == (
        "grokinterp train 'a + b' --p 113 --frac 0.3 --steps 25000 --seed 0"
    )


def test_a_split_by_hand_has_no_command():
    """Row numbers are in the run, not in a command."""
    assert Recipe.of(plan("a + b", p=7, train_indices=[0, 1, 2])[0]) is None
