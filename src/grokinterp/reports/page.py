"""Page: sections and figures put together as one HTML file that needs nothing else."""

import base64
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2
import numpy as np
import plotly.io as pio
import plotly.offline
from markupsafe import Markup

from grokinterp.markup import inside_script, joined
from grokinterp.reports import prose, verdict
from grokinterp.reports.figures.frames import texture
from grokinterp.reports.glossary import words_in
from grokinterp.reports.section import Absent, Plate, Section
from grokinterp.reports.sections import sections_of
from grokinterp.reports.sections.reproduction import configuration
from grokinterp.reports.subject import Subject


def page(subject: Subject) -> str:
    """The whole HTML page on a run; `report` writes it to a file."""
    sections = sections_of(subject)
    plates = plates_of(sections)
    run, masks = subject.run, subject.head_masks
    moving = [i for i, section in enumerate(sections) if section.heads or any(p.frames for p in section.plates)]
    return (
        templates()
        .get_template("report.html")
        .render(
            title=prose.title(run),
            name=run.name,
            headline=verdict.headline(subject),
            sections=sections,
            words=words_in("\n".join(section.text for section in sections)),
            first_moving=moving[0] if moving and len(subject.frame_steps) > 1 else -1,
            last_moving=moving[-1] if moving and len(subject.frame_steps) > 1 else -1,
            steps=subject.frame_steps if moving else [],
            heads=head_names(subject),
            readings=readings(subject),
            head_steps=[] if isinstance(masks, Absent) else masks.step.values.tolist(),
            configuration=configuration(run),
            written=written(),
            plotly=Markup(plotly.offline.get_plotlyjs()) if plates else Markup(""),
            figures=Markup(figures_json(plates)),
            controls=Markup(inside_script(json.dumps(controls(subject), separators=(",", ":")))),
        )
    )


def numbers(subject: Subject) -> str:
    """What the page says without its figures, as text: for where it cannot be written."""
    lines = [f"{subject.run.name}: {prose.title(subject.run)}", verdict.headline(subject)]
    for section in sections_of(subject):
        folded = [fact for fold in section.folds for fact in fold.facts]
        facts = [
            f"{fact.name}: {fact.value}{f' ({fact.note})' if fact.note else ''}" for fact in [*section.facts, *folded]
        ]
        if texts := [*section.paragraphs, *section.notes, *facts]:
            lines += ["", section.title, *texts]
    return "\n".join(lines)


@cache
def templates() -> jinja2.Environment:
    """The pages' templates, with every value escaped, and no line broken between a number and its unit."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("grokinterp.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: joined(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def written() -> str:
    """Today, as it stands under a title."""
    return datetime.now(UTC).strftime("%-d %B %Y")


def plates_of(sections: list[Section]) -> list[Plate]:
    """All figures of a page, in order."""
    return [plate for section in sections for plate in section.plates]


def figures_json(plates: list[Plate]) -> str:
    """Every figure by name, as JSON that may stand inside a script element.

    What moves stands in `frames` alone, one for each step of the slider; pictures there are textures.
    """
    figures = {}
    for plate in plates:
        figure = json.loads(pio.to_json(plate.figure) or "")
        if plate.frames:
            for trace, moved in zip(figure["data"], plate.frames[-1], strict=True):
                for attribute in moved:
                    trace.pop(attribute, None)
            figure["frames"] = _packed(plate)
        figures[plate.name] = figure
    return inside_script(json.dumps(figures, separators=(",", ":")))


def _packed(plate: Plate) -> list[list[dict[str, Any]]]:
    reach: dict[tuple[int, str], tuple[float, float]] = {}
    for place, attribute in ((i, name) for i, moved in enumerate(plate.frames[-1]) for name in moved):
        arrays = [np.asarray(frame[place][attribute]) for frame in plate.frames]
        if arrays[0].ndim == 2:
            known = [array[np.isfinite(array)] for array in arrays]
            values = np.concatenate(known) if any(part.size for part in known) else np.zeros(1)
            reach[place, attribute] = float(values.min()), float(values.max())
    return [
        [
            {
                name: texture(np.asarray(value), *reach[i, name]) if (i, name) in reach else _array(np.asarray(value))
                for name, value in moved.items()
            }
            for i, moved in enumerate(frame)
        ]
        for frame in plate.frames
    ]


def _array(values: np.ndarray) -> Any:
    """Plotly's own base64 form of a vector; whole numbers as the smallest kind that holds them."""
    if values.dtype.kind in "iub":
        values = values.astype(np.min_scalar_type(-int(np.abs(values).max(initial=0)) - 1))
    else:
        values = values.astype(np.float32)
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return {"dtype": values.dtype.str[1:], "bdata": base64.b64encode(little.tobytes()).decode()}


def head_names(subject: Subject) -> list[str]:
    """The heads that can be switched off, in the order of the masks' bits."""
    if isinstance(subject.head_masks, Absent):
        return []
    config: Any = subject.run.model_config
    layers, heads = range(config.n_layers), range(config.n_heads)
    return [f"head {i}.{j}" if len(layers) > 1 else f"head {j}" for i in layers for j in heads]


def readings(subject: Subject) -> list[tuple[str, str]]:
    """The measures that the switches of heads show, each by its name and in words that say of which rows it is."""
    masks = subject.head_masks
    if isinstance(masks, Absent):
        return []
    if subject.run.task.is_train is None:
        rows = [("train_loss", "loss on all rows (nats)"), ("train_accuracy", "accuracy on all rows")]
    else:
        rows = [("train_loss", "train loss (nats)"), ("test_loss", "test loss (nats)")]
        rows += [("train_accuracy", "train accuracy"), ("test_accuracy", "test accuracy")]
    return [(name, words) for name, words in rows if bool(masks[f"{name}_without_heads"].notnull().any())]


def controls(subject: Subject) -> dict[str, Any]:
    """What the slider and the switches of heads read: steps, and losses and accuracies by mask."""
    found: dict[str, Any] = {"steps": subject.frame_steps if subject.run.steps else []}
    masks = subject.head_masks
    if not isinstance(masks, Absent):
        values = {
            str(name).removesuffix("_without_heads"): [
                [None if value != value else float(f"{value:.7g}") for value in row] for row in variable.values.tolist()
            ]
            for name, variable in masks.data_vars.items()
        }
        found["masks"] = {"steps": masks.step.values.tolist(), "values": values}
    return found
