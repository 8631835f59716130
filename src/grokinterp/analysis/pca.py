"""PCA: the principal components of a matrix over its rows, with signs that are always the same ones."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Real
from torch import Tensor

from grokinterp import fourier
from grokinterp.errors import BadRequest


class EmbeddingError(BadRequest):
    """An embedding that cannot be read this way; its one line names the remedy."""


@dataclass(frozen=True)
class PCA:
    """Principal components over the rows of a matrix, tokens say, the largest variance first.

    Attributes:
        scores: [token component], the centred rows in the components (units of the matrix).
        directions: [component d], orthonormal.
        variance_share: [component], each one's share of the total variance.
    """

    scores: Float[Tensor, "token component"]
    directions: Float[Tensor, "component d"]
    variance_share: Float[Tensor, "component"]

    def project(self, W_E: Real[Tensor, "*batch token d"]) -> Float[Tensor, "*batch token component"]:
        """Another matrix's scores in these components, centred on its own mean over rows."""
        W_E = fourier.as_floats(W_E)
        centred = W_E - W_E.mean(dim=-2, keepdim=True)
        return centred @ self.directions.to(W_E).T

    def signed_by_scores(self) -> "PCA":
        """The same components, turned so that the largest score of each is positive: for a map of the rows."""
        signs = _signs(self.scores, 0)
        return replace(self, scores=self.scores * signs, directions=self.directions * signs.T)

    @property
    def rank(self) -> int:
        """How many components are more than rounding in float32."""
        size = self.scores.norm(dim=0)
        floor = max(len(self.scores), self.directions.shape[1]) * torch.finfo(torch.float32).eps
        return int((size > floor * size[0]).sum())


def pca(W_E: Real[Tensor, "token d"], components: int = 20) -> PCA:
    """Centred PCA over rows, in float64: the largest components; fewer where the matrix has fewer.

    Signs are arbitrary in a PCA; here each direction's largest entry is positive, so that the picture of a matrix is
    always the same one. NaN throughout for weights that have diverged. Raises `EmbeddingError` for fewer than two
    rows or one component.
    """
    if len(W_E) < 2 or components < 1:
        raise EmbeddingError(f"a PCA of {len(W_E)} rows and {components} components; give at least 2 rows and 1")
    n = min(components, *W_E.shape)
    centred = W_E.detach().to(torch.float64)
    centred = centred - centred.mean(dim=0)
    if not bool(centred.isfinite().all()):
        nothing = centred.new_full((len(W_E), n), torch.nan)
        return PCA(nothing, centred.new_full((n, W_E.shape[1]), torch.nan), nothing[0])
    # Eigenvectors of the d x d covariance, ten times faster than an SVD; a matrix that is far wider than high is first
    # turned into the space that its rows span.
    span = torch.linalg.qr(centred.T).Q if centred.shape[1] > 2 * len(centred) else None
    narrow = centred if span is None else centred @ span
    power, vectors = torch.linalg.eigh(narrow.T @ narrow)
    directions = (vectors if span is None else span @ vectors).T.flip(0)
    power = power.flip(0).clamp(min=0)
    directions = (directions * _signs(directions, 1))[:n].contiguous()
    total = power.sum().clamp(min=torch.finfo(torch.float64).tiny)
    return PCA(centred @ directions.T, directions, (power / total)[:n])


def _signs(entries: Float[Tensor, "n m"], dim: int) -> Float[Tensor, "_ _"]:
    """Along a dimension the sign of the largest entry; of several that rounding alone tells apart, of the first."""
    sizes = entries.abs()
    is_largest = sizes >= (1 - 1e-5) * sizes.amax(dim, keepdim=True)
    return torch.where(entries.gather(dim, is_largest.int().argmax(dim, keepdim=True)) < 0, -1.0, 1.0)
