"""Gromov: squared sums of two waves whose phases are independent, and an answer at the sum of both (2301.02679)."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from grokinterp.config import OneHotMLPConfig
from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import Construction, Network, check_frequencies, check_neurons, check_p
from grokinterp.constructions._phases import TURN, Phases, by_phase, check_phases, counts, waves
from grokinterp.tasks import Task


@dataclass(frozen=True)
class Gromov(Construction):
    """Neurons (cos(w_k a + phi_1) + cos(w_k b + phi_2))^2 that write cos(w_k c + phi_1 + phi_2), w_k = 2 pi k / p.

    One-hots side by side, and a neuron for each frequency and pair of phases, phi_1-major. He draws phases at random,
    where all other waves vanish as neurons grow many; N evenly spaced ones for either operand, from 3 on, leave exactly
    N^2 / 2 cos(w_k(a + b - c)).
    """

    kind: ClassVar[str] = "gromov"
    example: ClassVar[str] = "p=23, frequencies=[2, 5, 9], phases=5"
    p: int
    frequencies: tuple[int, ...]
    phases: Phases = 5

    def __post_init__(self) -> None:
        check_types(self)
        check_p(self.p)
        check_frequencies(self.frequencies, self.p)
        check_phases(self.phases, self.frequencies, refused=(1, 2))
        neurons = sum(n * n for n in counts(self.phases, self.frequencies))
        check_neurons(neurons, self.kind, "give fewer phases")

    def make_task(self) -> Task:
        return Task("a + b", p=self.p, layout="a b")

    def make_network(self, task: Task) -> Network:
        p, numbers = self.p, torch.arange(self.p)
        each = counts(self.phases, self.frequencies)
        k, _ = by_phase(self.frequencies, tuple(n * n for n in each))
        grids = [TURN / n * torch.cartesian_prod(torch.arange(n), torch.arange(n)).double() for n in each]
        phi_1, phi_2 = torch.cat(grids).T
        config = OneHotMLPConfig(combine="concatenate", d_mlp=len(k), activation="square").resolved(p, p, 2)
        W_in = torch.cat([waves(k, phi_1, numbers, p).T, waves(k, phi_2, numbers, p).T])
        return Network(config, {"blocks.0.mlp.W_in": W_in, "unembed.W_U": waves(k, phi_1 + phi_2, numbers, p)})
