"""Key frequencies: those on which a model's neurons, logits and embedding agree; and what simpler rules would say."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.periodicity import Periodicity
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.tasks import Task

NEURON_SHARE = 0.005
"""Least share of the neurons' variance that a key frequency holds."""

LOGIT_SHARE = 0.005
"""Least share of the logits' variance that cos(w_k(a + b - c)) of a key frequency holds."""

LOGIT_CONTRAST = 4.0
"""A key frequency's share of the logits' variance, over the lower quartile of all frequencies'."""

LOOKUP_RATIO = 2.0
"""A key frequency's share of the logits' variance, over what a table of the training rows would put into it."""

NOISE = 10.8
"""A key frequency's share of the logits' variance, over the mean share of one direction of noise: the quantile .999."""

EMBEDDING_RATIO = 0.25
"""Least norm of a key frequency in the embedding, over the largest (the demo of TransformerLens has the same 1/4)."""

FLAT = 1e-5
"""A neuron that varies by less than this share of its mean is constant up to rounding."""


@dataclass(frozen=True, eq=False)
class KeyFrequencies:
    """The evidence for every frequency k, and the verdict.

    Attributes:
        key: where all three agree, in ascending order (see `of`); empty for a model without a circuit of waves.
        neuron_share: [k], share of the last layer's neurons' variance in the waves of k; None without neurons.
        logit_share: [k], share of the logits' variance in cos(w_k(a + b - c)); negative where it has the wrong sign.
        embedding_ratio: [k], norm of the embedding's cosine and sine rows, over the largest.
        lookup_share: [k], the `logit_share` of a table of the training rows with logits of the same size.
        by_rule: what simple rules say, for comparison. `neurons`: every frequency to which some neuron is tuned
            best, however badly (Nanda et al. 2023's code, `np.unique(neuron_freqs)`, which never tries the last k; here
            all). `embedding`: those with a cosine or sine row of norm above a quarter of the largest row's
            (TransformerLens' demo; it takes second harmonics along). `logits`: those above LOGIT_SHARE.
    """

    key: tuple[int, ...]
    neuron_share: Float[Tensor, "k"] | None
    logit_share: Float[Tensor, "k"]
    embedding_ratio: Float[Tensor, "k"]
    lookup_share: Float[Tensor, "k"]
    by_rule: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, snapshot: Snapshot, wave: Wave) -> "KeyFrequencies":
        """A frequency is key where all of these hold, so that noise in one of them is not enough:

        - neurons: its waves of a, b, a + b and a - b hold at least NEURON_SHARE of the variance of the last layer's
          neurons, all taken together (a second harmonic to which no single neuron is tuned best counts);
        - logits: its cos(w_k(a + b - c)), pointing the right way, holds at least LOGIT_SHARE of the logits' variance
          and LOGIT_CONTRAST times the lower quartile over k, because memorised rows put the same into every k;
        - nulls: it holds LOOKUP_RATIO times what a table of the training rows puts into it (`lookup_share`), and NOISE
          times what noise of the same size puts into one direction;
        - embedding: its norm is at least EMBEDDING_RATIO of the largest.

        Without neurons logits and embedding decide. With fewer than 8 frequencies, where a quartile says nothing of a
        background, the contrast is not asked for: the nulls are, at every size.
        """
        periodicity = Periodicity.of(snapshot.logits, wave)
        logit_share, lookup = periodicity.share, lookup_share(snapshot, wave, periodicity)
        noise = NOISE / (wave.cycle**2 * (wave.cycle - 1))
        background = logit_share.quantile(0.25).clamp(min=0) if len(logit_share) >= 8 else 0
        W_E = snapshot.W_E[wave.tokens].double()
        rows, power = fourier.norms(W_E), fourier.power(W_E)
        ratio = (power / power.max().clamp(min=torch.finfo(power.dtype).tiny)).sqrt()
        key = (logit_share >= LOGIT_SHARE) & (logit_share >= LOGIT_CONTRAST * background) & (ratio >= EMBEDDING_RATIO)
        key &= (logit_share > LOOKUP_RATIO * lookup) & (logit_share > noise)
        by_rule = {
            "embedding": _where(rows[1:] > rows.max() / 4, fourier.basis_frequencies(wave.cycle)[1:]),
            "logits": _where(logit_share >= LOGIT_SHARE, wave.frequencies),
        }
        neuron_share = None
        if name := last_neurons(snapshot):
            share, variance = neuron_shares(wave.grid(snapshot[name]))
            neuron_share = (share @ variance) / variance.sum().clamp(min=torch.finfo(variance.dtype).tiny)
            key &= neuron_share >= NEURON_SHARE
            by_rule["neurons"] = tuple((share.argmax(0)[variance > 0] + 1).unique().tolist())
        return cls(_where(key, wave.frequencies), neuron_share, logit_share, ratio, lookup, by_rule)


def lookup_share(snapshot: Snapshot, wave: Wave, periodicity: Periodicity) -> Float[Tensor, "k"]:
    """The share of the logits' variance that lies in each wave of the answer where only remembered rows are right.

    The null: a model's own logits, those of the wrong answers in any order within each row, and so those of the right
    one in rows that are not remembered. Remembered are the rows trained on, and their swaps where the operands
    commute; all rows where the split is not known. This is the mean over all such orders. Every wave gets the same:
    a row that is right adds its lead to each.
    """
    rows = wave.is_on & remembered_rows(snapshot.task)
    lead = leads(wave.answers(snapshot.logits[rows]), wave.index[rows])
    coefficient = fourier.basis(wave.cycle)[1::2, 0] * lead.sum() / wave.cycle
    return coefficient.square() / periodicity.variance if periodicity.variance else torch.zeros_like(coefficient)


def remembered_rows(task: Task) -> Bool[Tensor, "ab"]:
    """Rows trained on and, where the operands commute, their swaps; all rows where the split is not known."""
    return torch.ones(len(task.labels), dtype=torch.bool) if task.is_train is None else ~task.is_unswapped_test


def leads(logits: Float[Tensor, "row answer"], right: Int[Tensor, "row"]) -> Float[Tensor, "row"]:
    """By how much the right answer's logit is above the mean of all others, row by row, float64."""
    logits = logits.double()
    of_right = logits.gather(1, right[:, None])[:, 0]
    return of_right - (logits.sum(1) - of_right) / (logits.shape[1] - 1)


def _where(holds: Bool[Tensor, "n"], frequencies: Int[Tensor, "n"]) -> tuple[int, ...]:
    return tuple(frequencies[holds].unique().tolist())


def last_neurons(snapshot: Snapshot) -> str | None:
    """The hook of the last layer's neurons, after the activation; None for a model without MLPs."""
    name = f"blocks.{len(snapshot.config.layer_neurons) - 1}.mlp.hook_post"
    return name if name in snapshot else None


def neuron_shares(
    grid: Float[Tensor, "place_a place_b neuron"],
) -> tuple[Float[Tensor, "k neuron"], Float[Tensor, "neuron"]]:
    """The share of each neuron's variance over the table that frequency k explains, and that variance, both float64.

    Nanda et al. 2023 (`calculate_key_freqs`): of the centred neuron's 2-D Fourier coefficients, the squares in the
    block {const, cos k, sin k} x {const, cos k, sin k} over all squares. The largest over k is the neuron's FVE, the
    k it is at its frequency. 0 for a neuron that is constant. `grid` is in the order of `Wave.grid`.
    """
    n, flat = len(grid), grid.flatten(0, 1)
    place = torch.arange(n, device=grid.device)
    a, b = place[:, None].expand(n, n), place.expand(n, n)
    # The nine products of the block less the constant span the waves of a alone, b alone, a + b and a - b: four sums
    # over the table, each bag the cells where one of these is fixed.
    bags = torch.cat([a * n + b, b * n + a, b * n + (a - b) % n, b * n + (b - a) % n])
    sums = F.embedding_bag(bags, flat, mode="sum").double().unflatten(0, (4, n))
    mean = sums[0].sum(0) / n**2
    # In pieces that fit the cache: a centred copy of the table would cost more than all the rest.
    parts = [(part - mean.to(flat)).square_().sum(0) for part in flat.split(512)]
    variance = torch.stack(parts).sum(0, dtype=torch.float64)
    squares = fourier.transform(sums - n * mean, 1).square() / n
    if n % 2 == 0:
        squares[3, -1] = 0  # At the Nyquist frequency the waves of a + b and of a - b are the same one.
    explained = fourier.fold(squares.sum(0).T).T[1:]
    # What is left of a constant's variance after rounding is no variance.
    alive = variance > (FLAT * n * mean).square()
    share = torch.where(alive, explained / torch.where(alive, variance, 1), 0.0)
    return share.clamp(max=1), torch.where(alive, variance, 0.0)
