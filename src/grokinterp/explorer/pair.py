"""Pair: one question of the table, followed through the model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle
from grokinterp.circuits.irreps import operand_embeddings
from grokinterp.explorer.checkpoint import EvaluatedCheckpoint, Scores
from grokinterp.explorer.neurons import Neurons
from grokinterp.irreps import Group
from grokinterp.irreps.spectrum import shares
from grokinterp.tasks.groups import GroupTask


@dataclass(frozen=True, eq=False)
class Pair:
    """A row of the table at one checkpoint, `row` its number, without what `request`, as `gi.ablate`'s, takes out."""

    checkpoint: EvaluatedCheckpoint
    row: int
    request: Mapping[str, Any]

    @property
    def answer(self) -> int:
        """The right answer."""
        return int(self.checkpoint.task.answer_labels[self.row])

    @property
    def operands(self) -> tuple[int, int]:
        """a and b."""
        a, b = self.checkpoint.task.operands[self.row].tolist()
        return a, b

    @property
    def tokens(self) -> list[str]:
        """The row as the model reads it."""
        task = self.checkpoint.task
        return [task.tokens[token] for token in self.checkpoint.task.inputs[self.row].tolist()]

    @property
    def patterns(self) -> list[tuple[Float[Tensor, "head source"], Float[Tensor, "head source"]]]:
        """Each layer's attention from the read-out position, before and after; none without attention."""
        before = self.checkpoint.patterns(self.row, {})
        return list(zip(before, self.checkpoint.patterns(self.row, self.request), strict=True))

    @property
    def frequency(self) -> int:
        """The frequency with the largest wave in the logits."""
        return self.checkpoint.strongest_frequency

    @property
    def has_circle(self) -> bool:
        """Whether the task's numbers go round a cycle; the other steps need none."""
        return Cycle.why_not(self.checkpoint.task) is None

    def circle(self) -> tuple[Float[Tensor, "place 2"], Int[Tensor, "place"]]:
        """The numbers' embeddings in the plane of `frequency`, centred, and which number stands at each place."""
        snapshot = self.checkpoint.snapshot
        cycle = Cycle.of(snapshot.task)
        W_E = snapshot.W_E[cycle.tokens].double()
        waves = fourier.wave_rows(cycle.n, [self.frequency])
        if len(waves) == 1:
            waves = torch.cat([waves, torch.zeros_like(waves)])  # half the cycle: a cosine, and no sine
        directions, along = torch.linalg.qr((waves @ W_E).mT)
        # Either sign spans the plane; with these, number 0 is at angle 0 and the others turn as `turns` says.
        return (W_E - W_E.mean(0)) @ (directions * along.diagonal().sign()), cycle.tokens

    def turns(self) -> dict[str, float]:
        """Degrees that the frequency's wave has turned by at a, b and the answer; without those that have no place."""
        cycle = Cycle.of(self.checkpoint.task)
        place = {int(token): i for i, token in enumerate(cycle.tokens)}
        numbers = {"a": self.operands[0], "b": self.operands[1], "answer": self.answer}
        degrees = lambda at: 360 * self.frequency * at / cycle.n % 360
        return {name: degrees(place[number]) for name, number in numbers.items() if number in place}

    @property
    def group(self) -> Group | None:
        """The group whose elements are asked for; None where the task is not one of a group, or this is a cycle."""
        task = self.checkpoint.task
        return task.group if isinstance(task, GroupTask) and not self.has_circle else None

    def irreps(self) -> tuple[list[str], Float[Tensor, "irrep"], Float[Tensor, "irrep"]]:
        """A group's irreps, the share of the embeddings that each holds, and the share that it holds of noise."""
        group = self.group
        assert group is not None
        names = [irrep.name for irrep in group.irreps]
        both = torch.cat(operand_embeddings(self.checkpoint.snapshot), 1)
        noise = torch.tensor([irrep.span for irrep in group.irreps]) / len(group)
        return names, shares(both, group), noise

    def by_kind(self) -> tuple[list[str], Float[Tensor, "kind"], Float[Tensor, "kind"]] | None:
        """What the last layer's neurons of each kind add to the right logit, less what they add to all on average.

        Before and after. Their kinds are their frequencies, or of a group the subgroups whose cosets they are
        concentrated on, both before anything is taken out; "none" are the neurons without one. None for a model without
        MLPs, and where the whole MLP is taken out: what stands in its place is no neuron's.
        """
        snapshot = self.checkpoint.snapshot
        hooks = snapshot.layers("mlp.hook_post")
        if not hooks or snapshot.config.has_norms or "mlp" in self.request.get("components", ()):
            return None
        layer = len(hooks) - 1
        W_L = snapshot.W_L.double()
        weight = W_L[:, self.answer] - W_L.mean(1)
        cosets = self.checkpoint.cosets
        if cosets is None or cosets.why_not:
            frequencies, index = Neurons(snapshot, layer).frequency.unique(return_inverse=True)
            names = [str(k) if k else "none" for k in frequencies.tolist()]
        else:
            names, index = cosets.groups
        before, after = (
            torch.zeros(len(names), dtype=torch.float64).index_add(
                0, index, self.checkpoint.activations(layer, request)[self.row].double() * weight
            )
            for request in ({}, self.request)
        )
        return names, before, after

    def top(self, after: Scores, n: int = 8) -> tuple[Int[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "n"]]:
        """The answers with the largest logits after, and their logits before and after."""
        logits = after.logits[self.row]
        answers = logits.topk(min(n, len(logits))).indices
        return answers, self.checkpoint.before.logits[self.row][answers], logits[answers]


def angle_text(turns: dict[str, float], frequency: int) -> str:
    """The rotation in words."""
    angles = ", ".join(f"{name} {math.floor(angle + 0.5) % 360}°" for name, angle in turns.items())
    return f"Frequency {frequency} turns by: {angles}"
