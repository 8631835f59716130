"""Export: a view as a section of a report, and as one row for each pair."""

import io

import pandas as pd

from grokinterp.explorer.page.snippet import snippet
from grokinterp.explorer.page.text import NAMES, number, percent
from grokinterp.explorer.parts import Parts
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State, ranges
from grokinterp.markup import escape

CAPTIONS = {
    "table": "Every pair of operands, after.",
    "spectrum": "Waves in the logits, before (grey) and after.",
    "neurons": "The neurons; those taken out are full.",
    "curves": "The checkpoint on the training curves; train grey, test blue.",
    "plane": "The checkpoint between clock and pizza.",
    "activation": "Activation of the neuron looked at.",
    "waves": "Its two-dimensional spectrum.",
    "phases": "Every neuron by the phases of its waves of a and of b.",
    "order": "Every neuron by the phase that it reads and the phase that it writes.",
    "latent": "Answers read off the waves' phases over training.",
    "shape": "Between disc and torus over training.",
}

OF_GROUPS = {
    "spectrum": "Irreps in the logits, before (grey) and after.",
    "plane": "The neurons, by the subgroup whose cosets they rest on.",
}
"""What the captions are of a group's run instead."""


def captions(session: Session, state: State) -> list[tuple[str, str]]:
    """(figure, caption) of all that may be on the screen."""
    is_group = session.checkpoint_of(state).cosets is not None
    return list((CAPTIONS | OF_GROUPS if is_group else CAPTIONS).items())


def section(session: Session, state: State) -> str:
    """A section of HTML that stands alone; `<!--figures-->` marks where pictures go."""
    before, after = session.scores(state)
    old, new = before.means, after.means
    shown = lambda name, value: number(value) if name.endswith("loss") else percent(value)
    rows = "".join(
        f"<tr><th>{NAMES[name]}</th><td>{shown(name, old[name])}</td><td>{shown(name, new[name])}</td></tr>"
        for name in sorted(old, key=list(NAMES).index)
    )
    return _SECTION.format(
        title=escape(f"{state.run}, step {state.step:,}"),
        taken=escape(taken_out(session, state)),
        read="".join(f"<p>{escape(str(each))}.</p>" for each in session.runs[state.run or ""].assumptions),
        rows=rows,
        code=escape(snippet(session, state)),
    )


def taken_out(session: Session, state: State) -> str:
    """What is taken out, in one sentence."""
    request = session.request(state)
    parts = []
    if state.heads:
        parts.append(f"{'head' if len(state.heads) == 1 else 'heads'} {ranges(state.heads)} (layer.heads)")
    if state.neurons:
        parts.append(f"{len(state.neurons)} neurons {ranges(state.neurons)} (layer.neurons)")
    if state.frequencies:
        known = Parts(session.runs[state.run or ""])
        one, many = known.nouns
        which = f"all {many} but" if state.keep else one if len(state.frequencies) == 1 else many
        parts.append(f"{which} {', '.join(known.frequencies[k] for k in state.frequencies)} of the {state.where}")
    if state.components:
        parts.append(", ".join(name.replace("_", " ") for name in state.components))
    if not request:
        return "Nothing is taken out."
    in_place = {"zero": "zeros", "mean": "the mean", "resample": "another row's value"}[state.how]
    return f"Taken out: {'; '.join(parts)}. In their place: {in_place}."


def table(session: Session, state: State) -> str:
    """CSV: one row for each row of the task's table, its scores before and after."""
    before, after = session.scores(state)
    task = before.task
    columns = {name: task.operands[:, i] for i, name in enumerate("abcdefgh"[: task.operands.shape[1]])}
    frame = pd.DataFrame({name: column.numpy() for name, column in columns.items()})
    frame["answer"] = task.answer_labels.numpy()
    if task.is_train is not None:
        frame["is_train"] = task.is_train.numpy()
    for name, scores in (("before", before), ("after", after)):
        frame[f"loss_{name}"] = scores.loss.numpy()
        frame[f"margin_{name}"] = scores.margin.numpy()
        frame[f"predicted_{name}"] = scores.predicted.numpy()
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False)
    return buffer.getvalue()


_SECTION = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
section {{ max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
th, td {{ text-align: left; padding: .2rem 1.2rem .2rem 0; font-variant-numeric: tabular-nums; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1rem; }}
figure {{ margin: 0; }} img {{ width: 100%; }} figcaption {{ font-size: .85rem; opacity: .75; }}
pre {{ overflow: auto; padding: 1rem; background: rgba(140, 144, 150, .12); border-radius: 6px; font-size: .85rem; }}
</style></head><body><section>
<h2>{title}</h2>
<p>{taken}</p>
{read}
<table><thead><tr><th></th><th>before</th><th>after</th></tr></thead><tbody>{rows}</tbody></table>
<!--figures-->
<h3>The same in Python</h3>
<pre>{code}</pre>
</section></body></html>
"""
