"""Key frequencies: those on which a model's neurons, logits and embedding agree; and what simpler rules would say."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp import fourier
from grokinterp.architecture import TransformerConfig
from grokinterp.snapshot import Snapshot
from grokinterp.waves import Wave

NEURON_SHARE = 0.005
"""Least share of the neurons' variance that a key frequency holds."""

LOGIT_SHARE = 0.005
"""Least share of the logits' variance that cos(w_k(a + b - c)) of a key frequency holds."""

LOGIT_CONTRAST = 4.0
"""A key frequency's share of the logits' variance, over the lower quartile of all frequencies'."""

EMBEDDING_RATIO = 0.25
"""Least norm of a key frequency in the embedding, over the largest (the demo of TransformerLens has the same 1/4)."""


@dataclass(frozen=True, eq=False)
class KeyFrequencies:
    """The evidence for every frequency k, and the verdict.

    Attributes:
        key: where all three agree, in ascending order (see `of`); empty for a model without a circuit of waves.
        neuron_share: [k], share of the last layer's neurons' variance in the waves of k; None without neurons.
        logit_share: [k], share of the logits' variance in cos(w_k(a + b - c)); negative where it has the wrong sign.
        embedding_ratio: [k], norm of the embedding's cosine and sine rows, over the largest.
        by_rule: what simple rules say, for comparison. `neurons`: every frequency to which some neuron is tuned
            best, however badly (Nanda et al. 2023's code, `np.unique(neuron_freqs)`, which never tries the last k; here
            all). `embedding`: those with a cosine or sine row of norm above a quarter of the largest row's
            (TransformerLens' demo; it takes second harmonics along). `logits`: those above LOGIT_SHARE.
    """

    key: tuple[int, ...]
    neuron_share: Float[Tensor, "k"] | None
    logit_share: Float[Tensor, "k"]
    embedding_ratio: Float[Tensor, "k"]
    by_rule: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, snapshot: Snapshot, wave: Wave) -> "KeyFrequencies":
        """A frequency is key where all of these hold, so that noise in one of them is not enough:

        - neurons: its waves of a, b, a + b and a - b hold at least NEURON_SHARE of the variance of the last layer's
          neurons, all taken together (a second harmonic to which no single neuron is tuned best counts);
        - logits: its cos(w_k(a + b - c)), pointing the right way, holds at least LOGIT_SHARE of the logits' variance
          and LOGIT_CONTRAST times the lower quartile over k, because memorised rows put the same into every k;
        - embedding: its norm is at least EMBEDDING_RATIO of the largest.

        Without neurons logits and embedding decide. With fewer than 8 frequencies, where a quartile says nothing of a
        background, the contrast is not asked for.
        """
        shares = [] if (neurons := _neurons(snapshot)) is None else [neuron_shares(wave.grid(neurons))]
        logit_share = logit_shares(snapshot.logits, wave)
        W_E = snapshot.W_E[wave.tokens.to(snapshot.W_E.device)].double()
        rows, power = fourier.norms(W_E), fourier.power(W_E)
        ratio = (power / power.max().clamp(min=torch.finfo(power.dtype).tiny)).sqrt()
        background = logit_share.quantile(0.25).clamp(min=0) if len(logit_share) >= 8 else 0
        key = (logit_share >= LOGIT_SHARE) & (logit_share >= LOGIT_CONTRAST * background) & (ratio >= EMBEDDING_RATIO)
        rules = {
            "embedding": fourier.basis_frequencies(wave.cycle)[1:][(rows > rows.max() / 4)[1:]].unique(),
            "logits": wave.frequencies[logit_share >= LOGIT_SHARE],
        }
        neuron_share = None
        for share, variance in shares:
            neuron_share = (share * variance).sum(1) / variance.sum().clamp(min=torch.finfo(variance.dtype).tiny)
            key &= neuron_share >= NEURON_SHARE
            rules["neurons"] = (share.argmax(0)[variance > 0] + 1).unique()
        return cls(
            key=tuple(wave.frequencies[key].tolist()),
            neuron_share=neuron_share,
            logit_share=logit_share,
            embedding_ratio=ratio,
            by_rule={name: tuple(found.tolist()) for name, found in sorted(rules.items())},
        )


def neuron_shares(
    grid: Float[Tensor, "place_a place_b neuron"],
) -> tuple[Float[Tensor, "k neuron"], Float[Tensor, "neuron"]]:
    """The share of each neuron's variance over the table that frequency k explains, and that variance, both float64.

    Nanda et al. 2023 (`calculate_key_freqs`): of the centred neuron's 2-D Fourier coefficients, the squares in the block
    {const, cos k, sin k} x {const, cos k, sin k} over all squares. The largest over k is the neuron's FVE, the k it
    is at its frequency. 0 for a neuron that is constant. `grid` is in the order of `Wave.grid`.
    """
    n, _, neurons = grid.shape
    flat = (grid - grid.mean((0, 1))).flatten(0, 1)
    variance = flat.square().sum(0).double()
    # The nine products of the block less the constant span the waves of a alone, b alone, a + b and a - b.
    i = torch.arange(n, device=grid.device)
    places = [i[:, None].expand(n, n), i.expand(n, n), (i[:, None] + i) % n, (i[:, None] - i) % n]
    explained = torch.zeros(n // 2, neurons, dtype=torch.float64, device=grid.device)
    for number, place in enumerate(places):
        total = torch.zeros(n, neurons, dtype=grid.dtype, device=grid.device).index_add(0, place.flatten(), flat)
        power = fourier.fold(fourier.transform(total.double()).square().T)[:, 1:].T / n
        # At the Nyquist frequency the waves of a + b and of a - b are the same one.
        explained[: len(power) - (number == 3 and n % 2 == 0)] += power[: len(power) - (number == 3 and n % 2 == 0)]
    floor = n * n * torch.finfo(grid.dtype).eps ** 2 * grid.square().amax((0, 1)).double()
    alive = variance > floor
    share = torch.where(alive, explained / torch.where(alive, variance, 1), 0.0)
    return share.clamp(max=1), torch.where(alive, variance, 0.0)


def logit_coefficients(logits: Float[Tensor, "ab answer"], wave: Wave) -> Float[Tensor, "k"]:
    """The inner product of the logits with cos(w_k(a + b - c)), of unit norm over all rows and answers, for every k.

    Nanda et al. 2023 (`calculate_coefficients`), for a - b with a - b - c, for products and quotients with places on the
    cycle, over its rows and answers only (`Wave`). In units of the logits times sqrt(rows * answers); float64.
    """
    n = wave.cycle
    folded = wave.fold(logits)[:, wave.tokens.to(logits.device)].double()
    place = torch.arange(n, device=logits.device)
    # cos(w_k(i - c)) sees of the logits only their sums along the diagonals i - c.
    diagonal = ((place[:, None] - place) % n).flatten()
    sums = torch.zeros(n, dtype=torch.float64, device=logits.device).index_add(0, diagonal, folded.flatten())
    return fourier.basis(n)[1::2].to(sums) @ sums


def logit_shares(logits: Float[Tensor, "ab answer"], wave: Wave) -> Float[Tensor, "k"]:
    """[k]: the share of the logits' variance over the rows that cos(w_k(a + b - c)) explains, with its sign.

    The variance is about each answer's mean over the rows of the cycle: a large constant term is no structure.
    """
    coefficients = logit_coefficients(logits, wave)
    variance = logit_variance(logits, wave)
    return coefficients * coefficients.abs() / variance if variance > 0 else torch.zeros_like(coefficients)


def logit_variance(logits: Float[Tensor, "ab answer"], wave: Wave) -> float:
    """Sum of squares of the logits about each answer's mean, over the rows and answers of the cycle; 0 if constant."""
    here = wave.on(logits)[:, wave.tokens.to(logits.device)]
    variance = (here - here.mean(0)).square().sum().item()
    return variance if variance > here.numel() * (torch.finfo(here.dtype).eps * here.abs().max().item()) ** 2 else 0.0


def _neurons(snapshot: Snapshot) -> Float[Tensor, "ab neuron"] | None:
    name = last_neurons(snapshot)
    return None if name is None else snapshot[name]


def last_neurons(snapshot: Snapshot) -> str | None:
    """The hook of the last layer's neurons, after the activation; None for a model without MLPs."""
    config = snapshot.config
    layers = config.n_layers if isinstance(config, TransformerConfig) else len(config.hidden_sizes)
    name = f"blocks.{layers - 1}.mlp.hook_post"
    return name if name in snapshot else None
