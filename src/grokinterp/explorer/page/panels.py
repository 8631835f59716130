"""Panels: the figure of every panel for a state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grokinterp import circuits
from grokinterp.analysis import public_runs
from grokinterp.analysis.clock_or_pizza import Rule
from grokinterp.analysis.cycles import Cycle, Wave
from grokinterp.analysis.outcome import UNEXPLAINED
from grokinterp.explorer.checkpoint import EvaluatedCheckpoint, Scores
from grokinterp.explorer.neurons import AXES
from grokinterp.explorer.page import cosets, figures
from grokinterp.explorer.page.figures import Figure
from grokinterp.explorer.pair import Pair
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State
from grokinterp.reports.figures import palette
from grokinterp.tasks.groups import GroupTask


@dataclass(frozen=True)
class Scale:
    """The range of the map's values and of the waves, where two checkpoints are drawn on one."""

    values: tuple[float, float]
    waves: tuple[float, float]


def shared_scale(sides: Sequence[tuple[EvaluatedCheckpoint, State]]) -> Scale:
    """What covers every side as it is before anything is taken out."""
    limits = [_limits(checkpoint, state) for checkpoint, state in sides]
    waves = torch.cat([checkpoint.before.spectrum.double() for checkpoint, _ in sides]).nan_to_num()
    top, bottom = float(waves.max()), min(float(waves.min()), 0.0)
    # Wave plots leave the bars some air.
    return Scale(
        (min(low for low, _ in limits), max(high for _, high in limits)), (1.06 * bottom, 1.06 * max(top, 1e-12))
    )


def table(checkpoint: EvaluatedCheckpoint, scores: Scores, state: State, scale: Scale | None = None) -> Figure:
    """The a x b map of margin, loss or error after what is taken out, on the rows of one side of the split."""
    task = checkpoint.task
    if len(task.grid_shape) != 2:
        return figures.nothing(f"{task.expression}<br>is no table of pairs (a, b),<br>so there is no map of them.")
    values, title, colours = _mapped(checkpoint, scores, state)
    unit = {"margin": "margin %{z:.4g}", "loss": "loss %{z:.4g} nats", "error": "off by %{z:.0f}"}[state.map]
    hover = "a = %{y}, b = %{x}<br>" + unit + "<extra></extra>"
    limits = _limits(checkpoint, state) if scale is None else scale.values
    return figures.heat_map(task.to_grid(values), title, colours, limits, hover)


def difference(
    left: tuple[EvaluatedCheckpoint, Scores, State], right: tuple[EvaluatedCheckpoint, Scores, State], scale: Scale
) -> Figure:
    """The right side's map less the left side's, after, as wide on both sides of nothing as either map reaches."""
    one, other = left[0].task, right[0].task
    if len(other.grid_shape) != 2:
        return table(*right)
    if one.grid_shape != other.grid_shape or not torch.equal(one.operands, other.operands):
        return figures.nothing("The two have other rows,<br>so there is no difference of them.")
    (old, title, _), (new, _, _) = _mapped(*left), _mapped(*right)
    reach = max(map(abs, scale.values))
    hover = "a = %{y}, b = %{x}<br>right less left %{z:.4g}<extra></extra>"
    grid = other.to_grid(new - old)
    return figures.heat_map(grid, f"right less left: {title}", palette.SIGNED, (-reach, reach), hover)


def _mapped(checkpoint: EvaluatedCheckpoint, scores: Scores, state: State) -> tuple[Tensor, str, list[Any]]:
    """Values by row, NaN on the other side of the split; what they are, and their colours."""
    task = checkpoint.task
    n = task.n_values
    match state.map:
        case "margin":
            values, title, colours = scores.margin, "margin (logits)", palette.SIGNED
        case "loss":
            values, title, colours = scores.loss.float(), "loss (nats)", figures.HOT
        case _:
            wrong = (scores.predicted - task.answer_labels + n // 2) % n - n // 2
            values, title, colours = wrong.float(), "answer less the right one", palette.SIGNED
    if state.rows != "all" and task.is_train is not None:
        values = torch.where(task.is_train == (state.rows == "train"), values, torch.nan)
    return values, title, colours


def _limits(checkpoint: EvaluatedCheckpoint, state: State) -> tuple[float, float]:
    """The map's scale: that of the checkpoint as it is, so that a click changes the picture and not its key."""
    n = checkpoint.task.n_values
    match state.map:
        case "margin":
            return -checkpoint.usual_margin, checkpoint.usual_margin
        case "loss":
            return 0.0, 2 * float(np.log(n))
    return -n / 2, n / 2


def spectrum(checkpoint: EvaluatedCheckpoint, scores: Scores, scale: Scale | None = None) -> Figure:
    """The logits' waves before and after."""
    is_wave = Wave.of(checkpoint.task) is not None
    limits = None if scale is None else scale.waves
    if isinstance(checkpoint.task, GroupTask):
        names = [irrep.name for irrep in checkpoint.task.group.irreps[1:]]
        title = "logits that turn with the answer"
        return figures.spectrum(checkpoint.before.spectrum, scores.spectrum, title, limits, names)
    if not is_wave and Cycle.why_not(checkpoint.task):
        return figures.nothing("The answers go round no cycle,<br>so their logits have no waves.")
    title = "wave in the logits" if is_wave else "logits along the answers"
    return figures.spectrum(checkpoint.before.spectrum, scores.spectrum, title, limits)


def scatter(session: Session, state: State) -> Figure:
    """The layer's neurons on the chosen axes."""
    neurons = session.neurons(state)
    if neurons is None:
        return figures.nothing("This model has no MLP,<br>so there are no neurons to choose.")
    chosen = [m for layer, m in state.neurons if layer == state.layer]
    titles = (AXES[state.x], AXES[state.y])
    shown = session.example(state).neuron if state.neuron is None else state.neuron
    shown = shown if shown < len(neurons.frequency) else None
    hue, names = neurons.frequency, None
    on = session.checkpoint_of(state).cosets
    if on is not None and not on.why_not:
        names, hue = on.groups
    return figures.scatter(neurons.axis(state.x), neurons.axis(state.y), hue, titles, chosen, shown, names)


def neuron(session: Session, state: State) -> tuple[Figure, Figure, str, str]:
    """The neuron's activation over the table after what is taken out, its 2-D spectrum, its name, and why this one.

    Both are coloured on the scale of the neuron before. Before one is asked for it is an example, as trained: of a
    neuron that nobody chose no click need wait for the rest of the model.
    """
    if state.layer is None:
        return figures.nothing("This model<br>has no MLP."), figures.nothing(""), "Neuron", ""
    if state.neuron is None:
        example = session.example(state)
        chosen = state.cleared().change(neuron=example.neuron)
        active, waves, name = _neuron(session, chosen, f"Neuron {example.neuron}")
        return active, waves, name, f"An example, as trained: {example.why} at step {example.step:,}. Click any other."
    return *_neuron(session, state, f"Neuron {state.neuron}{' after' * bool(session.request(state))}"), ""


def _neuron(session: Session, state: State, name: str) -> tuple[Figure, Figure, str]:
    """Activation, spectrum and name of the state's neuron; what it is called begins with `name`."""
    before, after = session.neuron(state, after=False), session.neuron(state)
    if before is None or after is None:
        return figures.nothing(f"Layer {state.layer} has no<br>neuron {state.neuron}."), figures.nothing(""), "Neuron"
    tuning = after.tuning
    if (state.layer, state.neuron) in state.neurons:
        name += ": taken out"
    elif tuning is not None and not tuning[0]:
        name += ": constant"
    elif tuning is not None:
        name += f": frequency {tuning[0]} explains {tuning[1]:.0%}"
    if after.grid.ndim != 2:
        return figures.nothing("The rows are<br>no pairs (a, b):<br>no map."), figures.nothing(""), name
    limits = (0.0, max(float(before.values.abs().max()), 1e-9))
    if min(float(before.values.min()), float(after.values.min())) < 0:
        limits = (-limits[1], limits[1])
    colours = figures.SEQUENTIAL if limits[0] == 0 else palette.SIGNED
    hover = "a = %{y}, b = %{x}<br>%{z:.4g}<extra></extra>"
    active = figures.heat_map(after.grid, None, colours, limits, hover)
    old, waves = before.spectrum, after.spectrum
    if old is None or waves is None:
        return active, figures.nothing("The operands go<br>round no cycle:<br>no waves."), name
    hover = "frequency %{y} in a, %{x} in b<br>%{z:.4g}<extra></extra>"
    top = max(float(old.max()), 1e-9)
    return active, figures.heat_map(waves, None, figures.SEQUENTIAL, (0, top), hover, _WAVES), name


_WAVES = ("frequency in b", "frequency in a")


def curves(session: Session, state: State) -> Figure:
    """The training curves and the checkpoint on them."""
    metrics = session.runs[state.run or ""].metrics
    # Each curve by itself: one is often recorded less often than the other, which leaves gaps in the table.
    losses = {name: metrics[["step", name]].dropna() for name in ("train_loss", "test_loss")}
    if all(loss.empty for loss in losses.values()):
        return figures.nothing("No training curves<br>were recorded in this file.")
    loss = circuits.loss.Loss()
    ends = {
        "memorised": ("train_accuracy", loss.memorised_accuracy),
        "grokked": ("test_accuracy", loss.grokked_accuracy),
    }
    reached = {
        name: metrics["step"].to_numpy()[metrics[accuracy].to_numpy() >= least]
        for name, (accuracy, least) in ends.items()
    }
    thresholds = {name: int(steps[0]) for name, steps in reached.items() if len(steps)}
    # More points than a panel has pixels only cost time.
    thinned = {name: loss.iloc[:: max(1, len(loss) // 600)].to_numpy().T for name, loss in losses.items()}
    return figures.curves({name: (steps, loss) for name, (steps, loss) in thinned.items()}, state.step or 0, thresholds)


def plane(session: Session, state: State) -> tuple[Figure, str]:
    """Where the checkpoint stands between clock and pizza, and the verdict in words: figure and title of the panel.

    Of a group, the cosets that its neurons rest on.
    """
    checkpoint = session.checkpoint_of(state)
    if checkpoint.cosets is not None:
        return cosets.figure(checkpoint.cosets), cosets.title(checkpoint, checkpoint.cosets)
    trajectory = session.trajectory(state)
    position = trajectory.at(checkpoint.snapshot)
    if position is None:
        return figures.nothing(
            "Clock and pizza are told apart<br>on sums and differences,<br>products and quotients."
        ), "Clock or pizza"
    visited = [
        (step, found["gradient_symmetricity"], found["distance_irrelevance_runner_up"])
        for step, found in trajectory.known.items()
    ]
    edges, kin = public_runs.EDGES, public_runs.kin(trajectory.run.model_config, trajectory.run.task)
    counts = np.zeros((len(edges["gradient_symmetricity"]) - 1, len(edges["distance_irrelevance"]) - 1))
    if kin is not None:
        counts = public_runs.histogram(public_runs.chosen(kin[0], solved=True, plain=True))
    # The bins below 0 are as good as empty.
    background = (edges["gradient_symmetricity"][1:], edges["distance_irrelevance"], counts[1:].T)
    words, outcome = str(position["verdict"]), checkpoint.before.outcome
    if trajectory.run.unexplained:
        words = UNEXPLAINED
    elif words != "unsolved" and outcome.is_solved:
        words = f"{words}, by Zhong et al.'s measures" if trajectory.has_waves else "no circuit of waves"
    else:  # a checkpoint that knows nothing yet has not failed
        words = outcome.kind if outcome.kind == "memorised" else "unsolved"
    return figures.plane(background, visited, state.step or 0, Rule()), f"As trained: {words}"


def pair_figures(pair: Pair, after: Scores) -> dict[str, Figure]:
    """The steps of one pair that are drawn: `circle`, `groups`, `top`."""
    circle = figures.nothing("The numbers go round no cycle,<br>so they stand on no circle.")
    if pair.group is not None:
        circle = figures.irreps(*pair.irreps())
    elif pair.has_circle:
        a, b = pair.operands
        marks = {"a": (a, palette.ACCENT), "b": (b, palette.WARM), "answer": (pair.answer, palette.SKY)}
        circle = figures.circle(*pair.circle(), marks)
    groups, neurons_of = pair.by_kind(), pair.checkpoint.cosets
    noun = "frequency" if neurons_of is None else "subgroup"
    is_out = "mlp" in pair.request.get("components", ())
    why_none = "The whole MLP is taken out." if is_out else "No neurons write to these logits<br>by themselves."
    drawn = figures.nothing(why_none) if groups is None else figures.groups(*groups, noun)
    if neurons_of is not None and neurons_of.why_not:
        drawn = cosets.nothing(neurons_of)
    return {
        "circle": circle,
        "groups": drawn,
        "top": figures.top(*pair.top(after), right=pair.answer),
    }
