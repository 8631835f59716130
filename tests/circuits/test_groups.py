"""Tasks of groups: their tables against the groups' laws, the papers' operations, and what is refused."""

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp.irreps import Cyclic
from grokinterp.tasks import build, names
from grokinterp.tasks.groups import GroupTask, Operation, Product

NAMES = ["s5", "s5conj", "s5aba", "sym", "alt", "dihedral", "cyclic", "product", "permutations", "cayley"]


@pytest.mark.parametrize("name", NAMES)
def test_every_group_is_a_task(name):
    """Each is listed, has one row for every pair of elements, every answer once for each x, and a JSON form."""
    task = gi.Task(name)
    n = len(task.group)
    assert name in dict(names())
    assert task.sizes == (n, n) and len(task.labels) == n**2 and task.n_answers == n
    grid = task.labels.reshape(n, n)
    assert torch.equal(grid.sort(1).values, torch.arange(n).expand(n, n))
    again = build(task.config())
    assert torch.equal(again.inputs, task.inputs) and torch.equal(again.labels, task.labels)
    assert len(set(task.tokens)) == len(task.tokens) and not any(" " in token for token in task.tokens)


def test_the_papers_operations_on_s5():
    """Power et al. 2022: c = b[a] (a first), conjugates have the cycle type of b, and x y x. Answers are strings."""
    xy, conj, aba = (gi.Task(name, layout="a b") for name in ("s5", "s5conj", "s5aba"))
    permutations = [tuple(map(int, token)) for token in xy.tokens]
    after = lambda a, b: tuple(b[i] for i in a)
    for row in range(0, 14_400, 97):
        a, b = (permutations[i] for i in xy.operands[row])
        assert permutations[xy.labels[row]] == after(a, b)
        assert permutations[aba.labels[row]] == after(after(a, b), a)
        inverse = tuple(np.argsort(a).tolist())
        assert permutations[conj.labels[row]] == after(after(a, b), inverse)
    fixed = lambda p: sum(i == j for i, j in enumerate(p))
    assert all(
        fixed(permutations[c]) == fixed(permutations[b]) for c, b in zip(conj.labels, conj.operands[:, 1], strict=True)
    )


def test_operations_are_those_of_the_table():
    """x y x^-1 and x y x, from `sym`; a commutative group's conjugates are trivial."""
    group = gi.Task("sym", n=3).group
    x, y = gi.Task("sym", n=3).operands.T
    inverse = group.inverse[x]
    assert torch.equal(gi.Task("sym", n=3, operation="xyx^-1").labels, group.table[group.table[x, y], inverse])
    assert torch.equal(gi.Task("sym", n=3, operation="xyx").labels, group.table[group.table[x, y], x])
    assert torch.equal(gi.Task("cyclic", n=7, operation="xyx^-1").labels, gi.Task("cyclic", n=7).operands[:, 1])
    assert gi.Task("cyclic", n=7).is_commutative and not gi.Task("sym", n=3).is_commutative


def test_the_cyclic_group_is_addition():
    """The same table as a + b mod p, and the same split for the same seed."""
    cyclic, formula = gi.Task("cyclic", n=13), gi.Task("a + b", p=13)
    assert torch.equal(cyclic.inputs, formula.inputs) and torch.equal(cyclic.labels, formula.labels)
    assert torch.equal(cyclic.split(0.3, seed=1).is_train, formula.split(0.3, seed=1).is_train)


def test_tables_and_permutations_by_hand():
    """A table as rows, digits or numbers with commas; generators as cycles."""
    rows = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    for table in (rows, "012 120 201", "0,1,2; 1,2,0; 2,0,1", np.array(rows)):
        assert torch.equal(gi.Task("cayley", table=table).labels, gi.Task("cyclic", n=3).labels)
    klein = gi.Task("permutations", generators="(0 1)(2 3), (0 2)(1 3)")
    assert len(klein.group) == 4 and klein.is_commutative
    assert len(gi.Task("product", factors="S3xS3xC2").group) == 72


def test_a_group_is_one_class():
    """As the docstring shows it."""

    class Klein(GroupTask, names={"klein": "for this test"}):
        def tabulate(self, operation: Operation = "xy", layout: str = "a b ="):
            return self.of(Product(Cyclic(2), Cyclic(2)), operation, layout)

    try:
        assert [rho.dimension for rho in gi.Task("klein").group.irreps] == [1, 1, 1, 1]
    finally:
        del gi.Task.registry["klein"], gi.Task.descriptions["klein"]


@pytest.mark.parametrize(
    ("name", "parameters", "reason"),
    [
        ("sym", {"n": 7}, "5,040 elements"),
        ("sym", {"n": 1}, "n is at least 2"),
        ("sym", {"n": 10**9}, "elements; the table"),
        ("alt", {"n": 7}, "2,520 elements"),
        ("dihedral", {"n": 2}, "at least 3"),
        ("cyclic", {"n": -3}, "at least 2"),
        ("cyclic", {"n": 10**12}, "elements; the table"),
        ("sym", {"operation": "yx"}, "operation='yx'"),
        ("sym", {"p": 5}, "no parameter 'p'"),
        ("s5", {"n": 4}, "no parameter 'n'"),
        ("s5", {"layout": "a + b"}, "no layout"),
        ("product", {"factors": "S3 and S4"}, "names no groups"),
        ("product", {"factors": "S5 x S5"}, "14,400 elements"),
        ("permutations", {"generators": "(0 1"}, "is no permutation"),
        ("permutations", {"generators": "(0 1 0)"}, "stands twice"),
        ("permutations", {"generators": "(0)"}, "1 elements"),
        ("permutations", {"generators": "(0 1 2 3 4 5 6), (0 1)"}, "5,040 elements"),
        ("cayley", {"table": [[0, 1], [1]]}, "square of whole numbers"),
        ("cayley", {"table": "no table"}, "square of whole numbers"),
        ("cayley", {"table": [[0, 1], [1, 1]]}, "each element once"),
        ("cayley", {"table": [0, 1]}, "square of whole numbers"),
        ("cayley", {"table": ""}, "square of whole numbers"),
    ],
)
def test_bad_groups_are_refused_in_one_line(name, parameters, reason):
    """Before anything is built; in one line that says what would work."""
    with pytest.raises(gi.BadRequest, match=reason) as error:
        gi.Task(name, **parameters)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("preset", ["chughtai", "nanda"])
def test_a_group_is_trained_and_measured(tmp_path, preset):
    """End to end with the embedding MLP and with a transformer: what applies is read, what does not says why."""
    small = {"d_embed": 8, "hidden_sizes": (6,)} if preset == "chughtai" else {"d_model": 8, "n_heads": 2, "d_mlp": 6}
    run = gi.train(
        "sym", n=3, preset=preset, frac=0.5, steps=3, checkpoint_every=2, progress=False, out=tmp_path / "r", **small
    )
    trace = gi.measure(run, circuits=["irreps", "cosets"], on_request=["causal", "output_layer"], progress=False)
    assert trace.embedding_fve.sum("irrep").values == pytest.approx(1)
    assert trace.coset_concentration_left.sizes == {"step": 3, "neuron": 6}
    assert ("causal" in trace.attrs["skipped"]) == (preset == "nanda")
    formula = gi.train("a + b", p=5, preset=preset, steps=1, progress=False, out=tmp_path / "f", **small)
    with_group = gi.measure(formula, circuits=["irreps", "cosets"], progress=False)
    assert with_group.attrs["skipped"].count("is no task of a group") == 2
