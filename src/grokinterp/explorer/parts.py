"""Parts: what can be taken out of a run's model, and why some parts cannot."""

from functools import cached_property
from typing import Any, get_args

from grokinterp.interventions import (
    Ablation,
    AblationError,
    Component,
    all_frequencies_but,
    all_irreps_but,
    cycle_length,
)
from grokinterp.runs.run import Run
from grokinterp.tasks.groups import GroupTask


class Parts:
    """What can be taken out of a run's model, and why some parts cannot."""

    def __init__(self, run: Run):
        self.config, self.task = run.model_config, run.task

    @cached_property
    def heads(self) -> list[tuple[int, int]]:
        """(layer, head) pairs; empty for a model without attention."""
        return [(layer, head) for layer, n_heads in enumerate(self.config.layer_heads) for head in range(n_heads)]

    @property
    def nouns(self) -> tuple[str, str]:
        """What waves are called here, one of them and several."""
        return ("irrep", "irreps") if isinstance(self.task, GroupTask) else ("frequency", "frequencies")

    @cached_property
    def frequencies(self) -> dict[int, str]:
        """1 to half the cycle of the task's numbers; of a group, the names of its irreps by their places."""
        if isinstance(self.task, GroupTask):
            return {i: irrep.name for i, irrep in enumerate(self.task.group.irreps) if i}
        return {k: str(k) for k in range(1, cycle_length(self.task) // 2 + 1)}

    def waves(self, chosen: tuple[int, ...], keep: bool) -> dict[str, tuple[Any, ...]]:
        """The argument of `gi.ablate` that takes the chosen frequencies or irreps out, or (`keep`) all others."""
        if not isinstance(self.task, GroupTask):
            return {"frequencies": tuple(all_frequencies_but(self.task, chosen)) if keep and chosen else chosen}
        names = [self.frequencies.get(i, i) for i in chosen]
        return {"irreps": tuple(all_irreps_but(self.task, names) if keep and names else names)}

    @cached_property
    def components(self) -> dict[str, str | None]:
        """Each component, with why this model has no such part; None where it has."""
        return {name: self._why_not(components=[name]) for name in get_args(Component)}

    @cached_property
    def places(self) -> dict[str, str | None]:
        """Each place that frequencies are taken from, with why there are none; None where there are."""
        return {name: self._why_not(**{self.nouns[1]: [1]}, where=name) for name in ("embedding", "mlp", "logits")}

    def _why_not(self, **request: Any) -> str | None:
        try:
            Ablation.of(self.config, self.task, **request)
        except AblationError as reason:
            return str(reason)
        return None
