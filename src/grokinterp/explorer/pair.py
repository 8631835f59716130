"""Pair: one question of the table, followed through the model."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp import fourier
from grokinterp.architecture import TransformerConfig
from grokinterp.cycles import Cycle
from grokinterp.explorer.neurons import Neurons, layers_of
from grokinterp.explorer.view import Scores, View


@dataclass(frozen=True, eq=False)
class Pair:
    """A row of the table at one checkpoint, `row` its number."""

    view: View
    row: int

    @property
    def answer(self) -> int:
        """The right answer."""
        return int(self.view.task.answer_labels[self.row])

    @property
    def operands(self) -> tuple[int, int]:
        """a and b."""
        a, b = self.view.task.operands[self.row].tolist()
        return a, b

    @property
    def tokens(self) -> list[str]:
        """The row as the model reads it."""
        task = self.view.task
        return [task.tokens[token] for token in self.view.task.inputs[self.row].tolist()]

    @property
    def frequency(self) -> int:
        """The frequency with the largest share of the logits."""
        return int(self.view.before.spectrum.abs().argmax()) + 1

    def circle(self) -> tuple[Float[Tensor, "place 2"], Int[Tensor, "place"]]:
        """The numbers' embeddings in the plane of `frequency`, centred, and which number stands at each place."""
        snapshot = self.view.snapshot
        cycle = Cycle.of(snapshot.task)
        W_E = snapshot.W_E[cycle.tokens].double()
        waves = fourier.wave_rows(cycle.n, [self.frequency])
        directions = torch.linalg.qr((waves @ W_E).mT)[0]
        return (W_E - W_E.mean(0)) @ directions, cycle.tokens

    def turns(self) -> dict[str, float]:
        """Degrees that the frequency's wave has turned by at a, b and the answer; without those that have no place."""
        cycle = Cycle.of(self.view.task)
        place = {int(token): i for i, token in enumerate(cycle.tokens)}
        numbers = {"a": self.operands[0], "b": self.operands[1], "answer": self.answer}
        degrees = lambda at: 360 * self.frequency * at / cycle.n % 360
        return {name: degrees(place[number]) for name, number in numbers.items() if number in place}

    def by_frequency(self) -> tuple[Int[Tensor, "group"], Float[Tensor, "group"]] | None:
        """What the last layer's neurons of each frequency add to the right logit, less what they add to all on average.

        None for a model without MLPs. Frequency 0 are the neurons without one.
        """
        snapshot = self.view.snapshot
        hooks = layers_of(snapshot)
        if not hooks or (isinstance(snapshot.config, TransformerConfig) and snapshot.config.normalization != "none"):
            return None
        W_L = snapshot.W_L.double()
        added = snapshot[hooks[-1]][self.row].double() * (W_L[:, self.answer] - W_L.mean(1))
        frequency = Neurons(snapshot, len(hooks) - 1).frequency
        groups, index = frequency.unique(return_inverse=True)
        return groups, torch.zeros(len(groups), dtype=torch.float64).index_add(0, index, added)

    def top(self, after: Scores, n: int = 8) -> tuple[Int[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "n"]]:
        """The answers with the largest logits after, and their logits before and after."""
        logits = after.logits[self.row]
        answers = logits.topk(min(n, len(logits))).indices
        return answers, self.view.before.logits[self.row][answers], logits[answers]


def angle_text(turns: dict[str, float], frequency: int) -> str:
    """The rotation in words."""
    said = ", ".join(f"{name} {math.floor(angle + 0.5) % 360}°" for name, angle in turns.items())
    return f"Frequency {frequency} turns by: {said}"
