"""Train a model on a task and keep checkpoints of it."""

import dataclasses
import math
import re
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from grokinterp.cli.arguments import option, parameter, parse, say, split_at_dashes
from grokinterp.config import SECTIONS, RunConfig
from grokinterp.config.presets import DEFAULT, PRESETS, preset, recipe
from grokinterp.errors import BadRequest

ORDER = 20


def arguments(base: RunConfig) -> type:
    """The options of `train` as a dataclass, with the preset's values as defaults."""
    summary = {
        "expression": Annotated[
            str, tyro.conf.Positional, tyro.conf.arg(name="EXPR", help="a formula, or a task's name")
        ],
        "preset": Annotated[Literal[*PRESETS], tyro.conf.arg(help="whose recipe the defaults are")],  # type: ignore[valid-type]
        "p": Annotated[int | None, tyro.conf.arg(help=f"modulus; {base.task.parameters.get('p')} where left out")],
        "layout": Annotated[str | None, tyro.conf.arg(help="tokens of a row, as in 'a b =' or 'a op b'")],
        "set": Annotated[
            tuple[str, ...],
            tyro.conf.arg(help="further parameters of the task, as in table_seed=1 or include_equal=true"),
        ],
        "seed": Annotated[int, tyro.conf.arg(help="of the weights, and of the split unless --split-seed is given")],
        "out": Annotated[Path | None, tyro.conf.arg(help="directory of the run; runs/<name> where left out")],
        "resume": Annotated[bool, tyro.conf.arg(help="continue the run in --out, if there is one")],
        "overwrite": Annotated[bool, tyro.conf.arg(help="replace the run in --out, if there is one")],
        "device": Annotated[Literal["auto", "cpu", "cuda"], tyro.conf.arg(help="where to compute")],
        "threads": Annotated[int | None, tyro.conf.arg(help="processor cores to use; all where left out")],
        "loggers": Annotated[
            tuple[str, ...], tyro.conf.arg(help="told each row of metrics: tensorboard wandb trackio")
        ],
    }
    defaults: dict[str, Any] = {
        "expression": base.task.expression,
        "preset": base.preset,
        "p": None,
        "layout": None,
        "set": (),
        "seed": base.seed,
        "out": None,
        "resume": False,
        "overwrite": False,
        "device": "auto",
        "threads": None,
        "loggers": (),
    }
    fields = [(name, hint, field(default=defaults[name])) for name, hint in summary.items()]
    fields += [(name, type(getattr(base, name)), field(default=getattr(base, name))) for name in SECTIONS]
    return dataclasses.make_dataclass("train", fields, namespace={"__doc__": _DESCRIPTION})


_DESCRIPTION = """Train a model on a task and keep checkpoints of it.

A formula is of the operands a, b (and c), mod p: "a + b", "a^2 + a*b", "a / b if b % 2 else a - b". One that begins
with - goes after --. Several, divided by ;, are learnt together."""


def run(argv: list[str]) -> None:
    """Train, with a progress bar, and say where the run is."""
    before, after = split_at_dashes(argv)
    if len(after) > 1:
        raise BadRequest(f"train: one formula goes after --, in quotes, not {len(after)} words")
    if negative := next((word for word in before if re.match(r"-[\s(\d*]*[abcxyz]\b", word)), None):
        raise BadRequest(f"train: a formula that begins with - goes after the options and --, as in `-- {negative!r}`")
    words = [*(["EXPR"] if after else []), *before]
    named = option(before, "preset")
    # The recipe has the options' defaults, and the task that has one of its own stands among them.
    own = next((recipe(word) for word in before if recipe(word) != DEFAULT), DEFAULT)
    given: Any = parse(arguments(preset(named or own)), words, "train")
    if named is None and recipe(given.expression) != own:
        own = recipe(given.expression)
        given = parse(arguments(preset(own)), words, "train")
    options = {section: getattr(given, section) for section in SECTIONS}
    parameters = {"p": given.p, "layout": given.layout}
    for name, value in map(parameter, given.set):
        if parameters.get(name) is not None:
            raise BadRequest(f"train: {name} is given twice, as {parameters[name]} and as {value}; leave one out")
        parameters[name] = value

    from grokinterp.training.trainer import train

    finished = train(
        after[0] if after else given.expression,
        preset=named,
        seed=given.seed,
        out=given.out,
        resume=given.resume,
        overwrite=given.overwrite,
        device=given.device,
        threads=given.threads,
        loggers=given.loggers,
        **{name: value for name, value in parameters.items() if value is not None},
        **options,
    )
    last = finished.metrics.iloc[-1]
    tested = f"test loss {last.test_loss:.3g}, test accuracy {last.test_accuracy:.2%}"
    say(
        f"{finished.path}: {len(finished)} checkpoints to step {finished.steps[-1]}, train loss {last.train_loss:.3g}, "
        f"{'no test rows' if math.isnan(last.test_loss) else tested}"
    )
