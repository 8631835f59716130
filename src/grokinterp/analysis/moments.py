"""Moments: means and covariances of a layer's pre-activations over a table of two operands; means of groups of rows.

All of them are sums over the table, so that those of what the layer reads tell them: a stream of 128 entries has a
quarter of the entries of 512 neurons.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.evaluation.snapshot import Snapshot

ROWS = 2048
"""How many rows are multiplied in float32 before their products are added in float64."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Neurons x W + b on the cells of a table, of which only sums over the table are computed.

    Attributes:
        x: what the layer reads, where the operands stand at places a and b of their cycle.
        W: the layer's weights; None where x is the pre-activations themselves.
        b: its bias; None without.
        sign: 1 where the answer is a + b, -1 where it is a - b.
    """

    x: Float[Tensor, "place_a place_b d"]
    W: Float[Tensor, "d neuron"] | None = None
    b: Float[Tensor, "neuron"] | None = None
    sign: int = 1

    @classmethod
    def of(cls, snapshot: Snapshot, wave: Wave, name: str) -> "Moments":
        """Of the pre-activations under a hook's name, on the task's cycle."""
        block = name.removesuffix("mlp.hook_pre")
        if not snapshot.config.has_token_attention or snapshot.config.has_norms:
            return cls(wave.grid(snapshot[name]), sign=wave.sign)
        W_in, b_in = (snapshot.parameters.get(f"{block}mlp.{letter}_in") for letter in "Wb")
        return cls(wave.grid(snapshot[f"{block}hook_resid_mid"]), W_in, b_in, wave.sign)

    @cached_property
    def mean(self) -> Float[Tensor, "neuron"]:
        """[neuron], over the table."""
        mean = self._mean_input if self.W is None else self._mean_input @ self.W.double()
        return mean if self.b is None else mean + self.b.double()

    @cached_property
    def waves(self) -> Complex[Tensor, "by k neuron"]:
        """The coefficients (`complex_waves`) of the means by a, by b and by answer, in this order."""
        n = len(self.x)
        place = torch.arange(n)
        cells = place * n + self.sign * (place[:, None] - place) % n
        by_answer = F.embedding_bag(cells, self.x.flatten(0, 1), mode="mean")
        means = torch.stack([self.x.mean(1), self.x.mean(0), by_answer]).double()
        rows = fourier.transform(means, 1).to(self.x)
        return complex_waves((rows if self.W is None else rows @ self.W).double())

    @cached_property
    def variance(self) -> Float[Tensor, "neuron"]:
        """[neuron], over the table."""
        if self.W is not None:
            return (self.W * self._covariance_with_input).sum(0).clamp(min=0)
        parts = [part.square_().sum(0) for part in self._centred_parts()]
        return torch.stack(parts).sum(0, dtype=torch.float64) / self._n_cells

    def covariances(self, clusters: Sequence[Int[Tensor, "_"]]) -> list[Float[Tensor, "_ _"]]:
        """The covariances with each other of the neurons of each cluster."""
        # All are gathered at once, so that each cluster is a block of columns.
        order, sizes = torch.cat([*clusters, torch.zeros(0, dtype=torch.int64)]), [len(each) for each in clusters]
        if self.W is None:
            centred = self.x.flatten(0, 1).index_select(1, order).sub_(self.mean[order].to(self.x))
            return [(x.T @ x).double() / self._n_cells for x in centred.split(sizes, 1)]
        weights, covariances = self.W[:, order].double(), self._covariance_with_input[:, order]
        pairs = zip(weights.split(sizes, 1), covariances.split(sizes, 1), strict=True)
        return [each.T @ covariance for each, covariance in pairs]

    @cached_property
    def _covariance_with_input(self) -> Float[Tensor, "d neuron"]:
        assert self.W is not None
        products = torch.stack([part.T @ part for part in self._centred_parts()])
        return products.sum(0, dtype=torch.float64) / self._n_cells @ self.W.double()

    def _centred_parts(self) -> Iterator[Float[Tensor, "_ d"]]:
        mean = self._mean_input.to(self.x)
        return (part - mean for part in self.x.flatten(0, 1).split(ROWS))

    @cached_property
    def _mean_input(self) -> Float[Tensor, "d"]:
        return self.x.mean(0).double().mean(0)

    @property
    def _n_cells(self) -> int:
        return len(self.x) ** 2


def complex_waves(rows: Float[Tensor, "*batch basis neuron"]) -> Complex[Tensor, "*batch k neuron"]:
    """The complex coefficients of k = 1 .. floor(n/2) by rows of `fourier.basis`: A cos(w x + phi) has A e^(i phi) / 2.

    At the Nyquist frequency, where there is no sine, it has A cos(phi).
    """
    n = rows.shape[-2]
    # A cosine row's entry at place 0 is its scale.
    rows = rows[..., 1:, :] / (n * fourier.basis(n)[1::2, 0].repeat_interleave(2)[: n - 1, None])
    cosines, sines = rows[..., ::2, :], rows[..., 1::2, :]
    return torch.complex(cosines, F.pad(-sines, (0, 0, 0, cosines.shape[-2] - sines.shape[-2])))


def group_means(x: Float[Tensor, "row *rest"], group: Int[Tensor, "row"]) -> Float[Tensor, "group *rest"]:
    """The mean over the rows of each group, which `group` numbers from 0; zeros for a number that no row has."""
    counts = group.bincount().clamp(min=1)
    sums = x.new_zeros(len(counts), *x.shape[1:]).index_add_(0, group, x)
    return sums / counts.view(-1, *[1] * (x.ndim - 1))
