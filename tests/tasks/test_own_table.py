"""Tasks of one's own, by a function or a table: the same as formulas where they say the same, and kept as numbers."""

import json
import math
import operator

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp import circuits
from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.reports import prose
from grokinterp.reports.recipe import Recipe
from grokinterp.reports.sections.reproduction import configuration
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import build
from grokinterp.training.planning import default_directory

GAME = {"rock": "scissors", "scissors": "paper", "paper": "rock"}


def winner(a, b):
    """Rock, paper, scissors; a draw has no winner."""
    return None if a == b else a if GAME[a] == b else b


def test_a_function_is_its_table():
    """The larger of two numbers: every question, its answer by hand, and the formula's tokens and layout."""
    task = gi.Task.from_function(lambda a, b: max(a, b), p=50)
    assert len(task.inputs) == 2_500 and task.n_answers == 50 and task.is_commutative
    assert torch.equal(task.labels, task.operands.amax(1))
    formula = gi.Task("a + b", p=50)
    assert torch.equal(task.inputs, formula.inputs) and task.tokens == formula.tokens


def test_the_same_answers_are_the_same_task():
    """A table of a + b is split, and read by every circuit, as the formula is: the wave is told from the answers."""
    written = gi.Task.from_table([[(a + b) % 7 for b in range(7)] for a in range(7)])
    formula = gi.Task("a + b", p=7)
    for name in ("operands", "inputs", "labels", "operation"):
        assert torch.equal(getattr(written, name), getattr(formula, name)), name
    for split in ("randperm", "nanda", "swap_aware", "extrapolate"):
        assert torch.equal(written.split(0.4, 3, split).is_train, formula.split(0.4, 3, split).is_train)


def test_circuits_read_it_as_they_read_the_formula(small):
    """The same weights on the table and on the formula: the same circuits apply, and give the same numbers."""
    written = gi.Task.from_table([[(a + b) % 5 for b in range(5)] for a in range(5)]).with_split(small.task.is_train)
    formula, table = (Snapshot(0, small.model, task, small.weights(1)) for task in (small.task, written))
    known = circuits.registered()
    assert all((c.why_not(formula) is None) == (c.why_not(table) is None) for c in known.values())
    for name in ("loss", "progress", "clock_pizza"):
        circuit = known[name]
        xr.testing.assert_equal(circuit.fit(formula).read(formula), circuit.fit(table).read(table))


def test_it_trains_and_is_kept_without_the_function(tmp_path):
    """The run on disk has the table and nothing else of the function, and pages call the task by its name."""
    task = gi.Task.from_function(winner, tokens=["rock", "paper", "scissors"])
    out = tmp_path / "game"
    gi.train(task, frac=0.7, steps=2, d_model=8, n_heads=2, d_mlp=8, out=out, progress=False)
    run = gi.load(out)
    assert torch.equal(run.task.labels, task.labels) and run.task.tokens[:3] == ["rock", "paper", "scissors"]
    kept = json.loads((out / "config.json").read_text())["task"]["parameters"]
    assert kept == {"answers": "[[null,1,0],[1,null,2],[0,2,null]]", "tokens": ["rock", "paper", "scissors"],
                    "name": "winner", "layout": "a b ="}  # fmt: skip
    assert prose.title(run) == "winner" and "6 questions with 3 answers" in prose.task_sentence(run.task)


def test_a_large_table_is_shown_cut():
    """A line on the task, and a page's table of the configuration, do not hold ten thousand answers."""
    task = gi.Task.from_function(max, p=113)
    assert len(repr(task)) < 250 and len(task._repr_html_()) < 1_000
    config = gi.RunConfig(task=task.config())
    assert Recipe.of(config) is None
    shown = configuration(Run(MemoryStore({}), "mine", config, task))
    assert shown["task"]["answers"].endswith("characters, all in config.json)")
    assert default_directory(config).name == "max-nanda-seed0"


def test_names_and_gaps():
    """Where tokens are named the function is asked in names; what has no answer is no row."""
    task = gi.Task.from_function(winner, tokens=["rock", "paper", "scissors"])
    questions = [tuple(task.tokens[t] for t in row[:2]) for row in task.inputs.tolist()]
    assert len(questions) == 6
    assert [task.tokens[label] for label in task.labels.tolist()] == [winner(*question) for question in questions]
    grid = task.to_grid(task.labels)
    assert grid.diagonal().isnan().all() and int(grid.isnan().sum()) == 3


@pytest.mark.parametrize(
    "table",
    [
        np.array([[0, 1], [1, 0]], dtype=np.uint8),
        torch.tensor([[0.0, 1.0], [1.0, 0.0]]),
        pd.DataFrame([[0, 1], [1, 0]]),
        ((False, True), (True, False)),
        [["0", "1"], ["1", "0"]],
        [[np.int64(0), 1.0], ["1", 0]],
    ],
    ids=["numpy", "torch", "pandas", "booleans", "names", "mixed"],
)
def test_a_table_in_any_form(table):
    """Arrays, tensors, tables and lists, of numbers or names."""
    task = gi.Task.from_table(table)
    assert task.labels.tolist() == [0, 1, 1, 0]
    assert build(task.config()).labels.tolist() == [0, 1, 1, 0]


def test_three_operands_other_sizes_and_further_answers():
    """A third axis is a third operand; operands may have different ranges, and answers more tokens than operands."""
    task = gi.Task.from_function(lambda a, b, c: a + b + c, p=3, tokens=range(7), name="sum")
    assert task.sizes == (3, 3, 3) and task.n_answers == 7 and torch.equal(task.labels, task.operands.sum(1))
    lopsided = gi.Task.from_table(np.arange(6).reshape(2, 3) % 3)
    assert lopsided.sizes == (2, 3) and lopsided.grid_shape == (2, 3) and lopsided.tokens[:3] == ["0", "1", "2"]
    assert gi.Task.from_function(operator.add, p=2, tokens=range(3)).operations == ("add",)
    assert torch.equal(gi.Task.from_function(math.gcd, p=4).labels[5:8], torch.tensor([1, 1, 1]))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: gi.Task.from_function(lambda a, b: a + b, p=50),
            r"\(1, 49\) is 50, .* 50 tokens, 0 to 49.*range\(99\)",
        ),
        (lambda: gi.Task.from_function(lambda a, b: a - b, p=5), r"\(0, 1\) is -1, .* is the number or the name"),
        (lambda: gi.Task.from_function(lambda a, b: a / b, p=5), "fails at .0, 0.: ZeroDivisionError.*answer None"),
        (lambda: gi.Task.from_function(lambda a, b: a / 2, p=5), r"\(1, 0\) is 0.5"),
        (lambda: gi.Task.from_function(lambda a, b: {a}, p=5), "<set> is no answer"),
        (lambda: gi.Task.from_function(lambda a: a, p=5), "needs 1 operands"),
        (lambda: gi.Task.from_function(lambda a, b: a, p=3_000), "above the limit of 5,000,000"),
        (lambda: gi.Task.from_function(lambda a, b: a), "p=50 for the numbers"),
        (lambda: gi.Task.from_function(winner, tokens=["rock", "rock", "paper"]), "'rock' is named twice"),
        (lambda: gi.Task.from_table([0, 1, 2]), "two or three axes"),
        (lambda: gi.Task.from_table([[0, 1], [1]]), "equally long rows"),
        (lambda: gi.Task.from_table([[None, math.nan]]), "no answer at all"),
        (lambda: gi.Task.from_table([[0, 2], [1, 0]]), r"\(0, 1\) is 2, .*tokens=range\(3\)"),
        (lambda: gi.Task.from_table([["x", "z"], ["y", "x"]], tokens=["x", "y"]), r"\(x, y\) is 'z'"),
        (lambda: gi.Task.from_table([["x", "yes"], ["y", "x"]], tokens=["x", "yess"]), "Did you mean 'yess'"),
        (lambda: gi.Task.from_table([[0, 0, 0]], tokens=["x", "y"]), "3 values and there are 2 tokens"),
        (lambda: gi.Task.from_table([[0, 1], [1, 0]], tokens=["x y", "z"]), "has a space"),
        (lambda: gi.Task.from_table([[0, 1], [1, 0]], tokens=["=", "z"]), "token of the layouts"),
        (lambda: gi.Task.from_table([[0, 1], [1, 0]], tokens="xy"), "must be a list of names"),
        (lambda: gi.Task.from_table({"a": 1}), "is no answer; give a token"),
        (lambda: gi.Task("table", answers="[[0,1],"), "two or three axes"),
    ],
    ids=range(21),
)
def test_what_is_no_table_is_refused(make, says):
    """One line says which answer is none, or what is missing."""
    with pytest.raises(BadRequest, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_true_is_no_number_of_numbers():
    with pytest.raises(BadRequest, match=r"p=True must be a whole number, as in p=50"):
        gi.Task.from_function(lambda a, b: a, p=True)
