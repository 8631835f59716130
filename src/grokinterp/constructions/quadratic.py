"""Quadratic: squared sums of two waves in phase, whose phases go evenly around (He et al. 2602.16849)."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from grokinterp.config import OneHotMLPConfig
from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import Construction, Network, check_frequencies, check_neurons, check_p
from grokinterp.constructions._phases import TURN, Phases, by_phase, check_phases, counts, waves
from grokinterp.errors import require
from grokinterp.tasks import Task


@dataclass(frozen=True)
class Quadratic(Construction):
    """logit_c = sum over k and phi of cos(w_k c + 2 phi) (cos(w_k a + phi) + cos(w_k b + phi))^2, w_k = 2 pi k / p.

    One-hots, added, and a neuron for each frequency and phase, frequency-major. N phases evenly around a whole turn
    give N cos^2(w_k(a - b) / 2) cos(w_k(a + b - c)) exactly, for N = 3 and from 5 on. `arc` spreads them over less, in
    radians: the other waves then stay, and less than half a turn answers wrongly.
    """

    kind: ClassVar[str] = "quadratic"
    example: ClassVar[str] = "p=23, frequencies=[3], phases=12"
    p: int
    frequencies: tuple[int, ...]
    phases: Phases = 12
    arc: float = TURN

    def __post_init__(self) -> None:
        check_types(self)
        check_p(self.p)
        check_frequencies(self.frequencies, self.p)
        check_phases(self.phases, self.frequencies, refused=(1, 2, 4) if self.arc == TURN else ())
        require(0 < self.arc <= TURN, f"arc={self.arc:g} must be above 0 and at most a turn, 2 pi")
        check_neurons(sum(counts(self.phases, self.frequencies)), self.kind, "give fewer phases")

    def make_task(self) -> Task:
        return Task("a + b", p=self.p, layout="a b")

    def make_network(self, task: Task) -> Network:
        k, phase = by_phase(self.frequencies, self.phases, self.arc)
        numbers = torch.arange(self.p)
        config = OneHotMLPConfig(d_mlp=len(k), activation="square").resolved(self.p, self.p, 2)
        W_in, W_U = waves(k, phase, numbers, self.p).T, waves(k, 2 * phase, numbers, self.p)
        return Network(config, {"blocks.0.mlp.W_in": W_in, "unembed.W_U": W_U})
