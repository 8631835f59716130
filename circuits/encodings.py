"""Numbers as codes: how alike the codes of pairs are, what single bits know, and which code a model has learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from grokinterp.analysis.cycles import Cycle
from grokinterp.analysis.moments import group_means
from grokinterp.evaluation.losses import rightness
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.fourier import is_prime
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.encoded_sum import EncodedSum
from grokinterp.tasks.encoders import Encoder, find_encoder, likeness, mean_similarity, parameters_of, similarities

THREAD = "forum thread 'The grokking challenge?'"


def bit_correlation(
    codes: Shaped[Tensor, "n bit"], answers: Int[Tensor, "n"], n_answers: int
) -> Float[Tensor, "bit answer"]:
    """Correlation of each bit with each answer being the right one, over the rows; NaN where one never changes."""
    indicator = torch.nn.functional.one_hot(answers, n_answers).double()
    unit = lambda x: (x - x.mean(0)) / (x - x.mean(0)).norm(dim=0)
    return unit(codes.double()).T @ unit(indicator)


def explained_by_answer(codes: Shaped[Tensor, "n bit"], answers: Int[Tensor, "n"]) -> Float[Tensor, "bit"]:
    """[bit]: the share of each bit's variance that lies between the answers (correlation ratio), adjusted for chance.

    1 where the answer says whether the bit is on; about 0 where it says nothing; NaN for a bit that never changes, or
    where no answer has two rows.
    """
    codes, (occurring, group) = codes.double(), answers.unique(return_inverse=True)
    within = (codes - group_means(codes, group)[group]).square().sum(0) / (len(codes) - len(occurring))
    return 1 - within / codes.var(0)


@dataclass(frozen=True)
class Encoding(Circuit):
    """The codes of a task's pairs, and whether pairs of equal numbers are the hard ones.

    The codes are the task's and do not change with training; `test_accuracy_equal` does. On request: `bit_correlation`,
    each bit against each answer.
    """

    name: ClassVar[str] = "encoding"
    descriptions: ClassVar[Mapping[str, str]] = {
        "code_similarity": "how alike the codes of two numbers are",
        "bit_explained": "how much of a bit's variance over rows the answer explains",
        "test_accuracy_equal": "accuracy on rows not trained on whose two numbers are equal",
        "test_wrong_equal": "how many rows not trained on whose two numbers are equal are answered wrong",
        "test_rows_equal": "how many rows not trained on have two equal numbers",
        "bit_correlation": "how each bit of a row's code correlates with each answer",
    }
    on_request: ClassVar[tuple[str, ...]] = ("bit_correlation",)

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not isinstance(snapshot.task, EncodedSum):
            return f"the numbers of {snapshot.task.expression!r} are not given as codes; see 'encoded_sum'"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        task = snapshot.task
        assert isinstance(task, EncodedSum)
        codes = task.inputs
        right = rightness(snapshot.logits, task.labels)
        test = torch.zeros_like(task.is_equal_pair) if task.is_train is None else ~task.is_train
        equal = test & task.is_equal_pair
        variables = {
            "code_similarity": Variable(
                ("a", "b"),
                task.to_grid(mean_similarity(codes)),
                "cosine",
                f"mean over all other pairs' codes; {THREAD}",
            ),
            "bit_explained": Variable(
                ("bit",),
                explained_by_answer(codes, task.labels),
                "share of variance",
                f"correlation ratio of a bit and the answer, 0 by chance; {THREAD}",
            ),
            "test_accuracy_equal": Variable((), right[equal].mean(), "share", "rows not trained on with a = b"),
            "test_wrong_equal": Variable((), int((1 - right[equal]).sum()), "rows", "rows not trained on with a = b"),
            "test_rows_equal": Variable((), int(equal.sum()), "rows", "rows not trained on with a = b"),
        }
        if "bit_correlation" in requested:
            correlations = bit_correlation(codes, task.labels, task.n_answers)
            variables["bit_correlation"] = Variable(("bit", "answer"), correlations, "correlation", THREAD)
        return readout(variables)


@dataclass(frozen=True)
class LearntCode(Circuit):
    """Is the embedding that a model has learnt one of the encoders' codes?

    Likeness is the correlation of two similarity matrices (cosine) over all pairs of numbers, in the order of the
    task's cycle: with each encoder's sparse codes, and with clocks of k turns on the cycle, k = 1 .. n / 2, whose
    similarity is cos of k times the distance. An embedding of several key frequencies is like the clocks of each.
    `learnt_by_distance` is 1 where the similarity depends on the distance round the cycle alone, as all clocks' does.
    On request: `code_similarities`, the matrices themselves, the model's first.
    """

    name: ClassVar[str] = "learnt_code"
    descriptions: ClassVar[Mapping[str, str]] = {
        "learnt_likeness": (
            "how alike the learnt embedding and each encoder's codes are in which numbers they make alike"
        ),
        "learnt_likeness_of_clock": "the same of a code of one exact circle, for every frequency",
        "learnt_by_distance": (
            "the share of the similarities' variance that distances on the cycle explain; a clock has 1"
        ),
        "code_similarities": "how alike each code makes every two numbers, the model's embedding first",
    }
    only_on_request: ClassVar[bool] = True
    on_request: ClassVar[tuple[str, ...]] = ("code_similarities",)
    encoders: tuple[str, ...] = ("one_hot", "cycle", "var_cycle", "grid_cell")

    def why_not(self, snapshot: Snapshot) -> str | None:
        reason = Cycle.why_not(snapshot.task)
        if reason is None and Cycle.of(snapshot.task).n < 3:
            return "similarities of fewer than 3 numbers have no correlation"
        return reason

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        cycle = Cycle.of(snapshot.task)
        places = torch.arange(cycle.n)
        learnt = similarities(snapshot.W_E[cycle.tokens])
        theirs = [similarities(fitted(name, cycle.n).sparse(places)) for name in self.encoders]
        distance = (places[:, None] - places) % cycle.n
        distance = torch.minimum(distance, cycle.n - distance)
        waves = [(2 * torch.pi * k * distance / cycle.n).cos() for k in cycle.frequencies.tolist()]
        source = f"representational similarity analysis of W_E; {cycle.description}"
        variables = {
            "learnt_likeness": Variable(
                ("encoder",), np.array([likeness(learnt, each) for each in theirs]), "correlation", source
            ),
            "learnt_likeness_of_clock": Variable(
                ("k",), np.array([likeness(learnt, wave) for wave in waves]), "correlation", source
            ),
            "learnt_by_distance": Variable(
                (), _by_group(learnt, distance), "share of variance", f"between distances on the cycle; {source}"
            ),
        }
        if "code_similarities" in requested:
            matrices = torch.stack([learnt, *theirs])
            variables["code_similarities"] = Variable(("code", "a", "b"), matrices, "cosine", source)
        numbers = cycle.tokens.numpy()
        coordinates = {"encoder": list(self.encoders), "code": ["W_E", *self.encoders], "a": numbers, "b": numbers}
        return readout(variables, {**coordinates, "k": cycle.frequencies.numpy()})


def fitted(name: str, n: int) -> Encoder:
    """The named encoder at its defaults for n numbers; its clocks, of about 97 numbers by default, are of about n."""
    scaled = {
        "cycle": {"period": float(n)},
        "var_cycle": {"period_low": n * 90 / 97, "period_high": n * 104 / 97},
        "grid_cell": {"primes": _primes(n)},
    }
    own = {key: value for key, value in scaled.get(name, {}).items() if key in parameters_of(name)}
    return find_encoder(name, n, **own)


def _primes(n: int) -> Sequence[int]:
    """The first primes whose product is at least n."""
    primes: list[int] = [2]
    while np.prod(primes) < n:
        primes.append(next(filter(is_prime, count(primes[-1] + 1))))
    return tuple(primes)


def _by_group(x: Float[Tensor, "n n"], group: Int[Tensor, "n n"]) -> float:
    """The share of the variance of x over pairs of different rows that lies between groups of equal number."""
    row, column = torch.triu_indices(len(x), len(x), 1)
    values, labels = x[row, column], group[row, column]
    between = group_means(values, labels)[labels]
    return (between.var(correction=0) / values.var(correction=0)).item()
