"""Progress measures (Nanda et al. 2023): the loss with the key frequencies alone, and without them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.key_frequencies import KeyFrequencies, last_neurons
from grokinterp.analysis.logit_parts import cube_part as cube_part
from grokinterp.analysis.logit_parts import excluded_logits as excluded_logits
from grokinterp.analysis.logit_parts import excluded_losses as excluded_losses
from grokinterp.analysis.logit_parts import neuron_part as neuron_part
from grokinterp.analysis.logit_parts import restricted_loss as restricted_loss
from grokinterp.analysis.logit_parts import wave_part as wave_part
from grokinterp.evaluation.losses import accuracy, cross_entropy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

RISE = 1.0
"""Nats by which the excluded loss must rise after its minimum, for that to be the end of memorisation."""

FORMED_LOSS = 0.01
"""Nats of restricted loss below which the key frequencies alone answer: the end of circuit formation."""

CLEANED_SHARE = 0.95
"""Share of its fall, from its largest to its last value, that the excluded loss has done at the end of cleanup."""

ALONE = 2.0
"""Times the loss of all logits: where the key frequencies alone leave no more, or no more than FORMED_LOSS, they answer
alone. (A table of all 121 rows of a + b mod 11 that was learnt without decay: frequencies 3 and 4 stand out, and leave
.2 nats where all logits leave .0014.)"""

PHASE_RULE = (
    f"memorisation ends at the smallest excluded loss, if it rises by {RISE} nat after that; circuit formation at the "
    f"first restricted loss below {FORMED_LOSS}; cleanup where the excluded loss has done {CLEANED_SHARE:.0%} of its "
    "fall from its largest to its last value, if it does no more than the rest in the last tenth of that time"
)

# -- phases


def phases(
    steps: Int[np.ndarray, "step"], excluded: Float[np.ndarray, "step"], restricted: Float[np.ndarray, "step"]
) -> dict[str, int]:
    """The steps at which memorisation, circuit formation and cleanup end, as far as the curves show them.

    Nanda et al. 2023 draw these borders by eye; PHASE_RULE states the ones here. While rows are memorised the excluded
    loss falls, as a circuit forms it rises, and cleanup takes away what else had grown on the answers. A border that is
    not found is left out, and so are those after it.
    """
    boundaries: dict[str, int] = {}
    start = int(excluded.argmin()) if len(steps) else 0
    # So that losses that are no numbers show no border either.
    rises = len(steps) > 0 and excluded[start:].max() >= excluded[start] + RISE
    if not rises:
        return boundaries
    boundaries["memorisation_end"] = int(steps[start])
    formed = np.flatnonzero(restricted[start:] < FORMED_LOSS)
    if not len(formed):
        return boundaries
    boundaries["circuit_formation_end"] = int(steps[start + formed[0]])
    peak = start + int(excluded[start:].argmax())
    fall = excluded[peak] - excluded[-1]
    rest = (1 - CLEANED_SHARE) * fall
    # A curve that still falls at the end of the run says nothing of where it will end.
    before = np.interp(steps[-1] - (steps[-1] - steps[peak]) / 10, steps, excluded)
    if fall >= RISE and abs(before - excluded[-1]) <= rest:
        cleaned = np.flatnonzero(excluded[peak:] <= excluded[-1] + rest)
        boundaries["cleanup_end"] = int(steps[max(peak + cleaned[0], start + formed[0])])
    return boundaries


# -- the circuit


@dataclass(frozen=True)
class Progress(Circuit):
    """Restricted and excluded losses of the key frequencies, chosen at the final checkpoint and kept over all.

    `frequencies` fixes them by hand; otherwise `fit` takes those of `KeyFrequencies`, and notes in `by_rule` what
    simpler rules say. Where the logits without them know the training rows as well as they alone know the table, none
    is key: the rows are remembered. `why_none` says so. Where they alone leave more than ALONE times the loss of all
    logits, they are a part of what answers: `partial` says so. Rows off the cycle of a product or a quotient, those
    with a zero operand, are left out of every loss here, and so is their answer, 0: the classes are the answers that
    occur on the cycle. Where the split is not known, all rows are taken for training rows, and for test rows.

    The `_full` forms remove all frequencies, not the key ones alone: the curves of Nanda et al.'s figures, which are
    larger early in training, when what is known of the answer is spread over many.
    """

    name: ClassVar[str] = "progress"
    descriptions: ClassVar[Mapping[str, str]] = {
        "is_key": "whether a frequency is one of the key frequencies, chosen at the final checkpoint",
        "restricted_loss": "loss with the key frequencies of the logits alone, on all rows",
        "trig_loss": "restricted_loss by the name of Nanda et al.'s code",
        "restricted_test_loss": "loss with the key frequencies of the logits alone, on test rows",
        "excluded_loss": "loss without the key frequencies of the logits, on training rows",
        "excluded_accuracy": "accuracy without the key frequencies of the logits, on training rows",
        "excluded_loss_3d": "loss without the waves of the answer of the key frequencies, on training rows",
        "excluded_loss_full": "loss without all frequencies of the logits, on training rows",
        "excluded_loss_3d_full": "loss without the waves of the answer of all frequencies, on training rows",
        "excluded_loss_by_frequency": "loss without one key frequency of the logits, on training rows",
        "restricted_loss_mlp": "loss with the key frequencies of the last layer's neurons alone, on test rows",
        "excluded_loss_mlp": "loss without the key frequencies of the last layer's neurons, on training rows",
    }
    version: ClassVar[int] = 2
    frequencies: tuple[int, ...] | None = None
    by_rule: tuple[tuple[str, tuple[int, ...]], ...] = ()
    why_none: str | None = None
    partial: str | None = field(default=None, repr=False)  # no value read depends on it: what is cached stays valid

    def why_not(self, snapshot: Snapshot) -> str | None:
        return Wave.why_not(snapshot.task)

    def fit(self, final: Snapshot) -> "Progress":
        wave = Wave.of(final.task)
        if self.frequencies is not None or wave is None:
            return self
        evidence = KeyFrequencies.of(final, wave)
        by_rule, why_none, partial = tuple(evidence.by_rule.items()), None, None
        if not final.logits.isfinite().all():
            why_none = "the logits are no finite numbers"
        elif not evidence.key:
            why_none = "neurons, logits and embedding agree on none that stands out from a table of the training rows"
        else:
            folded = wave.fold(final.logits)
            part, rows = wave_part(folded, evidence.key), _training_rows(final, wave)
            alone = restricted_loss(folded, part, wave)
            (without,) = excluded_losses(final.logits[rows], [part], wave.index[rows], wave.tokens)
            whole = cross_entropy(wave.answers(wave.on(final.logits)), wave.index[wave.is_on]).item()
            if without <= alone:
                why_none = (
                    f"without {', '.join(map(str, evidence.key))} the logits leave {without:.3g} nats on the training "
                    f"rows, with these alone {alone:.3g} on the table: the rows are remembered"
                )
            elif alone > max(FORMED_LOSS, ALONE * whole):
                partial = f"with these alone the logits leave {alone:.3g} nats on the table, as they are {whole:.3g}"
        key = () if why_none else evidence.key
        return replace(self, frequencies=key, by_rule=by_rule, why_none=why_none, partial=partial)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task, wave = snapshot.task, Wave.required(snapshot.task)
        key = self.frequencies if self.frequencies is not None else KeyFrequencies.of(snapshot, wave).key
        train = _training_rows(snapshot, wave)
        test = wave.is_on if task.is_train is None else wave.is_on & ~task.is_train
        index = wave.index[train]
        # Once for all of them: every excluded loss is of these logits less a part.
        trained = snapshot.logits.index_select(0, train.nonzero().flatten()).double()
        folded = wave.fold(snapshot.logits)
        part, neurons = wave_part(folded, key), _neuron_part(snapshot, wave, key)

        every = wave.frequencies.tolist()
        removed: dict[str | int, Tensor] = {
            "excluded_loss": part,
            "excluded_loss_3d": cube_part(folded, wave, key),
            "excluded_loss_full": wave_part(folded, every),
            "excluded_loss_3d_full": cube_part(folded, wave, every),
            **{k: wave_part(folded, [k]) for k in key},
            **({} if neurons is None else {"excluded_loss_mlp": neurons}),
        }
        losses = excluded_losses(trained, list(removed.values()), index, wave.tokens)
        excluded = dict(zip(removed, losses, strict=True))
        restricted = restricted_loss(folded, part, wave)
        values = {
            **excluded,
            "is_key": torch.isin(wave.frequencies, torch.tensor(list(key), dtype=torch.int64)),
            "restricted_loss": restricted,
            "trig_loss": restricted,
            "restricted_test_loss": restricted_loss(folded, part, wave, test),
            "excluded_accuracy": accuracy(wave.answers(excluded_logits(trained, part, index)), index).item(),
            "excluded_loss_by_frequency": [excluded.get(k, torch.nan) for k in every],
            "restricted_loss_mlp": torch.nan if neurons is None else restricted_loss(folded, neurons, wave, test),
            "excluded_loss_mlp": excluded.get("excluded_loss_mlp", torch.nan),
        }
        return readout(_variables(values, wave, task.is_train is not None), {"k": wave.frequencies.numpy()})

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        key = trace.is_key.isel(step=-1)
        boundaries = phases(trace.step.values, trace.excluded_loss.values, trace.restricted_loss.values)
        return {
            **({} if self.why_none is None else {"key_frequencies_none_because": self.why_none}),
            **({} if self.partial is None else {"key_frequencies_partial_because": self.partial}),
            "key_frequencies": trace.k.values[key.values].tolist(),
            "key_frequencies_by_rule": json.dumps(dict(self.by_rule)),
            **boundaries,
            "phase_rule": PHASE_RULE,
        }


def _variables(values: Mapping[Any, Any], wave: Wave, is_split: bool) -> dict[str, Variable]:
    """What was read, each value with its unit and source; `is_split` where training rows are told from test rows."""
    on_train, on_test = ("training rows", "test rows") if is_split else ("all rows: the split is not known",) * 2
    nanda, demo = "Nanda et al. 2023", "TransformerLens grokking demo"
    sources = {
        "is_key": "KeyFrequencies at the final checkpoint",
        "restricted_loss": f"key waves of the logits and their mean alone, all rows; {nanda}",
        "trig_loss": f"the restricted loss by the name of their code; {nanda}",
        "restricted_test_loss": f"restricted loss, {on_test}",
        "excluded_loss": f"key waves cos, sin w_k(a + b) of the logits removed (2D), {on_train}; {nanda}",
        "excluded_accuracy": "of the excluded loss",
        "excluded_loss_3d": f"{wave.formula} of key k removed from the logits (3D), {on_train}; {nanda}",
        "excluded_loss_full": "as excluded_loss, all frequencies removed (the `full` curves of their figures); "
        + nanda,
        "excluded_loss_3d_full": f"as excluded_loss_3d, all frequencies removed; {nanda}",
        "excluded_loss_by_frequency": f"excluded loss of one key frequency, NaN of others; {nanda}",
        "restricted_loss_mlp": f"key waves of the last layer's neurons and mean logits alone, {on_test}; {demo}",
        "excluded_loss_mlp": f"key waves removed from the last layer's neurons, {on_train}; {demo}",
    }
    units = {"is_key": "1", "excluded_accuracy": "share"}
    along_k = ("is_key", "excluded_loss_by_frequency")
    return {
        name: Variable(("k",) if name in along_k else (), values[name], units.get(name, "nats"), source)
        for name, source in sources.items()
    }


def _neuron_part(snapshot: Snapshot, wave: Wave, key: Sequence[int]) -> Float[Tensor, "place answer"] | None:
    # Behind a norm neurons do not add to the logits linearly; attention-only models have none.
    config = snapshot.config
    name = last_neurons(snapshot)
    if name is None or config.has_norms:
        return None
    return neuron_part(wave.fold(snapshot[name]), snapshot.W_L, key)


def _training_rows(snapshot: Snapshot, wave: Wave) -> Bool[Tensor, "ab"]:
    """[ab]: the rows of the cycle that are trained on; all of them where the split is not known."""
    is_train = snapshot.task.is_train
    return wave.is_on if is_train is None else wave.is_on & is_train
