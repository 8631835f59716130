"""Parts of the logits: what the waves of an answer add to them, and the loss with that part alone or without it."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.periodicity import coefficients, sums_by_answer

# -- a circuit's part of the logits. It depends on a row's answer alone, so that [place, answer] holds it.


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
