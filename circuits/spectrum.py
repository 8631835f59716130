"""How few frequencies, and which phases, embedding and neuron-logit map are made of (Furuta et al. 2024)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import xarray as xr
from jaxtyping import Float, Real
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle, Group
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

EMPTY = 1e-6
"""A family of waves whose every member has less than this share of the energy is rounding noise, not a family."""


class WaveNorms(NamedTuple):
    """Norms of the coefficients of a matrix along its tokens: |mu_k| and |nu_k| of Furuta et al. 2024, eq. 5.

    `cosine` [k] for k = 1 .. floor(n/2), `sine` [k] for those with a sine: one fewer for even n (Nyquist).
    Rows have unit norm (their appendix B); eq. 5's factor and the constant cancel in every measure of theirs.
    """

    constant: Float[Tensor, ""]
    cosine: Float[Tensor, "k"]
    sine: Float[Tensor, "k_sine"]

    @property
    def families(self) -> tuple[Float[Tensor, "k"], Float[Tensor, "k_sine"]]:
        return self.cosine, self.sine

    @property
    def pairs(self) -> tuple[Float[Tensor, "k_sine"], Float[Tensor, "k_sine"]]:
        """Both families without the Nyquist frequency."""
        return self.cosine[: len(self.sine)], self.sine

    @property
    def energy(self) -> Float[Tensor, ""]:
        """The squared norm of the matrix less its mean over tokens."""
        return self.cosine.square().sum() + self.sine.square().sum()


def wave_norms(W: Real[Tensor, "token d"]) -> WaveNorms:
    """Of a matrix whose rows are tokens in the order of a cycle: `W_E[:p]`, `W_L.T`, or `W_E[fourier.powers(p)]`.

    The full period is used, t = 0 .. n - 1, as in their appendix B.
    """
    norms = fourier.norms(W.to(torch.float64))
    return WaveNorms(norms[0], norms[1::2], norms[2::2])


def ffd(norms: WaveNorms, eta: float = 0.5) -> float:
    """Fourier frequency density: the share of waves whose norm exceeds `eta` times the largest of their family.

    Furuta et al. 2024 (v1: "Fourier frequency sparsity"); low means few dominant frequencies. The maximum is taken
    within the cosines and within the sines, but not below `EMPTY` of the energy: a family that is not there
    would otherwise count its own rounding noise (0.71 instead of 0.5 for even characters). Random weights give 1.
    """
    floor = (EMPTY * norms.energy).sqrt()
    above = [int((family > eta * torch.maximum(family.max(), floor)).sum()) for family in norms.families if len(family)]
    return sum(above) / max(len(norms.cosine) + len(norms.sine), 1)


def fcr(norms: WaveNorms) -> float:
    """Fourier coefficient ratio: mean over all k of min(|mu|/|nu|, |nu|/|mu|), Furuta et al. 2024.

    Low means that each frequency is cosine only or sine only, whichever. All k weigh the same: where few are used,
    it is rounding noise of the others (`fcr_weighted` is not). Random weights give about 0.93 at d = 128. The
    Nyquist frequency of an even n, which has no sine, is left out; a frequency exactly absent counts as 1.
    """
    return float(_ratio(norms).mean()) if len(norms.sine) else 0.0


def fcr_weighted(norms: WaveNorms) -> float:
    """`fcr` with each frequency weighted by its energy |mu|^2 + |nu|^2 (ours); 0 for a matrix of zeros."""
    cosine, sine = norms.pairs
    energy = cosine.square() + sine.square()
    return float((_ratio(norms) * energy).sum() / energy.sum().clamp(min=torch.finfo(energy.dtype).tiny))


def cosine_share(norms: WaveNorms) -> float:
    """sum |mu|^2 / (sum |mu|^2 + sum |nu|^2): above 1/2 is a cosine bias, below it a sine bias; 1/2 of zeros.

    The constant and the Nyquist frequency, which have no sine, are left out.
    """
    cosine, sine = (family.square().sum() for family in norms.pairs)
    return float(cosine / (cosine + sine)) if cosine + sine > 0 else 0.5


def gini(norms: WaveNorms) -> float:
    """Gini index of the norms, constant included, as Nanda et al. 2023 take it; 0 for a matrix of zeros."""
    return float(fourier.gini(torch.cat([norms.constant[None], *norms.families])).nan_to_num())


def _ratio(norms: WaveNorms) -> Float[Tensor, "k"]:
    cosine, sine = norms.pairs
    larger = torch.maximum(cosine, sine)
    return torch.where(larger > 0, torch.minimum(cosine, sine) / larger.clamp(min=1e-300), 1.0)


_MEASURES = {
    "ffd": "the share of waves at least half as strong as the strongest: low where few frequencies are kept",
    "fcr": "how far each frequency has both cosine and sine; near 0 where each is one of them alone",
    "fcr_weighted": "fcr with each frequency weighted by its energy",
    "cosine_share": "the share of the energy in cosines, against sines",
    "gini": "how unevenly norms are spread over waves; 0: evenly, 1: on one alone",
}


@dataclass(frozen=True)
class Spectrum(Circuit):
    """FFD, FCR and cosine share of W_E and of the last layer's W_L, on Z/p and on the characters of its group.

    `ffd[matrix]`, ... and the sparsity `gini[matrix]` are read on Z/p whatever the task, as Furuta et al. do;
    `ffd_multiplicative[matrix]`, ... in discrete-log order, 0 apart (arXiv 2606.17399), NaN unless p is an odd prime.
    `logit_map_norm` and `logit_map_gini` are of W_L over the answers, on the task's own cycle (`group` chooses).
    An attention-only model has no W_L: NaN.
    """

    name = "spectrum"
    descriptions: ClassVar[Mapping[str, str]] = {
        **_MEASURES,
        **{f"{name}_multiplicative": f"{what}; on the characters" for name, what in _MEASURES.items()},
        "logit_map_norm": "the norm of the neuron-logit map's part on each Fourier row",
        "logit_map_gini": "how unevenly that norm is spread over Fourier rows; 0: evenly, 1: on one alone",
    }
    eta: float = 0.5
    group: Group = "own"

    def why_not(self, snapshot: Snapshot) -> str | None:
        if snapshot.task.n_values < snapshot.n_numbers:
            return f"there are fewer answers ({snapshot.task.n_values}) than numbers ({snapshot.n_numbers})"
        return Cycle.why_not(snapshot.task, self.group)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        p, cycle = snapshot.n_numbers, Cycle.of(snapshot.task, self.group)
        has_mlp = bool(snapshot.layers("mlp.hook_post"))
        W_L = snapshot.W_L.T[:p] if has_mlp else torch.full((p, 1), torch.nan)
        matrices = {"W_E": snapshot.W_E, "W_L": W_L}
        powers = fourier.powers(p) if p > 2 and fourier.is_prime(p) else None
        furuta, characters = "Furuta et al. 2024, section 4", "characters, discrete-log order, 0 apart"
        additive = [self._measured(W) for W in matrices.values()]
        multiplicative = [self._measured(W * torch.nan if powers is None else W[powers]) for W in matrices.values()]
        variables = {}
        for name in additive[0]:
            values = [measured[name] for measured in additive]
            variables[name] = Variable(("matrix",), values, "", f"{furuta}; waves on Z/p")
            values = [measured[name] for measured in multiplicative]
            variables[f"{name}_multiplicative"] = Variable(("matrix",), values, "", f"{furuta}; {characters}")
        sparse = "Hurley and Rickard 2009, of the Fourier norms"
        variables["gini"] = variables["gini"]._replace(source=f"{sparse}; waves on Z/p")
        variables["gini_multiplicative"] = variables["gini_multiplicative"]._replace(source=f"{sparse}; {characters}")
        source = f"W_L = W_out W_U, Nanda et al. 2023, section 4.2; {cycle.description}"
        norms = fourier.norms(W_L, rows=cycle.basis)
        variables["logit_map_norm"] = Variable(("basis",), norms, "logit per activation", source)
        own = multiplicative if cycle.is_multiplicative else additive
        variables["logit_map_gini"] = Variable((), own[1]["gini"], "", f"{sparse}; {cycle.description}")
        return readout(variables, {"matrix": list(matrices), "basis": cycle.names})

    def _measured(self, W: Float[Tensor, "token d"]) -> dict[str, float]:
        norms = wave_norms(W)
        variables = {
            "ffd": ffd(norms, self.eta),
            "fcr": fcr(norms),
            "fcr_weighted": fcr_weighted(norms),
            "cosine_share": cosine_share(norms),
            "gini": gini(norms),
        }
        return variables if bool(W.isfinite().all()) else dict.fromkeys(variables, math.nan)
