"""Ablation: what is taken out of a model and what is put in its place, checked before anything runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex, TypeAlias

import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle, Wave
from grokinterp.config import ModelConfig
from grokinterp.config.family import Component
from grokinterp.config.validation import shown
from grokinterp.errors import listed
from grokinterp.interventions.arguments import (
    AblationError,
    batch_rows,
    irrep_numbers,
    layer_pairs,
    n_positions,
    numbers_within,
    one_of,
    orthonormal,
    refuse_absent,
    whole_numbers,
)
from grokinterp.interventions.frequencies import cycle_length, number_blocks, number_waves
from grokinterp.interventions.irreps import element_functions, table_functions
from grokinterp.tasks import Task

Where: TypeAlias = Literal["embedding", "mlp", "logits"]
How: TypeAlias = Literal["zero", "mean", "resample"]


@dataclass(frozen=True, eq=False)
class Ablation:
    """A request that fits a model; its fields are the arguments of `grokinterp.interventions.ablate`.

    Here `directions` are orthonormal and float64, and `data` are the rows that mean and resample use.
    """

    config: ModelConfig
    task: Task | None
    heads: tuple[tuple[int, int], ...]
    neurons: tuple[tuple[int, int], ...]
    frequencies: tuple[int, ...]
    irreps: tuple[int, ...]
    directions: Float[Tensor, "direction width"] | None
    layers: tuple[int, ...]
    positions: tuple[int, ...]
    components: tuple[Component, ...]
    where: Where
    how: How
    data: Int[Tensor, "n position"] | Float[Tensor, "n feature"] | None
    seed: int

    @classmethod
    def of(
        cls,
        config: ModelConfig,
        task: Task | None,
        *,
        heads: Iterable[Any] = (),
        neurons: Iterable[Any] = (),
        frequencies: Iterable[Any] = (),
        irreps: Iterable[Any] = (),
        directions: Float[Tensor, "*direction width"] | ArrayLike | None = None,
        layers: Iterable[Any] = (),
        positions: Iterable[Any] = (),
        components: Iterable[str] = (),
        where: str = "embedding",
        how: str = "zero",
        data: Shaped[Tensor, "n width"] | ArrayLike | None = None,
        seed: SupportsIndex = 0,
    ) -> "Ablation":
        """The request, once all of it is known to fit the model. Raises `AblationError`, naming what it has instead."""
        if not config.stream_points:
            raise AblationError(f"{config.in_words()} has no hook points, so nothing can be taken out of it")
        # A name alone would be read letter by letter.
        components = [components] if isinstance(components, str) else components
        if not isinstance(components, Iterable):
            raise AblationError(f"components={shown(components)} must be names, as in components=['attention']")
        request = cls(
            config=config,
            task=task,
            heads=layer_pairs("head", heads, config, config.layer_heads),
            neurons=layer_pairs("neuron", neurons, config, config.layer_neurons),
            frequencies=tuple(dict.fromkeys(whole_numbers(frequencies, "frequencies", "[14, 35]"))),
            irreps=irrep_numbers(task, irreps),
            directions=orthonormal(directions),
            layers=numbers_within("layer", layers, len(config.layer_neurons or config.layer_heads)),
            positions=numbers_within("position", positions, n_positions(config, task)),
            components=tuple(one_of("components", name, Component) for name in components),
            where=one_of("where", where, Where),
            how=one_of("how", how, How),
            data=task.inputs if data is None and task is not None else batch_rows(data, config, task),
            seed=whole_numbers([seed], "seed", "0")[0],
        )
        request._check()
        return request

    def _check(self) -> None:
        if self.frequencies and self.irreps:
            raise AblationError("frequencies and irreps are two names for the waves on a group; give one of them")
        if self.frequencies:
            n = cycle_length(self.task)
            if self.task is not None and not n:
                raise AblationError(f"no frequencies can be taken out, use directions=: {Cycle.why_not(self.task)}")
            for k in self.frequencies:
                if not 1 <= k <= n // 2:
                    raise AblationError(f"frequency {k} is not between 1 and {n // 2}, the waves on a cycle of {n}")
            if self.where != "embedding":
                self.table_waves()
        if self.directions is not None:
            widths = self._widths()
            if self.directions.shape[1] not in widths:
                raise AblationError(
                    f"directions have {self.directions.shape[1]} entries and where={self.where!r} has "
                    f"{listed(sorted(widths))}; 'embedding' is the residual stream, 'mlp' neurons, 'logits' columns"
                )
        asked: tuple[Component, ...] = ("positions",) if self.positions else ()
        for component in (*asked, *self.components):
            refuse_absent(self.config, component)
        if self.how != "zero" and self.data is None:
            raise AblationError(f"how={self.how!r} needs inputs and this model has no task; give data=, rows of tokens")

    def _widths(self) -> set[int]:
        config = self.config
        if self.where == "logits":
            if not config.has_unembedding:
                raise AblationError(f"a {config.kind} has no unembedding behind its cells; use where='mlp'")
            return {config.d_vocab_out or 0}
        if self.where == "mlp":
            refuse_absent(config, "mlp")
            return set(config.layer_neurons)
        return {config.stream_width}

    # -- frequencies

    @property
    def waves(self) -> tuple[int, ...]:
        """The frequencies or the irreps, whichever are taken out."""
        return self.frequencies or self.irreps

    def table_waves(self) -> Float[Tensor, "wave ab"]:
        """Unit directions on the table that turn with the answer; `AblationError` for a task without such a wave."""
        assert self.task is not None
        if self.irreps:
            return table_functions(self.task, self.irreps)
        wave = Wave.of(self.task)
        if wave is None:
            raise AblationError(
                f"the answers of {self.task.expression!r} ride on no single wave, so where={self.where!r} has none to "
                "remove; use where='embedding', or directions="
            )
        return wave.directions(list(self.frequencies))

    def edit_rows(self, x: Float[Tensor, "ab *rest"], waves: Float[Tensor, "wave ab"]) -> Float[Tensor, "ab *rest"]:
        """`x` on the whole table with its part along the waves removed, or (resample) dealt out to other rows."""
        part = fourier.project(x, waves)
        return x - part if self.how != "resample" else x - part + part[self.shuffle(len(x)).to(x.device)]

    def table_change(
        self, W_E: Float[Tensor, "token d"], column: int | None = None, chosen: tuple[int, ...] | None = None
    ) -> Float[Tensor, "token d"]:
        """What removing the frequencies or irreps (default: all) adds to an embedding read in one column, or in all.

        Zero for tokens that are no numbers. Numbers that have tokens of their own for each operand are a block each.
        """
        assert self.task is not None
        p = self.task.sizes[0]
        of_numbers = element_functions if self.irreps else number_waves
        waves = of_numbers(self.task, self.waves if chosen is None else chosen)
        change = torch.zeros_like(W_E)
        for first in number_blocks(self.task, column):
            part = fourier.project(W_E[first : first + p], waves)
            replacement = part[self.shuffle(p).to(W_E.device)] if self.how == "resample" else 0
            change[first : first + p] = replacement - part
        return change

    # -- what is put in the place

    def shuffle(self, n: int) -> Int[Tensor, "n"]:
        """The seed's permutation of n rows."""
        return torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))

    def donors(self, n: int) -> Int[Tensor, "n"]:
        """[n]: the row of `data` whose activations row i of a batch is given; every row once before any twice."""
        assert self.data is not None
        return self.shuffle(len(self.data))[torch.arange(n) % len(self.data)]

    def of_layer(self, pairs: tuple[tuple[int, int], ...], layer: int) -> list[int]:
        """The heads or neurons of one layer among (layer, index) pairs."""
        return sorted({index for at, index in pairs if at == layer})

    def whole_attention(self, layer: int) -> bool:
        """Whether everything this layer's attention writes is replaced."""
        return layer in self.layers or "attention" in self.components

    def whole_mlp(self, layer: int) -> bool:
        """Whether everything this layer's MLP writes is replaced."""
        return layer in self.layers or "mlp" in self.components


# -- what a model has


def has_positions(config: ModelConfig) -> bool:
    """Whether it has a position embedding."""
    return config.has_positions
