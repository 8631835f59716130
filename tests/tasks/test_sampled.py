"""Tasks drawn from a seed: what their rows say, and that the same seed and step always give the same ones."""

import pytest
import torch

from grokinterp.errors import BadRequest
from grokinterp.tasks import Task, build
from grokinterp.tasks.digits import decimal, written_out

SMALL = {
    "digits": {"digits": 3},
    "repeated_subsequence": {"length": 25, "subsequence": 4, "repeats": 3, "vocabulary": 32},
    "skip_trigram": {"answers": 5, "queries": 3, "fillers": 4, "length": 8},
}


@pytest.fixture(params=SMALL)
def endless(request) -> Task:
    """Each task of endless data, in a small size."""
    return Task(request.param, **SMALL[request.param])


def read(digits: torch.Tensor) -> list[int]:
    """Digits as whole numbers, the plain way."""
    return [int("".join(map(str, row))) for row in digits.tolist()]


def test_sums_are_written_out_as_on_paper():
    """Most significant digit first, zeros in front, and the carry runs through to a sixth digit."""
    tokens, total = written_out(torch.tensor([[99_999, 1], [120, 34_567], [0, 0]]), 5)
    names = Task("digits").tokens
    assert ["".join(names[token] for token in row) for row in tokens.tolist()] == [
        "99999+00001=100000",
        "00120+34567=034687",
        "00000+00000=000000",
    ]
    assert total.tolist() == [[1, 0, 0, 0, 0, 0], [0, 3, 4, 6, 8, 7], [0, 0, 0, 0, 0, 0]]


def test_numbers_come_back_from_their_digits():
    """Reading the digits gives the number again, up to the largest an int64 holds, and every table adds up."""
    numbers = torch.tensor([0, 7, 10**18, 2 * 10**18 - 2])
    assert read(decimal(numbers, 19)) == numbers.tolist()
    task = Task("digits", digits=4)
    a, b, total = (read(task.inputs[:, part]) for part in (slice(0, 4), slice(5, 9), slice(10, 15)))
    assert [x + y for x, y in zip(a, b, strict=True)] == total
    assert torch.equal(task.inputs[:, [position + 1 for position in task.positions]], task.labels)


@pytest.mark.parametrize("repeats", [2, 3])
def test_a_passage_returns_and_nothing_else_does(repeats):
    """`<bos>` first, then different tokens but for the copies, whose last ends the row; what follows is the label."""
    task = Task("repeated_subsequence", length=25, subsequence=4, repeats=repeats, vocabulary=32, points=200)
    starts = []
    for row, labels in zip(task.inputs.tolist(), task.labels.tolist(), strict=True):
        passage = row[-4:]
        found = [i for i in range(25) if row[i : i + 4] == passage]
        assert row[0] == 0 and len(found) == repeats and labels == passage[1:]
        assert sorted(row.count(token) for token in set(row)) == [1] * (25 - 4 * repeats) + [repeats] * 4
        starts.append(tuple(found))
    assert task.positions == (21, 22, 23)
    # Copies stand anywhere: with `free` other tokens, the first one at free + 1 places.
    assert {found[0] for found in starts} == set(range(1, 25 - 4 * repeats + 1))


def test_only_the_query_tells_which_key_counts():
    """A row has one key of each kind, among fillers; the answer is the key of the kind asked for."""
    task = Task("skip_trigram", **SMALL["skip_trigram"])
    for row, answer in zip(task.inputs.tolist(), task.labels.tolist(), strict=True):
        *words, query = (task.tokens[token] for token in row)
        keys = [word for word in words if word.startswith("a")]
        assert sorted(key.count("'") for key in keys) == [0, 1, 2] and query.startswith("b")
        assert keys[[key.count("'") for key in keys].index(query.count("'"))] == f"a{answer}" + "'" * query.count("'")
    assert task.n_answers == 5 and task.positions == (-1,)


def test_a_seed_below_zero_is_one_of_64_bits(endless):
    """As torch takes its own: -1 is 2^64 - 1."""
    for one, other in zip(endless.fresh(20, seed=-1, step=0), endless.fresh(20, seed=2**64 - 1, step=0), strict=True):
        assert torch.equal(one, other)


def test_draws_follow_seed_and_step(endless):
    """A run's batch at a step is always the same; another step, seed or the held-out sample has other rows."""
    twin = build(endless.config())
    inputs, labels = endless.fresh(50, seed=3, step=7)
    again = twin.fresh(50, seed=3, step=7)
    assert torch.equal(inputs, again[0]) and torch.equal(labels, again[1])
    others = (endless.fresh(50, 3, 8)[0], endless.fresh(50, 4, 7)[0], endless.fresh(50, 0, 0)[0], endless.inputs[:50])
    assert not any(torch.equal(inputs, other) for other in others)
    assert not torch.equal(endless.fresh(50, 0, 0)[0], endless.inputs[:50])
    assert inputs.shape[1:] == endless.inputs.shape[1:] and labels.shape[1:] == endless.labels.shape[1:]
    assert torch.equal(twin.inputs, endless.inputs)


def test_endless_data_are_held_out_and_finite_data_are_split(endless):
    """Of infinite data no row of the table is trained on; of finite data int(frac * points), all rows different."""
    assert endless.is_endless and not endless.is_train.any() and endless.split(frac=0.9) is endless
    finite = Task(endless.expression, **{**SMALL[endless.expression], "data": "finite", "points": 60})
    assert not finite.is_endless and finite.is_train is None
    assert len(finite.inputs.unique(dim=0)) == 60
    assert int(finite.split(frac=0.25, seed=1).is_train.sum()) == 15


def test_a_table_has_no_fresh_rows():
    """All that a + b can be asked is in its table."""
    with pytest.raises(BadRequest, match="batches are rows of it"):
        Task("a + b", p=5).fresh(5, 0, 0)


def test_a_finite_table_is_no_larger_than_there_are_rows():
    """Sums of one digit are 100 questions: 100 points are all of them, 101 there are not."""
    task = Task("digits", digits=1, data="finite", points=100)
    assert sorted(read(task.inputs[:, [0, 2]])) == list(range(100))
    with pytest.raises(BadRequest, match="give 100 rows; lower points"):
        Task("digits", digits=1, data="finite", points=101)


@pytest.mark.parametrize(
    ("name", "parameters", "remedy"),
    [
        ("digits", {"digits": 0}, "from 1 to 18"),
        ("digits", {"points": 1}, "points=1000"),
        ("digits", {"data": "endless"}, "infinite.*finite"),
        ("digits", {"p": 5}, "It has: digits, data"),
        ("repeated_subsequence", {"length": 49}, "use length=65"),
        ("repeated_subsequence", {"vocabulary": 52}, "use vocabulary=53"),
        ("repeated_subsequence", {"repeats": 1}, "at least 2"),
        ("skip_trigram", {"length": 2}, "use length=3"),
        ("skip_trigram", {"answers": 1}, "at least 2 answers"),
    ],
)
def test_refusals_name_the_remedy(name, parameters, remedy):
    """One line; what it recommends works."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        Task(name, **parameters)
    assert "\n" not in str(refused.value)


def test_the_recommended_sizes_work():
    """The least vocabulary and lengths that the refusals above name."""
    assert Task("repeated_subsequence", vocabulary=53).n_vocab == 53
    assert Task("repeated_subsequence", length=65).inputs.shape[1] == 65
    assert Task("skip_trigram", length=3).inputs.shape[1] == 3
