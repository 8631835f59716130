"""Page: the contents, the code that computes with them and the view, put together as one HTML file."""

import json
from pathlib import Path
from typing import Any

import jinja2
import torch
from markupsafe import Markup

from grokinterp.config.validation import check_path
from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.explorer.checkpoint import Scores
from grokinterp.explorer.frozen import contents, holding
from grokinterp.explorer.frozen.packing import BITS, Rounded
from grokinterp.importers import Given
from grokinterp.markup import inside_script
from grokinterp.reports import prose
from grokinterp.runs.files import make_directory
from grokinterp.runs.replacing import check_page, write_over
from grokinterp.runs.run import Run

TOLERANCE = 2e-4
"""How far the table's numbers may be from the run's, losses above 1 relative; of an ablated model's five times that."""

ENGINE = ("arrays", "edits", "folded", "layered", "shard", "pool", "requests")
VIEW = ("drawing", "page")


def freeze(run: Given, out: str | Path) -> Path:
    """Write a run's explorer as one HTML file that needs no server and no network, and return where it is.

    It holds the last checkpoint and as many others, evenly apart on a log scale, as fit into 12 MB. Raises `BadRequest`
    for a model or a task that a page cannot compute.
    """
    check_path("out", out)
    run, out = holding.held_run(run), Path(out)
    check_page(out, run.path)
    make_directory(out.parent)
    assets = _assets()
    room = holding.MOST_BYTES - len(_page(run, assets, [], 0.0, {}))
    held, error = _held(run, room)
    content = _page(run, assets, held, error, _sizes(run))
    write_over(out, content)
    return out


def _held(run: Run, room: int) -> tuple[list[dict[str, Any]], float]:
    """The checkpoints that fit, as the page reads them, and the largest error of their numbers."""
    n_parameters = sum(weight.numel() for weight in contents.weights_at(run, run.steps[-1]).values())
    kept: dict[int, tuple[Rounded, float] | None] = {}
    for n in range(room // holding.text_size(n_parameters, BITS[0]), 0, -1):
        chosen = holding.spread(run.steps, n)
        for step in chosen:
            if step not in kept:
                kept[step] = _rounded(run, step)
        finite = {step: each for step in chosen if (each := kept[step]) is not None}
        if chosen[-1] not in finite:
            raise BadRequest(
                f"the last weights of {run.name} answer with no finite numbers, and a file of them would show nothing; "
                f"`grokinterp info` counts what is not finite"
            )
        held = [rounded.as_data(step) for step, (rounded, _) in finite.items()]
        if sum(len(json.dumps(each)) for each in held) <= room:
            return held, max(error for _, error in finite.values())
    megabytes = holding.text_size(n_parameters, BITS[0]) / 1e6
    raise BadRequest(f"a checkpoint of {run.name} takes {megabytes:.0f} MB and a frozen explorer 12; {holding.SERVED}")


def _rounded(run: Run, step: int) -> tuple[Rounded, float] | None:
    """The weights as coarsely rounded as the numbers allow, and the numbers' error; None for weights that diverged."""
    weights = contents.weights_at(run, step)
    if not all(bool(weight.isfinite().all()) for weight in weights.values()):
        return None
    parameters = run[step].parameters
    exact = _numbers(run, parameters)

    def at(bits: int) -> tuple[Rounded, float]:
        rounded = Rounded.of(weights, bits)
        numbers = _numbers(run, {name: rounded.parameters[name] for name in parameters})
        return rounded, max(abs(numbers[name] - value) / max(abs(value), 1) for name, value in exact.items())

    *coarser, finest = BITS
    return next((one for one in map(at, coarser) if one[1] <= TOLERANCE), None) or at(finest)


def _numbers(run: Run, parameters: Any) -> dict[str, float]:
    with torch.no_grad():
        snapshot = Snapshot(0, run.model_config, run.task, parameters)
        return Scores.of(snapshot.logits, run.task).means


def _sizes(run: Run) -> dict[str, int]:
    return {name: weight.numel() for name, weight in contents.weights_at(run, run.steps[-1]).items()}


def _page(run: Run, assets: dict[str, str], held: list[dict[str, Any]], error: float, sizes: dict[str, int]) -> bytes:
    data = {
        "model": contents.model_data(run),
        "table": contents.table_data(run),
        "curves": contents.curves_data(run),
        "example": contents.example_row(run.task),
        "opening": contents.opening_of(run),
        "tensors": [{"name": name, "size": size} for name, size in sizes.items()],
        "checkpoints": held,
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(assets["frozen.html"]).render(
        name=run.name,
        title=prose.title(run),
        words=run.model_config.in_words(),
        assumptions=[f"{each}." for each in run.assumptions],
        style=Markup(assets["frozen.css"]),
        contents=Markup(inside_script(json.dumps(data, separators=(",", ":")))),
        engine=Markup("\n".join(assets[f"{name}.js"] for name in ENGINE)),
        page=Markup("\n".join(assets[f"{name}.js"] for name in VIEW)),
        held=len(held),
        of=len(run.steps),
        bits=" or ".join(str(bits) for bits in sorted({each["bits"] for each in held})),
        error=prose.scientific(error, 1),
    )
    return page.encode()


def _assets() -> dict[str, str]:
    return {path.name: path.read_text() for path in (Path(__file__).parent / "assets").iterdir()}
