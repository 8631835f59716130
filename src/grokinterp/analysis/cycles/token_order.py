"""TokenOrder: which cycle an embedding itself tells, by the spectrum that is the sparser one."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int, Real
from torch import Tensor

from grokinterp import fourier


def sparsity(W_E: Real[Tensor, "token d"]) -> float:
    """Gini index of the Fourier norms of tokens in a cycle's order, constant included (Nanda et al. 2023).

    0 where all are equal, and for an embedding that is zero; NaN of weights that are no finite numbers.
    """
    norms = fourier.norms(W_E)
    return float(fourier.gini(norms)) if norms.any() else 0.0


@dataclass(frozen=True)
class TokenOrder:
    """The order of tokens in which an embedding is read as a function on a cyclic group.

    Attributes:
        group: `additive` (Z/p) or `multiplicative` ((Z/p)*, discrete-log order, token 0 left out).
        tokens: the tokens in that order.
        gini: of the Fourier norms in each order that p allows (`fourier.gini`).
    """

    group: Literal["additive", "multiplicative"]
    tokens: Int[Tensor, "place"]
    gini: dict[str, float]


def sparser_order(W_E: Real[Tensor, "token d"], margin: float = 0.1) -> TokenOrder:
    """The order in which the spectrum of an embedding of 0 .. p-1 is the sparser one.

    A model that multiplies has a flat spectrum over Z/p (a character is spread over all frequencies by its Gauss
    sum) and a sparse one over the characters (arXiv 2606.17399). Additive, unless p is an odd prime and the
    multiplicative Gini index is larger by more than `margin`: two noisy spectra differ by about 0.01.
    """
    p = len(W_E)
    gini = {"additive": sparsity(W_E)}
    if p > 2 and fourier.is_prime(p):
        powers = fourier.powers(p)
        gini["multiplicative"] = sparsity(W_E[powers])
        if gini["multiplicative"] > gini["additive"] + margin:
            return TokenOrder("multiplicative", powers, gini)
    return TokenOrder("additive", torch.arange(p), gini)
