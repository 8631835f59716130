"""Causal tests of the coset circuit: what a model of a group still knows when its neurons are tampered with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.evaluation import folded
from grokinterp.evaluation.losses import accuracy, cross_entropy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.groups import why_no_group


class Tampering(NamedTuple):
    """`left` and `right` multiply the two parts of every pre-activation, `noise` (mean, deviation) is added to it."""

    left: float = 1.0
    right: float = 1.0
    absolute: bool = False
    swap: bool = False
    noise: tuple[float, float] | None = None


INTERVENTIONS: dict[str, Tampering] = {
    "none": Tampering(),
    "swap embeddings": Tampering(swap=True),
    "flip both": Tampering(-1, -1),
    "flip left": Tampering(left=-1),
    "flip right": Tampering(right=-1),
    "absolute value": Tampering(absolute=True),
    "noise N(0, 0.1)": Tampering(noise=(0, 0.1)),
    "noise N(0, 1)": Tampering(noise=(0, 1)),
    "noise N(1, 1)": Tampering(noise=(1, 1)),
    "noise N(-1, 1)": Tampering(noise=(-1, 1)),
}
"""The tests of Stander et al. 2023, section 7. Their paper says noise; here it is added to the pre-activations."""


def tampered_logits(snapshot: Snapshot, tampering: Tampering, seed: int = 0) -> Float[Tensor, "ab answer"]:
    """The logits of a model of one hidden layer, whose neurons are act(L(x) + R(y) + bias), once tampered with.

    `left` and `right` multiply L and R (not the bias); `swap` embeds x as y and y as x, and leaves the layer above as
    it is; `absolute` puts |.| in place of the activation function. Noise is drawn on every row and neuron from `seed`.
    The snapshot and its weights stay as they are.
    """
    config, task = snapshot.config, snapshot.task
    parameters = _swapped(config, snapshot.parameters) if tampering.swap else snapshot.parameters
    left, right = folded.operand_tables(config, parameters, task)
    x, y = task.operands.T
    pre = tampering.left * left[x] + tampering.right * right[y] + folded.bias(config, parameters)
    if tampering.noise is not None:
        mean, deviation = tampering.noise
        noise = torch.randn(pre.shape, generator=torch.Generator().manual_seed(seed), dtype=pre.dtype)
        pre = pre + mean + deviation * noise
    activation = ACTIVATIONS[folded.folding(config).activation]
    post = pre.abs() if tampering.absolute else activation(pre)
    logits = post @ parameters["unembed.W_U"] + parameters.get("unembed.b_U", 0)
    return logits[:, : task.n_answers]


@dataclass(frozen=True)
class Causal(Circuit):
    """Accuracy and loss over all rows after each of `INTERVENTIONS`.

    The coset circuit predicts that |.| in place of ReLU and flipping both signs change nothing, for what counts is
    where L(x) + R(y) is 0, and that flipping one sign or swapping the embeddings destroys everything.
    """

    name: ClassVar[str] = "causal"
    descriptions: ClassVar[Mapping[str, str]] = {
        "causal_accuracy": "accuracy on all rows after each intervention",
        "causal_loss": "loss on all rows after each intervention",
    }
    only_on_request: ClassVar[bool] = True

    def why_not(self, snapshot: Snapshot) -> str | None:
        if reason := why_no_group(snapshot.task):
            return reason
        config = snapshot.config
        if reason := config.why_not_folded():
            return reason
        if len(config.layer_neurons) != 1:
            return f"the model has {len(config.layer_neurons)} hidden layers; these tests are of one"
        if snapshot.task.inputs.shape[1] != 2:
            return "the model reads more than the two operands; use layout='a b'"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        # One table for both operands cannot be swapped with itself.
        kept = {k: v for k, v in INTERVENTIONS.items() if not (v.swap and len(snapshot.config.tables) == 1)}
        logits = [tampered_logits(snapshot, tampering) for tampering in kept.values()]
        source = "Stander et al. 2023, section 7"
        dims = ("intervention",)
        return readout(
            {
                "causal_accuracy": Variable(
                    dims, [accuracy(x, snapshot.labels).item() for x in logits], "share", source
                ),
                "causal_loss": Variable(
                    dims, [cross_entropy(x, snapshot.labels).item() for x in logits], "nats", source
                ),
            },
            {"intervention": np.array(list(kept))},
        )


def _swapped(config: ModelConfig, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    first, second = (f"{name}.W_E" for name in config.tables)
    return {**parameters, first: parameters[second], second: parameters[first]}
