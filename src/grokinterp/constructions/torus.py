"""Torus: simple neurons whose phases of a and of b are independent; a disc, where they are the same (2512.25060)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import (
    Construction,
    Network,
    check_frequencies,
    check_neurons,
    check_p,
    circle,
    embedding_mlp,
)
from grokinterp.constructions._phases import TURN, Phases, by_phase, check_phases, counts, waves
from grokinterp.constructions._shifts import check_cycle, places
from grokinterp.errors import require
from grokinterp.tasks import Task

EIGHT = tuple(TURN * i / 8 for i in range(8))


@dataclass(frozen=True)
class Torus(Construction):
    """Neurons relu(cos(w a + phi_a) + cos(w b + phi_b)) that write cos(w c + phi_a + phi_b).

    For each frequency phi_a takes `phases` evenly spaced values, and phi_b is phi_a less each of `differences`: evenly
    spaced ones make a torus, a single one a disc. `lag` takes so much off the phase that is written. In `a - b` phi_b
    counts negative; `a * b` runs on discrete logarithms, where zero has no place and no answer.
    """

    kind: ClassVar[str] = "torus"
    example: ClassVar[str] = "p=23, frequencies=[2, 5, 7, 9]"
    p: int
    frequencies: tuple[int, ...]
    phases: Phases = 24
    differences: tuple[float, ...] = EIGHT
    lag: float = 0.0
    expression: Literal["a + b", "a - b", "a * b"] = "a + b"

    def __post_init__(self) -> None:
        check_types(self)
        check_p(self.p)
        check_frequencies(self.frequencies, check_cycle(self.expression, self.p))
        check_phases(self.phases, self.frequencies, refused=(1, 2, 3, 4))
        require(bool(self.differences), "differences is empty; give phi_a - phi_b in radians, as in differences=[0.0]")
        neurons = sum(counts(self.phases, self.frequencies)) * len(self.differences)
        check_neurons(neurons, self.kind, "give fewer phases or differences")

    def make_task(self) -> Task:
        return Task(self.expression, p=self.p, layout="a b")

    def make_network(self, task: Task) -> Network:
        place, n, sign = places(task)
        by_difference = lambda values: values.repeat_interleave(len(self.differences))
        k, phi_a = map(by_difference, by_phase(self.frequencies, self.phases))
        phi_b = phi_a - torch.tensor(self.differences, dtype=torch.float64).repeat(len(k) // len(self.differences))
        on = (place >= 0).double()
        W_E = torch.cat([circle(f * place, n) for f in self.frequencies]) * on
        picks = torch.stack([(k == f).double() for f in self.frequencies])
        reads = lambda phase: torch.stack([picks * phase.cos(), -picks * phase.sin()], 1).flatten(0, 1)
        W_in = torch.cat([reads(phi_a), reads(sign * phi_b)])
        return embedding_mlp(task, W_E.T, W_in, waves(k, phi_a + phi_b - self.lag, place, n) * on)
