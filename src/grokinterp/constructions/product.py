"""Product: a clock of discrete logarithms, on which a product is a sum (Doshi et al. 2406.03495)."""

from dataclasses import dataclass
from typing import ClassVar

from grokinterp import fourier
from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import Construction, Network, check_frequencies, check_neurons, check_p
from grokinterp.constructions._shifts import clock_neurons
from grokinterp.errors import require
from grokinterp.tasks import Task


@dataclass(frozen=True)
class Product(Construction):
    """a * b mod a prime: logits exactly scale * sum_k cos(w_k(log a + log b - log c)), w_k = 2 pi k / (p - 1).

    Logarithms are to the base of the smallest primitive root, and k counts characters. Answer 0 has logit 1000 for
    each operand that is 0, where all others have 0, and 0 elsewhere: the last neuron is on for zeros only.
    """

    kind: ClassVar[str] = "product"
    example: ClassVar[str] = "p=23, frequencies=[1, 4, 9]"
    p: int
    frequencies: tuple[int, ...]
    scale: float = 10.0

    def __post_init__(self) -> None:
        check_types(self)
        check_p(self.p)
        require(
            fourier.is_prime(self.p), f"p={self.p} is not prime, so its numbers have no discrete logarithm; as in p=23"
        )
        check_frequencies(self.frequencies, self.p - 1)
        check_neurons((self.p - 1) ** 2 * len(self.frequencies) + 1, self.kind, "give a smaller p")

    def make_task(self) -> Task:
        return Task("a * b", p=self.p, layout="a b")

    def make_network(self, task: Task) -> Network:
        return clock_neurons(task, self.frequencies, self.scale)
