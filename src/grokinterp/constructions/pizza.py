"""Pizza: the operands' embeddings are added first, and the answer is read off the slice they fall into."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import Construction, Network, check_frequencies, check_p, cosine
from grokinterp.constructions._shifts import shifted_neurons
from grokinterp.errors import require
from grokinterp.tasks import Task


@dataclass(frozen=True)
class Pizza(Construction):
    """Logits exactly scale * sum_k G_k((a - b) / 2) cos(w_k(a + b - c)), halves mod p (Zhong et al. 2023).

    G_k(d) = sum_i relu(2 cos(w_k d) cos(w_k i)) cos(2 w_k i), divided by its value at d = 0: |cos(w_k(a - b) / 2)| up
    to the coarseness of p. It reads embeddings through their sum alone, so gradients at a and b are equal.
    One neuron relu(cos w_k(a - i) + cos w_k(b - i)) for each k and shift i, and a dead one.
    """

    kind: ClassVar[str] = "pizza"
    example: ClassVar[str] = "p=31, frequencies=[2, 5, 9]"
    p: int
    frequencies: tuple[int, ...]
    scale: float = 10.0

    def __post_init__(self) -> None:
        check_types(self)
        check_p(self.p)
        require(self.p % 2 == 1, f"p={self.p} is even, so that a - b has no half; give an odd p, as in p=31")
        check_frequencies(self.frequencies, self.p)

    def make_task(self) -> Task:
        return Task("a + b", p=self.p, layout="a b")

    def make_network(self, task: Task) -> Network:
        p, i = self.p, torch.arange(self.p)

        def columns(k: int) -> Float[Tensor, "shift c"]:
            normal = 2 * torch.relu(cosine(k * i, p)) @ cosine(2 * k * i, p)
            return self.scale / normal * cosine(k * (i[None, :] - 2 * i[:, None]), p)

        return shifted_neurons(task, self.frequencies, (i, i), columns, "add")
