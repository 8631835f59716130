"""Clock: both operands turn a hand of their own, and the answer stands where their sum does (Nanda et al. 2023)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import Construction, Network, check_frequencies, check_neurons, check_p
from grokinterp.constructions._shifts import clock_neurons
from grokinterp.tasks import Task


@dataclass(frozen=True)
class Clock(Construction):
    """Logits exactly scale * sum_k cos(w_k(a + b - c)), for `a - b` cos(w_k(a - b - c)); w_k = 2 pi k / p.

    Concatenated embeddings (cos w_k a, sin w_k a), and a neuron relu(cos w_k(a - i) + cos w_k(b - j)) for each k and
    each pair of shifts (i, j), i-major; the last neuron is dead.
    """

    kind: ClassVar[str] = "clock"
    example: ClassVar[str] = "p=31, frequencies=[2, 5, 9]"
    p: int
    frequencies: tuple[int, ...]
    scale: float = 10.0
    expression: Literal["a + b", "a - b"] = "a + b"

    def __post_init__(self) -> None:
        check_types(self)
        check_p(self.p)
        check_frequencies(self.frequencies, self.p)
        check_neurons(self.p**2 * len(self.frequencies) + 1, self.kind, "a 'torus' or 'gromov' has fewer")

    def make_task(self) -> Task:
        return Task(self.expression, p=self.p, layout="a b")

    def make_network(self, task: Task) -> Network:
        return clock_neurons(task, self.frequencies, self.scale)
