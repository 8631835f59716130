"""The latent circuit: the answer, read off the order of phases before one unseen row is right (He et al. 2026)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.simple_neurons import OutputWaves, SimpleNeurons
from grokinterp.evaluation.lazy import padded
from grokinterp.evaluation.losses import loss, rightness
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.readout import Circuit, Variable, readout

PAPER = "He et al. 2602.16849, Swaroop 2603.23784"

DRAWS = 4
"""How many times the columns are shuffled."""

CONTROL_ROWS = 1_024
"""On how many rows the shuffles are read: at the chance of p = 113 an accuracy then errs by .003."""

PLACES = 16
"""How many places of a go through the rebuilt network at a time."""

SURE = 3.0
"""How many standard errors above its control the accuracy must be before the answer counts as readable."""


@dataclass(frozen=True)
class LatentCircuit(Circuit):
    """What a network rebuilt from the strongest waves of one checkpoint answers; no later checkpoint is asked.

    Each neuron becomes act(A cos(w a + phi_a) + B cos(w b + phi_b) + mean), its column of the neuron-logit map
    C cos(v c + psi) with a frequency v of its own (`analysis.simple_neurons`). `latent_accuracy` is the share of test
    rows that this network answers, `latent_accuracy_unswapped` that of the rows whose swap is not trained on either.
    The null is `latent_accuracy_shuffled`: the same waves, with the columns dealt out to other neurons at random. Were
    there no order between the phases of input and output, both would be the same, and `latent_phase_sum`, the median
    |phi_a + phi_b - psi|, pi / 2.

    A memory has some order of phases too, the more the more of the table it holds: without weight decay the rebuilt
    network answers 3 % of the unswapped rows at p = 113 with 30 % of the table, where the shuffled one answers 1 %,
    and 38 % against 5 % at p = 31 with 60 % (`latent-memoriser`). So an accuracy above the null is no promise that a
    run will generalise.

    Rebuilding assumes a network of this family, so it measures order of phases, not what the network itself says. It
    leaves out second frequencies and the path around the MLP: late in training it falls behind the network.

    The attribute `readable_step` is the first checkpoint from which on, to the last, the unswapped accuracy is at least
    SURE standard errors (of both accuracies, and of the spread of the shuffles) above the shuffled one; absent where
    there is none.
    """

    name: ClassVar[str] = "latent_circuit"
    descriptions: ClassVar[Mapping[str, str]] = {
        "latent_accuracy": "accuracy on test rows of a network rebuilt from the strongest wave of each neuron",
        "latent_accuracy_unswapped": "the same on test rows whose swap was not trained on either",
        "latent_accuracy_shuffled": "the same of these waves dealt out to other neurons, the mean over draws: chance",
        "latent_accuracy_shuffled_spread": "the standard deviation of the same over draws",
        "latent_rows": "how many test rows have a swap that was not trained on either",
        "latent_loss": "loss on test rows of the rebuilt network",
        "latent_same_frequency": "the share of counted neurons that write the frequency that they read",
        "latent_phase_sum": "the median over counted neurons of how far the phase written is from the two read",
    }

    def why_not(self, snapshot: Snapshot) -> str | None:
        task, layers = snapshot.task, snapshot.config.layer_neurons
        if not snapshot.layers("mlp.hook_pre"):
            return "the model has no pre-activations of neurons (blocks.0.mlp.hook_pre)"
        if len(layers) != 1:
            return f"it rebuilds one layer of neurons, and the model has {len(layers)}"
        if reason := Wave.why_not(task):
            return reason
        if task.is_train is None:
            return "the task has no split, so no row is known to be unseen"
        return None if task.is_unswapped_test.any() else "no row of the table and its swap are both unseen"

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        wave, task = Wave.required(snapshot.task), snapshot.task
        assert task.is_train is not None
        neurons, output = SimpleNeurons.first_of(snapshot, wave), OutputWaves.last_of(snapshot, wave)
        cells = (~task.is_train)[wave.rows].nonzero().flatten()
        labels = wave.index[wave.rows[cells]]
        is_unswapped = task.is_unswapped_test[wave.rows[cells]]
        rebuilt = Rebuilt.of(neurons, output, wave.cycle, cast(Any, snapshot.config).activation)
        logits = rebuilt.logits(cells)
        right = rightness(logits, labels)
        control = rebuilt.shuffled_accuracies(cells[is_unswapped], labels[is_unswapped])
        counted = neurons.counted
        phase_sum = neurons.phase_sum(output)[counted]
        same = (neurons.frequency == output.frequency)[counted].double()
        source = f"{PAPER}; {wave.formula}"
        share = lambda value, what: Variable((), value, "share", f"{what}; {source}")
        return readout(
            {
                "latent_accuracy": share(right.mean(), "rebuilt network, test rows"),
                "latent_accuracy_unswapped": share(right[is_unswapped].mean(), "rebuilt network, unswapped test rows"),
                "latent_accuracy_shuffled": share(control.mean(), f"its columns shuffled, mean of {DRAWS} draws"),
                "latent_accuracy_shuffled_spread": share(control.std(), "standard deviation of the draws"),
                "latent_rows": Variable((), int(is_unswapped.sum()), "rows", "unswapped test rows on the cycle"),
                "latent_loss": Variable((), loss(logits, labels), "nats", f"rebuilt network, test rows; {source}"),
                "latent_same_frequency": share(same.mean(), "counted neurons that write the frequency they read"),
                "latent_phase_sum": Variable(
                    (), phase_sum.median() if counted.any() else math.nan, "radians", f"median of counted; {source}"
                ),
            }
        )

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        accuracy, control = (trace[f"latent_accuracy_{name}"].values for name in ("unswapped", "shuffled"))
        spread, rows = trace["latent_accuracy_shuffled_spread"].values, trace["latent_rows"].values
        read = np.minimum(rows, CONTROL_ROWS)
        # One row more or less is no evidence, however small the shuffled share: a chance of one row in all at least.
        chance = np.maximum(control, 1 / rows)
        error = np.sqrt(chance * (1 - chance) * (1 / rows + 1 / read) + spread**2 / DRAWS)
        readable = accuracy - control >= SURE * error
        first = len(readable) - int(np.argmin([*readable[::-1], False]))
        rule = (
            f"first checkpoint from which on the accuracy on unswapped rows stays {SURE:g} standard errors above that "
            f"of shuffled columns"
        )
        found = {"readable_step": int(trace["step"].values[first])} if first < len(readable) else {}
        return {**found, "readable_rule": rule}


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A layer of neurons of which only the strongest waves are left, and columns to the answers that are waves too.

    A column is a cosine and a sine of its frequency, so that neurons are summed frequency by frequency, with two
    numbers each, and only these sums become logits.

    Attributes:
        a, b: what either operand adds to the pre-activations at each of its places, the constant in the first.
        by_frequency: the neurons in the order of their columns' frequencies, `first` where each of these begins.
        weight: what each of them adds to the cosine and to the sine of its column's frequency.
        waves: the cosines and sines at the places of the answers.
    """

    activation: Callable[[Tensor], Tensor]
    a: Float[Tensor, "neuron place"]
    b: Float[Tensor, "neuron place"]
    by_frequency: Int[Tensor, "neuron"]
    first: Int[Tensor, "k"]
    weight: Float[Tensor, "2 neuron"]
    waves: Float[Tensor, "wave column"]

    @classmethod
    def of(cls, neurons: SimpleNeurons, output: OutputWaves, n: int, activation: str) -> "Rebuilt":
        """On a cycle of n places, in float32."""
        a, b = (side.T.float().contiguous() for side in neurons.on(n))
        order = output.frequency.argsort(stable=True)
        frequencies, counts = output.frequency[order].unique_consecutive(return_counts=True)
        angle = (2 * math.pi / n) * (frequencies[:, None] * torch.arange(n) % n).double()
        weight = output.amplitude * torch.stack([output.phase.cos(), -output.phase.sin()])
        return cls(
            ACTIVATIONS[activation],
            a + neurons.mean.float()[:, None],
            b,
            order,
            counts.cumsum(0) - counts,
            weight[:, order].float(),
            padded(torch.cat([angle.cos(), angle.sin()]).float()),
        )

    def logits(self, cells: Int[Tensor, "row"]) -> Float[Tensor, "row place"]:
        """On cells (place of a) * n + place of b of the table."""
        # On the whole table, a few places at a time: these stay in the processor's cache, and no number is gathered.
        some = (self.activation(a[:, :, None] + self.b[:, None]).flatten(1) for a in self.a.split(PLACES, 1))
        sums = torch.cat([self._sums(post, self.by_frequency) for post in some], 1)
        return self._answers(sums.index_select(1, cells))

    def shuffled_accuracies(self, cells: Int[Tensor, "row"], labels: Int[Tensor, "row"]) -> Float[Tensor, "draw"]:
        """The accuracies of DRAWS networks whose neurons have each other's columns, on up to CONTROL_ROWS rows."""
        generator = torch.Generator().manual_seed(0)
        rows = torch.randperm(len(cells), generator=generator)[:CONTROL_ROWS]
        n, cells, labels = self.a.shape[1], cells[rows], labels[rows]
        pre = self.a.T.index_select(0, cells // n) + self.b.T.index_select(0, cells % n)
        post = self.activation(pre).T.contiguous()
        deals = [torch.randperm(len(self.a), generator=generator) for _ in range(DRAWS)]
        # Neuron i has the column deal[i], and column j the neuron at which the deal has j.
        orders = [deal.argsort()[self.by_frequency] for deal in deals]
        right = [rightness(self._answers(self._sums(post, order)), labels) for order in orders]
        return torch.stack(right).mean(1)

    def _sums(self, post: Float[Tensor, "neuron row"], order: Int[Tensor, "neuron"]) -> Float[Tensor, "wave row"]:
        """What neurons add to each wave, those in `order` with the columns `by_frequency`."""
        bags = [F.embedding_bag(order, post, self.first, mode="sum", per_sample_weights=each) for each in self.weight]
        return torch.cat(bags)

    def _answers(self, sums: Float[Tensor, "wave row"]) -> Float[Tensor, "row place"]:
        return (sums.T @ self.waves)[:, : self.a.shape[1]]
