"""Latent circuit: when the answer can be read off the weights' waves, beside when the model gives it."""

import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Finding, Plate, Section
from grokinterp.reports.subject import Subject

OVER_TIME = (
    "First panel, the accuracy on rows whose swap is unseen too: of the model, of a network that is rebuilt from each "
    "checkpoint's strongest waves alone, and of the same waves dealt out to other neurons, which is chance. Second "
    "panel, the order of phases that the rebuilt network lives on: a quarter turn (1.57) for random phases, 0 where "
    "every neuron writes the phase that it reads. Rebuilding assumes a network of this kind, so it shows that order, "
    "not what the network says, and a memory has some of it too: alone it is no promise that a run will generalise. "
    "Late in training it falls behind the model, whose second waves it leaves out."
)


class Latent(Finding):
    """Of a model that is solved, or was on its way: a memory has some order of phases too."""

    order = 432
    title = "When it is readable"
    variables = (
        "latent_accuracy",
        "latent_accuracy_unswapped",
        "latent_accuracy_shuffled",
        "latent_accuracy_shuffled_spread",
        "latent_rows",
        "latent_loss",
        "latent_same_frequency",
        "latent_phase_sum",
    )
    requires = ("latent_accuracy_unswapped",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        if not subject.outcome.is_learning:
            return
        section.paragraphs.append(sentence(trace, subject.landmarks.grokked_step))
        if trace.sizes["step"] > 1:
            source = prose.source(subject.run, "neurons before their activation function, and their map to the logits")
            section.plates.append(Plate("latent-circuit", over_time(trace), OVER_TIME, source))


def sentence(trace: xr.Dataset, grokked: int | None) -> str:
    """From which step on it is readable, against shuffled columns, and when the model itself answers."""
    step = trace.attrs.get("readable_step")
    if step is None:
        return (
            "At no checkpoint does a network rebuilt from its strongest waves answer unseen rows for certain better "
            "than the same waves dealt out to other neurons."
        )
    first, last = trace.sel(step=step), trace.isel(step=-1)
    accuracy, control = (float(first[f"latent_accuracy_{name}"]) for name in ("unswapped", "shuffled"))
    own = "" if grokked is None else f" The model itself first has 99 % of the test rows right at step {grokked:,}."
    # The first checkpoint that there is tells nothing of when.
    is_first = step == trace.step.values[0]
    ends = (float(last[f"latent_accuracy_{name}"]) for name in ("unswapped", "shuffled"))
    end = "" if step == trace.step.values[-1] else f" (at the end {' and '.join(map(percent, ends))})"
    return (
        f"{'At' if is_first else 'From'} step {int(step):,}{', the first that is kept,' if is_first else ' on'} the "
        f"phases of its neurons tell more of the answers than a random order of them: a network rebuilt from the "
        f"strongest wave of each neuron answers {percent(accuracy)} of the rows whose swap is unseen too, where the "
        f"same waves dealt out to other neurons answer {percent(control)}{end}.{own}"
    )


def over_time(trace: xr.Dataset) -> go.Figure:
    """Accuracies left, the phase sum right, over the steps."""
    accuracies = [
        (Curve.read(trace.latent_accuracy_unswapped), "rebuilt from its waves", palette.ACCENT, "solid"),
        (Curve.read(trace.latent_accuracy_shuffled), "waves dealt out at random", palette.NEUTRAL, "dot"),
    ]
    if "test_accuracy_unswapped" in trace:
        accuracies.insert(1, (Curve.read(trace.test_accuracy_unswapped), "the model itself", palette.WARM, "solid"))
    angles = [(Curve.read(trace.latent_phase_sum), "phase sum", palette.ACCENT, "dash")]
    axes = [SHARE, dict(range=[-0.1, 1.8])]
    return panels(["unswapped test rows right", "phase sum (radians)"], [accuracies, angles], axes)
