"""How much of the logits is cos(w_k(a + b - c)): their coefficient, cosine and share for every frequency."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.periodicity import Periodicity
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout


def fourier_norms_2d(logits: Float[Tensor, "ab answer"], wave: Wave) -> Float[Tensor, "basis_a basis_b"]:
    """The norm over the cycle's answers of every 2-D Fourier component of the logits, operands in the places' order.

    Nanda et al. 2023, figure `norm_fourier_logits`: a sparse model has const x const and, for each key frequency,
    {cos, sin} x {cos, sin} alone.
    """
    return fourier.transform(wave.grid(wave.answers(logits)), (0, 1)).norm(dim=-1)


@dataclass(frozen=True)
class Logits(Circuit):
    """The periodicity of the logits, for a + b, a - b, a * b and a / b each with its own waves (see `Wave`)."""

    name: ClassVar[str] = "logits"
    descriptions: ClassVar[Mapping[str, str]] = {
        "logit_coefficient": "how strong the wave of the answer of each frequency is in the logits",
        "logit_cosine": "how alike the logits and the wave of the answer of each frequency are; 1: the same",
        "logit_fve": "how much of the logits' variance the waves of the answer explain",
        "logit_fourier_norm": "the norm of the logits' part on each product of a Fourier row of a and one of b",
    }
    on_request: ClassVar[tuple[str, ...]] = ("logit_fourier_norm",)

    def why_not(self, snapshot: Snapshot) -> str | None:
        return Wave.why_not(snapshot.task)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        wave = Wave.required(snapshot.task)
        periodicity = Periodicity.of(snapshot.logits, wave)
        variables = {
            "logit_coefficient": Variable(
                ("k",), periodicity.coefficient, "logit", f"inner product with unit {wave.formula}; Nanda et al. 2023"
            ),
            "logit_cosine": Variable(
                ("k",), periodicity.cosine, "1", f"cosine similarity with {wave.formula}; TransformerLens grokking demo"
            ),
            "logit_fve": Variable((), periodicity.fve, "share", f"centred variance explained by all {wave.formula}"),
        }
        if "logit_fourier_norm" in requested:
            variables["logit_fourier_norm"] = Variable(
                ("basis_a", "basis_b"),
                fourier_norms_2d(snapshot.logits, wave),
                "logit",
                "norm over answers of the 2-D Fourier components; Nanda et al. 2023",
            )
        names = fourier.basis_names(wave.cycle)
        return readout(variables, {"basis_a": names, "basis_b": names})
