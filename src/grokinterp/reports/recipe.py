"""Recipe: the shortest command, and the Python call, that train a run's configuration again."""

import dataclasses
import json
import shlex
from typing import Any

from grokinterp.config import SECTIONS, RunConfig, TaskConfig
from grokinterp.config.presets import PRESETS
from grokinterp.tasks import build

ALWAYS = ("frac", "steps")
"""Fields that are written out although they are the preset's own: a reader looks for them."""

LONGEST = 400
"""Characters of a task's parameter that a command can hold; a table of one's own may have a million."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a caller must say beyond the preset.

    Attributes:
        expression, preset, seed: of the run. parameters: of the task. fields: of any section.
    """

    expression: str
    preset: str
    seed: int | None
    parameters: dict[str, Any]
    fields: dict[str, Any]

    @classmethod
    def of(cls, config: RunConfig, seed_known: bool = True) -> "Recipe | None":
        """None where no command says it: an unknown preset, another kind of model, a split by hand, a large table.

        A seed that is not known is left out.
        """
        base = PRESETS.get(config.preset)
        if base is None or type(base.model) is not type(config.model) or config.split.split == "indices":
            return None
        built = build(TaskConfig(config.task.expression), defaults=base.task.parameters)
        parameters = {
            name: value
            for name, value in config.task.parameters.items()
            if name == "p" or built.parameters.get(name) != value
        }
        if any(len(str(value)) > LONGEST for value in parameters.values()):
            return None
        given = build(config.task)
        model = base.model.resolved(given.n_vocab, given.n_answers, given.inputs.shape[1])
        fields = {}
        for section in SECTIONS:
            preset_values = model if section == "model" else getattr(base, section)
            for field in dataclasses.fields(preset_values):
                value = getattr(getattr(config, section), field.name)
                # A size that was left open in a config that was never resolved is the derived one.
                if field.name in ALWAYS or (value is not None and value != getattr(preset_values, field.name)):
                    fields[field.name] = value
                elif value is None and getattr(getattr(base, section), field.name) is not None:
                    fields[field.name] = None
        return cls(config.task.expression, config.preset, config.seed if seed_known else None, parameters, fields)

    def command(self) -> str:
        """`grokinterp train "a + b" --p 113 ...`, to be pasted into a shell."""
        words = [] if self.preset == "nanda" else ["--preset", self.preset]
        for name in ("p", "layout"):
            words += [f"--{name}", str(self.parameters[name])] if name in self.parameters else []
        others = [f"{name}={_text(value)}" for name, value in self.parameters.items() if name not in ("p", "layout")]
        # One flag for all of them: of several the last would count.
        words += ["--set", *others] if others else []
        for name, value in self.fields.items():
            words += _flag(name, value)
        # Last, so that a flag that takes several values never stands before the formula.
        words += [] if self.seed is None else ["--seed", str(self.seed)]
        expression = shlex.quote(self.expression)
        quoted = shlex.join(words)
        # A formula that begins with a minus sign would be read as an option.
        return (
            f"grokinterp train {quoted} -- {expression}"
            if self.expression.startswith("-")
            else (f"grokinterp train {expression} {quoted}")
        )

    def python(self) -> str:
        """`run = gi.train(...)`, to be pasted into a notebook."""
        given = {"preset": self.preset} if self.preset != "nanda" else {}
        given |= {**self.parameters, **self.fields} | ({} if self.seed is None else {"seed": self.seed})
        arguments = "".join(f", {name}={value!r}" for name, value in given.items())
        return f"import grokinterp as gi\n\nrun = gi.train({self.expression!r}{arguments})"


def _text(value: Any) -> str:
    """A task's parameter as --set reads it: words as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _flag(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, tuple):
        return [f"--{flag}", *map(str, value)]
    return [f"--{flag}", str(value)]
