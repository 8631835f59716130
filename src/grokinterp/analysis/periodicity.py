"""Periodicity: how much of the logits is cos(w_k(a + b - c)), for every frequency k."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave


@dataclass(frozen=True, eq=False)
class Periodicity:
    """The logits against the waves C_k = cos(w_k(a + b - c)), each of unit norm over all rows and answers.

    For a - b the waves are of a - b - c, for products and quotients of places on the cycle, over its rows and answers
    only (see `Wave`). Norms are Frobenius norms, squared, over those rows and answers.

    Attributes:
        coefficient: [k], the inner product with C_k (Nanda et al. 2023, `calculate_coefficients`), float64.
        norm_squared: of the logits.
        variance: of the logits less each answer's mean over the rows; 0 where nothing but rounding is left, NaN where
            logits are no finite numbers.
    """

    coefficient: Float[Tensor, "k"]
    norm_squared: float
    variance: float

    @classmethod
    def of(cls, logits: Float[Tensor, "ab answer"], wave: Wave) -> "Periodicity":
        folded = wave.fold(logits)
        squares = wave.answers(wave.on(logits).square().sum(0).double()).sum().item()
        means = wave.answers(folded).double().mean(0)
        variance = squares - len(wave.rows) * means.square().sum().item()
        return cls(coefficients(folded, wave), squares, 0.0 if variance <= 1e-6 * squares else variance)

    @property
    def cosine(self) -> Float[Tensor, "k"]:
        """[k]: the coefficient over the norm of the logits, not centred (TransformerLens' grokking demo)."""
        return self.coefficient / self.norm_squared**0.5 if self.norm_squared else torch.zeros_like(self.coefficient)

    @property
    def share(self) -> Float[Tensor, "k"]:
        """[k]: the share of the logits' variance that C_k explains, negative where the coefficient is.

        Centred, because a large constant term of the logits, which is no structure, would count as unexplained.
        """
        squares = self.coefficient * self.coefficient.abs()
        return squares / self.variance if self.variance else torch.zeros_like(squares)

    @property
    def fve(self) -> float:
        """The share of the logits' variance that all C_k together explain."""
        return self.share.abs().sum().item()


def coefficients(folded: Float[Tensor, "place answer"], wave: Wave) -> Float[Tensor, "k"]:
    """The coefficients of `Periodicity`, from the logits' means over the rows of each answer (`Wave.fold`)."""
    n = wave.cycle
    place = torch.arange(n)
    # cos(w_k(i - c)) sees of the logits only their sums along the diagonals i - c.
    diagonal = ((place[:, None] - place) % n).flatten()
    sums = torch.zeros(n, dtype=torch.float64).index_add(0, diagonal, wave.answers(folded).double().flatten())
    return fourier.basis(n)[1::2] @ sums


def sums_by_answer(
    values: Float[Tensor, "row answer"], weights: Float[Tensor, "place answer part"], index: Int[Tensor, "row"]
) -> Float[Tensor, "row part"]:
    """The sums of each row over all answers, with the weights of its own answer's place, `index`: for each part."""
    # The rows of each answer as one matrix, filled up with zeros.
    order, counts = index.argsort(), index.bincount(minlength=len(weights))
    row_of_answer = torch.empty_like(index)
    row_of_answer[order] = torch.arange(len(index)) - (counts.cumsum(0) - counts)[index[order]]
    n_rows = int(counts.max()) if len(index) else 0
    slot = index * n_rows + row_of_answer
    rows = values.new_zeros(len(weights) * n_rows, values.shape[1]).index_copy_(0, slot, values)
    return (rows.unflatten(0, (len(weights), n_rows)) @ weights).flatten(0, 1).index_select(0, slot)
