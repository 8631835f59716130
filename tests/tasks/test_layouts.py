"""Token layouts: what a model sees, and where its answer is read."""

import pytest
import torch

from grokinterp.tasks import Task
from grokinterp.tasks.layout import LAYOUTS

EXPECTED = {
    # 3 - 1 = 2 (mod 5): the row as text, the vocabulary after the numbers, the number of answer columns.
    "a b =": (["3", "1", "="], ["="], 5),
    "a b": (["3", "1"], [], 5),
    "a b+p": (["3", "1'"], ["0'", "1'", "2'", "3'", "4'"], 5),
    "a b+p =": (["3", "1'", "="], ["0'", "1'", "2'", "3'", "4'", "="], 5),
    "a op b": (["3", "-", "1"], ["-"], 5),
    "a op b =": (["3", "-", "1", "="], ["=", "-"], 5),
    "power": (["<|eos|>", "3", "-", "1", "=", "2"], ["=", "-", "<|eos|>"], 8),
}


def test_all_layouts_are_tested() -> None:
    """The table above has every layout."""
    assert set(EXPECTED) == set(LAYOUTS)


@pytest.mark.parametrize("layout", EXPECTED)
def test_tokens_of_a_row(layout: str) -> None:
    """The tokens of one row in words, and number tokens first in every vocabulary."""
    row, after_numbers, n_answers = EXPECTED[layout]
    task = Task("a - b", p=5, layout=layout)
    assert [task.tokens[token] for token in task.inputs[3 * 5 + 1].tolist()] == row
    assert task.tokens == ["0", "1", "2", "3", "4", *after_numbers]
    assert task.n_vocab == len(task.tokens) and task.n_answers == n_answers


@pytest.mark.parametrize("layout", LAYOUTS)
def test_operands_can_be_read_from_the_tokens(layout: str) -> None:
    """Different rows have different tokens, and answer column n is the number n."""
    task = Task("a - b", p=5, layout=layout)
    assert len(task.inputs.unique(dim=0)) == 25
    a, b = task.operands.T
    assert torch.equal(task.answer_labels, (a - b) % 5)
    assert [task.tokens[answer] for answer in task.answer_labels.tolist()] == [
        str(n) for n in task.answer_labels.tolist()
    ]


@pytest.mark.parametrize(
    ("layout", "row"),
    [
        ("a b =", ["3", "1", "2", "="]),
        ("a b+p", ["3", "1'", "2''"]),
        ("a op b", ["3", "a+b-c", "1", "a+b-c", "2"]),
        ("power", ["<|eos|>", "3", "a+b-c", "1", "a+b-c", "2", "=", "2"]),
    ],
)
def test_three_operands(layout: str, row: list[str]) -> None:
    """A third operand follows as the second does: its own operator, its own numbers."""
    task = Task("a + b - c", p=5, layout=layout)
    assert [task.tokens[token] for token in task.inputs[(3 * 5 + 1) * 5 + 2].tolist()] == row


def test_pizza_vocabularies() -> None:
    """Zhong et al.'s token ids at p = 59: b + 59 in a vocabulary of 118, `=` last in one of 60 or 119."""
    offset, both = Task("a + b", p=59, layout="a b+p"), Task("a + b", p=59, layout="a b+p =")
    assert offset.n_vocab == 118 and torch.equal(offset.inputs, offset.operands + torch.tensor([0, 59]))
    assert both.n_vocab == 119 and (both.inputs[:, 2] == 118).all()
    assert offset.n_answers == both.n_answers == 59
    assert Task("a + b", p=59, layout="a b =").n_vocab == 60


def test_nanda_and_danielmamay_token_ids() -> None:
    """Nanda: `=` is token p. danielmamay: x, op = p + 1, y, `=` = p, in a vocabulary of p + 2."""
    assert Task("a + b", p=113).inputs[114].tolist() == [1, 1, 113]
    other = Task("x/y", p=97, layout="a op b =")
    assert other.inputs[0].tolist() == [0, 98, 1, 97] and other.n_vocab == 99


def test_power_scores_the_answer_and_the_end() -> None:
    """At `=` the answer, at the answer the closing token: next-token labels at the last two positions."""
    task = Task("a / b", p=97, layout="power")
    assert task.positions == (-2, -1) and task.labels.shape == (97 * 96, 2)
    scored = task.inputs[:, list(task.positions)]
    assert (scored[:, 0] == task.tokens.index("=")).all()
    assert torch.equal(scored[:, 1], task.labels[:, 0])  # teacher forcing
    assert (task.labels[:, 1] == task.inputs[:, 0]).all()  # eos opens and closes
    assert task.n_answers == task.n_vocab == 100
    assert task.chance == 1 / 97


def test_every_operation_has_its_own_operator() -> None:
    """Mixed rows differ in the operator alone, at every place where one stands."""
    task = Task("a + b + c; a*b*c", p=3, layout="a op b =")
    first, second = task.inputs[:27], task.inputs[27:]
    assert torch.equal((first != second).any(0), torch.tensor([False, True, False, True, False, False]))


def test_only_add_with_a_second_vocabulary() -> None:
    """Answers above p - 1 have columns of their own, and the second operand's tokens come after all of them."""
    task = Task("only_add", p=3, layout="a b+p")
    assert task.n_answers == 5 and task.n_vocab == 10
    assert torch.equal(task.inputs, task.operands + torch.tensor([0, 5]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("expression", ["a + b", "a + 0*b", "a^2 + b + c", "a / b"])
def test_each_operand_is_found_where_the_layout_puts_it(layout, expression):
    """The first column of its tokens, also where the answer is a token that equals it; with the token of its zero."""
    task = Task(expression, p=5, layout=layout)
    words = (layout.replace("b+p", "b") if layout != "power" else "eos a op b = answer").split()
    if len(task.sizes) == 3:  # as the second operand, so the third
        words[words.index("b") + 1 : words.index("b") + 1] = ["op", "c"] if "op" in words else ["c"]
    names = "abc"[: len(task.sizes)]
    assert task.operand_columns == tuple(words.index(name) for name in names)
    assert task.zero_tokens == tuple(5 * i if "b+p" in layout else 0 for i in range(len(names)))
    for i, column in enumerate(task.operand_columns):
        assert torch.equal(task.inputs[:, column], task.operands[:, i] + task.zero_tokens[i])


def test_numbers_that_are_read_as_they_are_have_no_column():
    """Rows without tokens have no operand among them."""
    assert Task("division", n=4, form="numbers").operand_columns == (None, None)
    assert Task("division", n=4, form="numbers").zero_tokens == (None, None)
