"""Progress measures (Nanda et al. 2023): the loss with the key frequencies alone, and without them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.key_frequencies import KeyFrequencies, last_neurons
from grokinterp.analysis.periodicity import coefficients, sums_by_answer
from grokinterp.evaluation.losses import accuracy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

RISE = 1.0
"""Nats by which the excluded loss must rise after its minimum, for that to be the end of memorisation."""

FORMED_LOSS = 0.01
"""Nats of restricted loss below which the key frequencies alone answer: the end of circuit formation."""

CLEANED_SHARE = 0.95
"""Share of its fall, from its largest to its last value, that the excluded loss has done at the end of cleanup."""

PHASE_RULE = (
    f"memorisation ends at the smallest excluded loss, if it rises by {RISE} nat after that; circuit formation at the "
    f"first restricted loss below {FORMED_LOSS}; cleanup where the excluded loss has done {CLEANED_SHARE:.0%} of its "
    "fall from its largest to its last value, if it does no more than the rest in the last tenth of that time"
)

# -- the circuit's part of the logits. It depends on a row's answer alone, so that [place, answer] holds it.


def wave_part(folded: Float[Tensor, "place *rest"], frequencies: Sequence[int]) -> Float[Tensor, "place *rest"]:
    """sum_k P_k x of a tensor x on the table, for each place on the cycle, from `folded = wave.fold(x)`; float64.

    P_k projects on the unit directions cos(w_k(a + b)) and sin(w_k(a + b)), for every output column (Nanda et al.
    2023's code); for other operations on those of the wave.
    """
    return fourier.project(folded.double(), fourier.wave_rows(len(folded), list(frequencies)))


def cube_part(
    folded: Float[Tensor, "place answer"], wave: Wave, frequencies: Sequence[int]
) -> Float[Tensor, "place answer"]:
    """The logits' part along the single directions cos(w_k(a + b - c)) of the p^3 cube (their 3D forms); float64."""
    n = wave.cycle
    rows = fourier.basis(n)[[2 * k - 1 for k in frequencies]]
    chosen = coefficients(folded, wave)[[k - 1 for k in frequencies]]
    place = torch.arange(n)
    part = torch.zeros(folded.shape, dtype=torch.float64)
    part[:, wave.tokens] = (chosen @ rows / n)[(place[:, None] - place) % n]
    return part


def neuron_part(
    folded: Float[Tensor, "place neuron"], W_L: Float[Tensor, "neuron answer"], frequencies: Sequence[int]
) -> Float[Tensor, "place answer"]:
    """What the waves in the last layer's neurons add to the logits through the neuron-logit map W_L; float64.

    (sum_k P_k A) W_L, which TransformerLens' grokking demo keeps or removes. `folded = wave.fold(neurons)`.
    """
    return wave_part(folded, frequencies) @ W_L.double()


# -- the logits with that part alone, and without it. Every loss here is over the answers that occur on the cycle
# (`Wave.answers`): no row of a product on it has the answer 0, so that its column is no class.


def restricted_loss(
    folded: Float[Tensor, "place answer"],
    part: Float[Tensor, "place answer"],
    wave: Wave,
    rows: Bool[Tensor, "ab"] | None = None,
) -> float:
    """Cross-entropy in nats of `part` and a constant alone, over all rows of the cycle, or those of a mask.

    The constant gives each answer the mean of the logits (`folded = wave.fold(logits)`): the bias correction of Nanda
    et al. 2023. Of `wave_part(folded)` this is their code's trig loss, the paper's restricted loss. NaN of no rows.
    The classes are the answers that occur on the cycle (`Wave.answers`).
    """
    logits = wave.answers(part - part.mean(0) + folded.double().mean(0))
    # Rows of one answer have the same logits, so that each answer counts as often as it has rows.
    rows_of_answer = torch.bincount(wave.index[wave.is_on if rows is None else wave.is_on & rows], minlength=wave.cycle)
    each = F.cross_entropy(logits, torch.arange(wave.cycle), reduction="none")
    return (each @ rows_of_answer.double() / rows_of_answer.sum()).item()


def excluded_logits(
    logits: Float[Tensor, "row answer"], part: Float[Tensor, "place answer"], index: Int[Tensor, "row"]
) -> Float[Tensor, "row answer"]:
    """The logits of some rows of the cycle less `part`, without bias correction; `index` is the rows' `wave.index`.

    Nanda et al. 2023 take their loss on training rows: what the model knows of those without its circuit.
    """
    return logits - part.index_select(0, index)  # several times faster than part[index]


def excluded_losses(
    logits: Float[Tensor, "row answer"],
    parts: Sequence[Float[Tensor, "place answer"]],
    index: Int[Tensor, "row"],
    tokens: Int[Tensor, "place"],
) -> list[float]:
    """Cross-entropy in nats of `excluded_logits` for each part in turn.

    The classes are the answers that occur on the cycle, the columns `tokens`; the right one is `tokens[index]`.

    exp(logit - part) = exp(logit) exp(-part), and a part has few rows: the exponentials of the logits are taken once,
    and summed for all parts by one product for each answer. A row in which the product is lost to rounding (a loss of
    several hundred nats) is done directly.
    """
    logits = logits.double().index_select(1, tokens)
    peak = logits.amax(1)
    exponentials = (logits - peak[:, None]).exp_()
    margin = peak - logits.gather(1, index[:, None])[:, 0]
    removed = torch.stack([part.index_select(1, tokens).double() for part in parts], 2)
    shift = removed.amin(1)
    totals = sums_by_answer(exponentials, (shift[:, None] - removed).exp_(), index)
    at_label = removed.diagonal().T - shift
    losses = totals.log() + margin[:, None] + at_label[index]
    for i in range(len(parts)):
        if (lost := totals[:, i] < 1e-290).any():
            left = excluded_logits(logits[lost], removed[:, :, i], index[lost])
            losses[lost, i] = F.cross_entropy(left, index[lost], reduction="none")
    return losses.mean(0).tolist()


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
    is key: the rows are remembered. `why_none` says so. Rows off the cycle of a product or a quotient, those with a
    zero operand, are left out of every loss here, and so is their answer, 0: the classes are the answers that occur on
    the cycle. Where the split is not known, all rows are taken for training rows, and for test rows.

    The `_full` forms remove all frequencies, not the key ones alone: the curves of Nanda et al.'s figures, which are
    larger early in training, when what is known of the answer is spread over many.
    """

    name: ClassVar[str] = "progress"
    version: ClassVar[int] = 2
    frequencies: tuple[int, ...] | None = None
    by_rule: tuple[tuple[str, tuple[int, ...]], ...] = ()
    why_none: str | None = None

    def why_not(self, snapshot: Snapshot) -> str | None:
        return Wave.why_not(snapshot.task)

    def fit(self, final: Snapshot) -> "Progress":
        wave = Wave.of(final.task)
        if self.frequencies is not None or wave is None:
            return self
        evidence = KeyFrequencies.of(final, wave)
        by_rule, why_none = tuple(evidence.by_rule.items()), None
        if not evidence.key:
            why_none = "neurons, logits and embedding agree on none that stands out from a table of the training rows"
        else:
            folded = wave.fold(final.logits)
            part, rows = wave_part(folded, evidence.key), _training_rows(final, wave)
            alone = restricted_loss(folded, part, wave)
            (without,) = excluded_losses(final.logits[rows], [part], wave.index[rows], wave.tokens)
            if without <= alone:
                why_none = (
                    f"without {', '.join(map(str, evidence.key))} the logits leave {without:.3g} nats on the training "
                    f"rows, with these alone {alone:.3g} on the table: the rows are remembered"
                )
        return replace(self, frequencies=() if why_none else evidence.key, by_rule=by_rule, why_none=why_none)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        wave = Wave.required(snapshot.task)
        key = self.frequencies if self.frequencies is not None else KeyFrequencies.of(snapshot, wave).key
        is_train = snapshot.task.is_train
        train = _training_rows(snapshot, wave)
        test = wave.is_on if is_train is None else wave.is_on & ~is_train
        folded = wave.fold(snapshot.logits)
        index = wave.index[train]
        # Once for all of them: every loss below is of these logits less a part.
        trained = snapshot.logits.index_select(0, train.nonzero().flatten()).double()

        part = wave_part(folded, key)
        every = wave.frequencies.tolist()
        removed = {
            "2d": part,
            "3d": cube_part(folded, wave, key),
            "2d full": wave_part(folded, every),
            "3d full": cube_part(folded, wave, every),
            **{k: wave_part(folded, [k]) for k in key},
        }
        neurons = _neuron_part(snapshot, wave, key)
        if neurons is not None:
            removed["mlp"] = neurons
        without = excluded_losses(trained, list(removed.values()), index, wave.tokens)
        excluded = dict(zip(removed, without, strict=True))
        by_frequency = torch.full((len(wave.frequencies),), torch.nan, dtype=torch.float64)
        for k in key:
            by_frequency[k - 1] = excluded[k]
        restricted = restricted_loss(folded, part, wave)
        right = accuracy(wave.answers(excluded_logits(trained, part, index)), index).item()

        unknown = "all rows: the split is not known"
        on_train, on_test = (unknown, unknown) if is_train is None else ("training rows", "test rows")
        nanda, demo = "Nanda et al. 2023", "TransformerLens grokking demo"
        nats = lambda value, source: Variable((), value, "nats", source)
        return readout(
            {
                "is_key": Variable(("k",), _mask(key, wave), "1", "KeyFrequencies at the final checkpoint"),
                "restricted_loss": nats(restricted, f"key waves of the logits and their mean alone, all rows; {nanda}"),
                "trig_loss": nats(restricted, f"the restricted loss by the name of their code; {nanda}"),
                "restricted_test_loss": nats(restricted_loss(folded, part, wave, test), f"restricted loss, {on_test}"),
                "excluded_loss": nats(
                    excluded["2d"],
                    f"key waves cos, sin w_k(a + b) of the logits removed (2D), {on_train}; {nanda}",
                ),
                "excluded_accuracy": Variable((), right, "share", "of the excluded loss"),
                "excluded_loss_3d": nats(
                    excluded["3d"],
                    f"{wave.formula} of key k removed from the logits (3D), {on_train}; {nanda}",
                ),
                "excluded_loss_full": nats(
                    excluded["2d full"],
                    f"as excluded_loss, all frequencies removed (the `full` curves of their figures); {nanda}",
                ),
                "excluded_loss_3d_full": nats(
                    excluded["3d full"],
                    f"as excluded_loss_3d, all frequencies removed; {nanda}",
                ),
                "excluded_loss_by_frequency": Variable(
                    ("k",), by_frequency, "nats", f"excluded loss of one key frequency, NaN of others; {nanda}"
                ),
                "restricted_loss_mlp": nats(
                    torch.nan if neurons is None else restricted_loss(folded, neurons, wave, test),
                    f"key waves of the last layer's neurons and mean logits alone, {on_test}; {demo}",
                ),
                "excluded_loss_mlp": nats(
                    excluded.get("mlp", torch.nan),
                    f"key waves removed from the last layer's neurons, {on_train}; {demo}",
                ),
            },
            {"k": wave.frequencies.numpy()},
        )

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        key = trace.is_key.isel(step=-1)
        boundaries = phases(trace.step.values, trace.excluded_loss.values, trace.restricted_loss.values)
        return {
            **({} if self.why_none is None else {"key_frequencies_none_because": self.why_none}),
            "key_frequencies": trace.k.values[key.values].tolist(),
            "key_frequencies_by_rule": json.dumps(dict(self.by_rule)),
            **boundaries,
            "phase_rule": PHASE_RULE,
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


def _mask(key: Sequence[int], wave: Wave) -> Bool[Tensor, "k"]:
    return torch.isin(wave.frequencies, torch.tensor(list(key), dtype=torch.int64))
