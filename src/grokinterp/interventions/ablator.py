"""Ablator: what a snapshot computes once parts are taken out, from its own activations where these are enough."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp import models
from grokinterp.evaluation.snapshot import Snapshot, rows_at_once
from grokinterp.interventions.hooks import applied
from grokinterp.interventions.last_position import Ablated, LastPosition
from grokinterp.interventions.request import Ablation


class Ablator:
    """Many ablations of one snapshot: `Ablator(snapshot).columns(heads=[(0, 1)])`, without a block.

    The arguments and the numbers are those of `grokinterp.interventions.ablate` on the whole table, at the (first)
    scored position, equal to float rounding. For a transformer that the fast path takes, what comes before the
    ablation is not computed again, nor what it reaches linearly; other models are run with hooks.
    """

    def __init__(self, snapshot: Snapshot):
        self.snapshot = snapshot

    def columns(self, **request: Any) -> Float[Tensor, "ab column"]:
        """[ab, d_vocab_out]: the logits of all output columns. Raises `AblationError` as `ablate` does."""
        snapshot = self.snapshot
        ablation = Ablation.of(snapshot.config, snapshot.task, **request)
        with torch.no_grad():
            needs_hooks = self.why_hooks(ablation) is not None
            if not request and (snapshot.is_evaluated or needs_hooks):
                return snapshot.columns
            return self._through_hooks(ablation) if needs_hooks else self._ablated(ablation).columns()

    def logits(self, **request: Any) -> Float[Tensor, "ab answer"]:
        """[ab, answer]: those of the answers 0 .. n_answers - 1."""
        return self.columns(**request)[:, : self.snapshot.task.n_answers]

    def why_hooks(self, ablation: Ablation) -> str | None:
        """Why an ablation has to be run with hooks; None where the snapshot's own activations do."""
        config, task = self.snapshot.config, self.snapshot.task
        if reason := config.why_not_fused(task.positions):
            return reason
        if ablation.directions is not None:
            return "directions are taken out all along the stream"
        if ablation.data is not task.inputs:
            return "the reference is not the table itself"
        names = self.snapshot.parameters
        is_fixed = config.has_positions and "pos_embed.W_pos" not in names
        return "its positions are no parameters" if is_fixed else None

    def patterns(self, **request: Any) -> list[Float[Tensor, "ab head source"]]:
        """Each layer's attention from the scored position; of a head that is taken out, the one it no longer uses."""
        snapshot = self.snapshot
        ablation = Ablation.of(snapshot.config, snapshot.task, **request)
        names = snapshot.layers("hook_pattern")
        with torch.no_grad():
            if self.why_hooks(ablation) is not None:
                return list(self._seen(ablation, names).values())
            return [self._clean.reading_without(ablation).pattern.mT]

    def activations(self, layer: int, **request: Any) -> Float[Tensor, "ab neuron"]:
        """A layer's neurons after the nonlinearity, at the scored position, as they go on to the layer's output."""
        snapshot = self.snapshot
        ablation = Ablation.of(snapshot.config, snapshot.task, **request)
        name = snapshot.layers("mlp.hook_post")[layer]
        with torch.no_grad():
            if self.why_hooks(ablation) is not None:
                return self._seen(ablation, [name])[name]
            return self._ablated(ablation).post()

    # -- with hooks

    def _through_hooks(self, ablation: Ablation) -> Float[Tensor, "ab column"]:
        with applied(self._model, ablation) as model:
            options = self.snapshot.config.forward_options(self.snapshot.task.positions[:1])
            return torch.cat([model(rows, **options)[:, 0] for rows in self._batches(ablation)])

    def _seen(self, ablation: Ablation, names: list[str]) -> dict[str, Float[Tensor, "ab *rest"]]:
        """Activations at the scored position, by the names of their hooks."""
        config, task = self.snapshot.config, self.snapshot.task
        place = config.read_positions(task.positions)[0]
        seen: dict[str, list[Tensor]] = {name: [] for name in names}
        with applied(self._model, ablation) as model:
            for rows in self._batches(ablation):
                _, cache = model.run_with_cache(rows, names_filter=names, return_cache_object=False)
                for name, values in seen.items():
                    values.append(cache[name].movedim(config.position_axis(name), 1)[:, place])
        return {name: torch.cat(values) for name, values in seen.items()}

    def _batches(self, ablation: Ablation) -> Sequence[Tensor]:
        """The table's rows, as many at a time as fit; all of them where a row's value depends on the whole table."""
        inputs = self.snapshot.task.inputs
        is_whole = ablation.how == "resample" or ablation.waves
        return [inputs] if is_whole else inputs.split(rows_at_once(inputs))

    @cached_property
    def _model(self) -> Any:
        return models.build(self.snapshot.config, parameters=dict(self.snapshot.parameters), task=self.snapshot.task)

    # -- without

    @cached_property
    def _clean(self) -> LastPosition:
        return LastPosition(self.snapshot)

    def _ablated(self, ablation: Ablation) -> Ablated:
        return Ablated.of(ablation, self.snapshot, self._clean)
