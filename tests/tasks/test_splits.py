"""Train and test: masks over unshuffled tables, drawn as the papers draw them."""

import random

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grokinterp.errors import BadRequest
from grokinterp.tasks import Task, TaskError

METHODS = ["randperm", "nanda", "swap_aware"]


@pytest.fixture(scope="module")
def addition() -> Task:
    return Task("a + b", p=113)


@pytest.mark.parametrize("seed", [0, 1, 598])
def test_nandas_split(addition: Task, seed: int) -> None:
    """The training pairs are the first int(frac p^2) of all pairs after `random.seed(seed); random.shuffle(pairs)`."""
    pairs = [(a, b) for a in range(113) for b in range(113)]
    state = random.getstate()
    random.seed(seed)
    random.shuffle(pairs)
    random.setstate(state)
    task = addition.split(frac=0.3, seed=seed, split="nanda")
    assert {tuple(pair) for pair in task.operands[task.is_train].tolist()} == set(pairs[:3830])
    assert random.getstate() == state


def test_randperm_split(addition: Task) -> None:
    """The training rows are the first int(frac n) of torch's permutation under the seed; no global state moves."""
    torch.manual_seed(598)
    expected = torch.randperm(12769)[:3830].sort().values
    before = torch.get_rng_state()
    task = addition.split(frac=0.3, seed=598)
    assert torch.equal(task.is_train.nonzero().flatten(), expected)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("split", METHODS)
@pytest.mark.parametrize("expression", ["a + b", "a / b", "add; subtract; multiply", "add; a / b", "a + b + c"])
def test_a_split_is_a_mask(expression: str, split: str) -> None:
    """int(frac n) rows, the same under one seed, others under the next; the table keeps its order."""
    task = Task(expression, p=11)
    n = len(task.inputs)
    one, again, other = (task.split(frac=0.4, seed=seed, split=split) for seed in (3, 3, 4))
    assert torch.equal(one.is_train, again.is_train) and not torch.equal(one.is_train, other.is_train)
    assert len(task.operations) - 1 >= int(0.4 * n) - int(one.is_train.sum()) >= 0
    assert torch.equal(one.inputs, task.inputs) and torch.equal(one.train_labels, task.labels)
    assert task.is_train is None and one.config() == task.config()


@settings(deadline=None, max_examples=80)
@given(
    expression=st.sampled_from(["a + b", "a - b", "a / b", "add; a / b", "a*b + c"]),
    p=st.sampled_from([2, 3, 5, 7]),
    frac=st.floats(0.3, 1),
    seed=st.integers(0, 100),
)
def test_swap_aware_keeps_pairs_together(expression: str, p: int, frac: float, seed: int) -> None:
    """A row and its swap are on one side, and no more than one group is missing to frac * n."""
    task = Task(expression, p=p)
    groups = 2 * len(task.operations)
    assume(int(frac * len(task.inputs)) >= groups)
    task = task.split(frac=frac, seed=seed, split="swap_aware")
    there = task.swapped >= 0
    assert torch.equal(task.is_train[there], task.is_train[task.swapped[there]])
    assert 0 <= int(frac * len(task.inputs)) - int(task.is_train.sum()) < groups
    assert torch.equal(task.is_unswapped_test, ~task.is_train)


def test_swap_aware_reaches_the_exact_count(addition: Task) -> None:
    """While single rows (a, a) are left, they make up an odd count: 3,830 of 12,769, and any other."""
    for frac, rows in ((0.3, 3830), (0.5, 6384), (0.2999, 3829)):
        assert int(addition.split(frac=frac, split="swap_aware").is_train.sum()) == rows


def test_unswapped_test_rows(addition: Task) -> None:
    """Test rows whose swap is not trained on, by definition pair by pair; swap-aware splits have no others."""
    task = Task("a + b", p=13).split(frac=0.3, seed=1)
    train = {tuple(pair) for pair in task.operands[task.is_train].tolist()}
    expected = [(a, b) not in train and (b, a) not in train for a, b in task.operands.tolist()]
    assert task.is_unswapped_test.tolist() == expected
    with pytest.raises(TaskError, match="no split yet"):
        _ = addition.is_unswapped_test


@pytest.mark.parametrize("split", METHODS)
def test_mixtures_share_one_split_of_the_pairs(split: str) -> None:
    """A pair is trained on under all operations or under none (Furuta et al. 2024)."""
    task = Task("add; subtract; multiply", p=11).split(frac=0.5, seed=2, split=split)
    masks = task.is_train.reshape(3, 121)
    assert torch.equal(masks[0], masks[1]) and torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("indices", [[3, 1, 7], np.array([3, 1, 7]), torch.tensor([3, 1, 7])])
def test_explicit_indices(addition: Task, indices) -> None:
    """The rows named are trained on, in whatever order they are given."""
    for task in (addition.split(train_indices=indices), addition.split(split="indices", train_indices=indices)):
        assert task.is_train.nonzero().flatten().tolist() == [1, 3, 7]


@pytest.mark.parametrize("layout", ["a b =", "power"])
def test_mislabelled_rows(layout: str) -> None:
    """n training rows have another answer that occurs; test rows, `labels` and the closing token stay right."""
    task = Task("(a + b)^4", p=97, layout=layout)
    noisy = task.split(frac=0.4, seed=5, mislabelled=200)
    clean = task.split(frac=0.4, seed=5)
    assert torch.equal(noisy.is_train, clean.is_train) and torch.equal(noisy.labels, task.labels)
    answers = noisy.train_labels if noisy.labels.ndim == 1 else noisy.train_labels[:, 0]
    changed = answers != noisy.answer_labels
    assert int(changed.sum()) == 200 and noisy.is_train[changed].all()
    assert set(answers.unique().tolist()) <= set(task.answer_labels.unique().tolist())
    if layout == "power":
        assert torch.equal(noisy.train_labels[:, 1], task.labels[:, 1])


def test_a_share_of_the_training_rows_is_mislabelled_as_their_number_is() -> None:
    """35 % of 4,704 rows are 1,646.4: the 1,646 rows that `mislabelled=1646` has, with the same wrong answers."""
    task = Task("a + b", p=97)
    share, number = task.split(frac=0.5, seed=1, corrupt=0.35), task.split(frac=0.5, seed=1, mislabelled=1646)
    assert int(share.is_corrupted.sum()) == 1646 and torch.equal(share.train_labels, number.train_labels)
    assert not task.split(frac=0.5, seed=1).is_corrupted.any()


def test_wrong_answers_are_drawn_uniformly() -> None:
    """With two answers a wrong one is the other; with p, all p - 1 shifts occur."""
    parity = Task("1 if a % 2 else 0", p=10**2).split(frac=0.5, mislabelled=100)
    changed = parity.train_labels != parity.labels
    assert torch.equal(parity.train_labels[changed], 1 - parity.labels[changed])
    task = Task("a + b", p=7).split(frac=1, mislabelled=49)
    shifts = ((task.train_labels - task.labels) % 7).unique().tolist()
    assert shifts == [1, 2, 3, 4, 5, 6]


def test_all_rows_may_be_trained_on(addition: Task) -> None:
    """frac=1 has no test rows, for every method."""
    for split in METHODS:
        assert addition.split(frac=1, split=split).is_train.all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"frac": 1.5}, "at most 1"),
        ({"frac": 0.0}, "above 0"),
        ({"frac": -0.3}, "above 0"),
        ({"frac": float("nan")}, "above 0"),
        ({"frac": 1e-5}, "nothing to train on"),
        ({"split": "shuffle"}, "choose one of randperm, nanda, swap_aware, extrapolate, indices"),
        ({"split": "indices"}, "needs train_indices"),
        ({"train_indices": []}, "distinct row numbers"),
        ({"train_indices": [1, 1]}, "distinct row numbers"),
        ({"train_indices": [-1]}, "from 0 to 12768"),
        ({"train_indices": [12769]}, "from 0 to 12768"),
        ({"train_indices": [0.5]}, "distinct row numbers"),
        ({"train_indices": torch.ones(12769, dtype=torch.bool)}, "a mask goes to with_split"),
        ({"mislabelled": -1}, "0 or more"),
        ({"mislabelled": 4000}, "more than the 3830 training rows"),
        ({"corrupt": 1.5}, "a share of the training rows, between 0 and 1"),
        ({"corrupt": 0.35, "mislabelled": 3}, "say the same twice"),
    ],
    ids=str,
)
def test_refusals(addition: Task, arguments: dict, says: str) -> None:
    """A split that cannot be is refused in one line."""
    with pytest.raises(BadRequest) as caught:
        addition.split(**arguments)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_mislabelling_needs_another_answer() -> None:
    """A constant answer has no wrong alternative."""
    with pytest.raises(TaskError, match="at least two different answers"):
        Task("a*0", p=5).split(mislabelled=1)


def test_with_split_checks_shapes(addition: Task) -> None:
    """A stored mask and stored labels come back as they were; those of another table are refused."""
    task = addition.split(frac=0.3, mislabelled=3)
    again = addition.with_split(task.is_train, task.train_labels)
    assert torch.equal(again.is_train, task.is_train) and torch.equal(again.train_labels, task.train_labels)
    with pytest.raises(TaskError, match=r"the mask is \[5\] for 12769 rows"):
        addition.with_split(torch.ones(5, dtype=torch.bool))
    with pytest.raises(TaskError, match="train_labels have shape"):
        addition.with_split(task.is_train, task.train_labels[:, None])


def test_mislabelled_rows_are_drawn_from_all_training_rows() -> None:
    """Not the first of them, and others under another seed."""
    changed = []
    for seed in (0, 1):
        task = Task("a + b", p=23).split(frac=0.5, seed=seed, mislabelled=20)
        places = (task.train_labels != task.labels)[task.is_train].nonzero().flatten()
        assert len(places) == 20 and int(places.max()) > 100
        changed.append(places.tolist())
    assert changed[0] != changed[1]


def test_smallest_operands_take_no_row_too_many() -> None:
    """8.98 of 25 rows are 8: the four with operands up to 1 fit, the nine up to 2 do not; 9 do."""
    task = Task("a + b", p=5)
    for frac, rows in ((0.3592, 4), (0.36, 9)):
        is_train = task.split(frac=frac, split="extrapolate").is_train
        assert int(is_train.sum()) == rows and int(task.operands[is_train].max()) == rows**0.5 - 1
