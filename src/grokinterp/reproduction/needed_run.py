"""Training: a run that claims need, said as `gi.train` is called."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from grokinterp.config import RunConfig
from grokinterp.config.presets import preset as preset_config
from grokinterp.tasks import spelled
from grokinterp.training.planning import plan


@dataclass(frozen=True)
class Training:
    """The arguments of one run, and about how many minutes it takes on one core.

    `frozen_from` is another run whose final embedding this one starts from and keeps (Furuta et al. 2024, section 7).
    """

    task: str
    minutes: float
    preset: str = "nanda"
    fields: dict[str, Any] = field(default_factory=dict)
    frozen_from: "Training | None" = None

    def config(self, source: Path | None = None, **changed: Any) -> RunConfig:
        """Its configuration; `source` is the directory of the run that it starts from."""
        if self.frozen_from is not None:
            changed |= {"pretrained": str(source), "pretrained_parts": ("embed",), "frozen_parts": ("embed",)}
        return self._own.replace(**changed)

    @cached_property
    def _own(self) -> RunConfig:
        return plan(self.task, preset=self.preset, **self.fields)[0]

    @property
    def expression(self) -> str:
        """Its task as a configuration spells it. Like `seed` and `steps` known without building the task's table."""
        return spelled(self.task)

    @property
    def seed(self) -> int:
        return self.fields.get("seed", preset_config(self.preset).seed)

    @property
    def steps(self) -> int:
        return self.fields.get("steps", preset_config(self.preset).schedule.steps)

    @property
    def whole(self) -> tuple["Training", ...]:
        """Itself, after the runs that it starts from."""
        return (*(self.frozen_from.whole if self.frozen_from else ()), self)


def training(task: str, minutes: float, preset: str = "nanda", **fields: Any) -> Training:
    """`training("a + b", 50, p=113, seed=0, steps=40_000)`: fields by keyword, as `gi.train` takes them."""
    return Training(task, minutes, preset, fields)
