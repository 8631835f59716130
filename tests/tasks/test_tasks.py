"""Tasks by formula and by name: complete tables of the right answers, and what they know about themselves."""

import copy
import pickle
from typing import Literal

import numpy as np
import pytest
import torch

from grokinterp.config import TaskConfig
from grokinterp.config.presets import PRESETS
from grokinterp.errors import BadRequest
from grokinterp.tasks import Table, Task, TaskError, all_rows, build, find_layout, names, parameter_names
from grokinterp.tasks.papers import FORMULAS, modulus_in


@pytest.fixture(params=sorted(Task.registry), scope="module")
def named(request) -> Task:
    """Every task that has a name, in a small size where it has a choice."""
    has_choice = "p" in parameter_names(request.param) and not modulus_in(request.param)
    return Task(request.param, p=7) if has_choice else Task(request.param)


def test_swapped_names_the_row_of_the_exchanged_pair() -> None:
    """`swapped` is an involution where it is defined, and -1 at pairs (0, b) of a division."""
    task = Task("a / b", p=7)
    swapped = task.swapped
    there = swapped >= 0
    assert torch.equal(task.operands[swapped[there]], task.operands[there].flip(1))
    assert torch.equal(task.operands[~there][:, 0], torch.zeros(6, dtype=torch.int64))


def test_majority_rate() -> None:
    """a * b is 0 in 2p - 1 of p^2 rows, and so is (a - b)^2 in p of them with each other square in 2p."""
    assert Task("a * b", p=97).majority_rate == pytest.approx((2 * 97 - 1) / 97**2)
    assert Task("(a - b)^2", p=97).majority_rate == pytest.approx(2 / 97)
    assert Task("a + b", p=97).majority_rate == Task("a + b", p=97).chance == 1 / 97


def test_only_add_has_no_modulus() -> None:
    """Sums 0 .. 2p - 2, every one with its own token and answer column."""
    task = Task("only_add", p=7)
    assert torch.equal(task.labels, task.operands.sum(1))
    assert task.n_answers == 13 and task.chance == 1 / 13
    assert task.tokens[:13] == [str(n) for n in range(13)]


def test_random_table_follows_its_seed() -> None:
    """The same seed draws the same table, another seed another; all residues are about equally frequent."""
    first, again, other = Task("random", p=29), Task("rand", p=29), Task("random", p=29, table_seed=1)
    assert torch.equal(first.labels, again.labels)
    assert (first.labels == other.labels).float().mean() < 0.15  # about 1 / 29
    assert first.chance == 1 / 29 and not first.is_commutative
    assert build(other.config()).labels.equal(other.labels)


def test_every_named_table_keeps_the_contract(named: Task) -> None:
    """Complete, sorted, in range; rebuilt from JSON, copied and pickled to the same table."""
    cells = torch.cat([named.operation[:, None], named.operands], 1).tolist()
    assert cells == sorted(cells) and len({tuple(cell) for cell in cells}) == len(cells)
    n = len(named.inputs)
    assert named.labels.dtype == named.operands.dtype == named.operation.dtype == torch.int64
    assert named.inputs.dtype == (torch.int64 if named.has_tokens else torch.float32)
    assert named.operands.shape == (n, len(named.sizes)) and len(named.labels) == len(named.operation) == n
    assert 0 <= int(named.inputs.min()) and int(named.inputs.max()) < named.n_vocab == len(named.tokens)
    assert 0 <= int(named.labels.min()) and int(named.labels.max()) < named.n_answers
    assert len(set(named.tokens)) == named.n_vocab and not any(" " in token for token in named.tokens)
    assert 1 / named.n_answers <= named.chance <= named.majority_rate <= 1
    for twin in (
        build(named.config()),
        build(named.config(), {"p": 11}),
        copy.copy(named),
        pickle.loads(pickle.dumps(named)),
    ):
        assert type(twin) is type(named) and repr(twin) == repr(named)
        for name in ("operands", "inputs", "labels", "operation"):
            assert torch.equal(getattr(twin, name), getattr(named, name))
        assert (twin.tokens, twin.positions, twin.sizes) == (named.tokens, named.positions, named.sizes)


def test_names_are_listed_with_one_line() -> None:
    """`names` has every registered name, and says what is learnt."""
    listed = dict(names())
    assert set(listed) == set(Task.registry) >= {*FORMULAS, "random", "only_add"}
    assert all(text and "\n" not in text for text in listed.values())


def test_to_grid() -> None:
    """`(ab ...)` becomes `(a b ...)`: a on axis 0, NaN exactly where there is no row."""
    task = Task("a / b", p=7)
    grid = task.to_grid(torch.stack([task.operands[:, 0], task.labels], 1))
    assert grid.shape == (7, 7, 2)
    assert grid[:, 0].isnan().all() and not grid[:, 1:].isnan().any()
    a, b, c = torch.arange(7)[:, None], torch.arange(1, 7)[None, :], grid[:, 1:, 1]
    assert torch.equal(grid[:, 1:, 0], a.expand(7, 6).float())
    assert torch.equal(c * b % 7, a.expand(7, 6).float())
    exact = torch.rand(42, dtype=torch.float64)
    assert torch.equal(task.to_grid(exact)[:, 1:].flatten(), exact)
    with pytest.raises(TaskError, match=r"evaluate it on task\.inputs"):
        task.to_grid(torch.zeros(49))


def test_mixture() -> None:
    """One table after the other, told apart by the operator token; the grid has a leading axis."""
    task = Task("a + b; a / b; a*b + b", p=5)
    assert task.parameters == {"p": 5, "layout": "a op b ="}
    assert task.operations == ("a + b", "a / b", "a * b + b")
    for number, formula in enumerate(task.operations):
        alone, rows = Task(formula, p=5), task.operation == number
        assert torch.equal(task.operands[rows], alone.operands) and torch.equal(task.labels[rows], alone.labels)
        assert {task.tokens[token] for token in task.inputs[rows, 1].tolist()} == {("+", "/", "a*b+b")[number]}
    grid = task.to_grid(task.labels)
    assert grid.shape == task.grid_shape == (3, 5, 5)
    assert int(grid.isnan().sum()) == 5 and torch.equal(grid[0], torch.arange(5.0).add(torch.arange(5.0)[:, None]) % 5)


def test_mixture_as_a_list_and_of_names() -> None:
    """A list, a text with `;` and the papers' names are the same mixture; any c makes all of three operands."""
    task = Task("a + b; a - b", p=5)
    for same in (Task(["a + b", "a - b"], p=5), Task("add; subtract", p=5), Task(" x+y ;\n x-y ", p=5)):
        assert torch.equal(same.inputs, task.inputs) and torch.equal(same.labels, task.labels)
        assert build(same.config()).tokens == task.tokens
    assert Task("a + b; a + b + c", p=3).grid_shape == (2, 3, 3, 3)


def test_presets_build() -> None:
    """Every preset's task can be built, with the layout and modulus it names."""
    for preset in PRESETS.values():
        task = build(preset.task)
        assert task.given == preset.task.parameters and task.given.items() <= task.parameters.items()


def test_defaults_fill_in_what_was_not_said() -> None:
    """A preset's parameters apply where the class knows them; the config's own come first and are all of `given`."""
    task = build(TaskConfig("a - b", {"layout": "a b"}), {"p": 59, "layout": "a b =", "unknown": 1})
    assert task.parameters == {"p": 59, "layout": "a b"} and task.given == {"layout": "a b"}
    assert build(TaskConfig("x**3+x*y_mod_97"), {"p": 113}).parameters["p"] == 97
    assert build(TaskConfig("add; subtract"), {"layout": "a b ="}).parameters["layout"] == "a op b ="
    assert build(TaskConfig("add; subtract"), {"layout": "power"}).parameters["layout"] == "power"
    assert Task("a + b", p=np.int64(5), layout=None).given == {"p": 5}


@pytest.mark.parametrize(
    ("expression", "parameters", "says"),
    [
        ("a + b", {"p": 1}, "at least 2"),
        ("a + b", {"p": -3}, "at least 2"),
        ("only_add", {"p": 1}, "at least 2"),
        ("random", {"p": 0}, "at least 2"),
        ("a + b", {"p": 5.0}, "p=5.0 must be of type int"),
        ("a + b", {"p": True}, "must be of type int"),
        ("a + b", {"p": 3_000}, "above the limit of 5,000,000"),
        ("a + b", {"p": 10**30}, "at most 5,000,000"),
        ("a + b + c", {"p": 200}, "up to about 170"),
        ("; ".join(f"a + {n}*b" for n in range(40)), {"p": 400}, "limit"),
        ("a + b", {"modulus": 7}, "has no parameter 'modulus'"),
        ("a + b", {"layuot": "a b"}, "Did you mean 'layout'?"),
        ("a + b", {"layout": "a  =b"}, "The layouts: 'a b ='"),
        ("a + b; a - b", {"layout": "a b ="}, "use one of 'a op b'"),
        ("a + b;", {}, "empty"),
        ("a + b; x + y", {}, "twice"),
        ("; ".join(f"a + {n}*b" for n in range(65)), {"p": 2}, "at most 64"),
        ("add; only_add", {}, "mix formulas"),
        ("ad", {}, "Did you mean 'add'?"),
        ("x2_xy_y3", {}, "Did you mean 'x2_xy_y2"),
        ("x**3+x*y_mod_97", {"p": 113}, "for p=113 write 'a^3 + a*b'"),
        ("a / 5", {"p": 5}, "always divides by 0"),
        ("a / b", {"p": 12}, "b, which can be 2 and then has no inverse mod 12; use a prime p"),
    ],
)
def test_refusals(expression: str, parameters: dict, says: str) -> None:
    """What cannot be built is refused at construction, in one line that names the remedy."""
    with pytest.raises(BadRequest) as caught:
        Task(expression, **parameters)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_parameters_are_checked_against_annotations() -> None:
    """A new task's parameters need no check of their own: unions, literals, containers and floats are understood."""

    class Odd(Task):
        def tabulate(
            self, n: int | None = None, kind: Literal["x", "y"] = "x", rate: float = 1, of: tuple[int, ...] = ()
        ) -> Table:
            raise TaskError(f"reached with {self.parameters}")

    for good in ({"n": 3, "kind": "y"}, {"rate": 2, "of": (1,)}, {"rate": 0.5}):
        with pytest.raises(TaskError, match="reached"):
            Odd("odd", **good)
    for bad in ({"n": "3"}, {"kind": "z"}, {"rate": "1"}, {"of": 1}, {"n": True}):
        with pytest.raises(TaskError, match="must be of type"):
            Odd("odd", **bad)


def test_build_refuses_like_task() -> None:
    """An unknown parameter in a config is refused with the known ones."""
    with pytest.raises(TaskError, match="It has: p, layout, table_seed"):
        build(TaskConfig("random", {"seed": 3}))


def test_a_new_task_is_one_class() -> None:
    """A subclass with names can be called by name, with its own parameters, at once."""

    class Maximum(Task, names={"test maximum": "the larger of two numbers"}):
        def tabulate(self, n: int = 4, layout: str = "a b =") -> Table:
            rows = all_rows((n, n))
            return find_layout(layout).table(
                numbers=[str(i) for i in range(n)],
                sizes=(n, n),
                operands=rows,
                answers=rows.max(1).values,
            )

    try:
        task = Task("test maximum", n=3)
        assert isinstance(task, Maximum) and task.is_commutative
        assert task.labels.tolist() == [0, 1, 2, 1, 1, 2, 2, 2, 2]
        assert build(task.config()).labels.equal(task.labels)
        assert task.operations == ("test maximum",) and task.grid_shape == (3, 3)
        assert Task("test maximum", layout="a op b").tokens[-1] == "op"
        assert ("test maximum", "the larger of two numbers") in names()
    finally:
        del Task.registry["test maximum"], Task.descriptions["test maximum"]


def test_printing_computes_nothing() -> None:
    """`repr` of a large task is quick: no property of the table is worked out for it."""
    task = Task("a + b + c", p=20).split(frac=0.5)
    before = set(vars(task))
    assert repr(task) == "<Task 'a + b + c' (p=20, layout='a b ='): 8000 rows, 4000 trained on>"
    assert set(vars(task)) == before
    assert "commutative" in task._repr_html_() and "a &lt; b" in Task("a if a < b else b", p=3)._repr_html_()
