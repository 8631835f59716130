"""Session: the runs that are open, and the numbers a state stands for. No browser, no drawing."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from grokinterp.circuits.clock_pizza import ClockPizza
from grokinterp.circuits.geometry import GeometryCircuit
from grokinterp.circuits.latent_circuit import LatentCircuit
from grokinterp.circuits.loss import Loss
from grokinterp.errors import BadRequest, listed
from grokinterp.explorer.checkpoint import EvaluatedCheckpoint, Scores
from grokinterp.explorer.neurons import TUNED, Neuron, Neurons, why_no_frequencies
from grokinterp.explorer.pair import Pair
from grokinterp.explorer.parts import Parts
from grokinterp.explorer.state import State
from grokinterp.explorer.trajectory import Trajectory
from grokinterp.importers import opening_call
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.population.fields import fields_of, varied
from grokinterp.runs.run import Run

FEW = 20
"""Runs that are checked one by one before any is shown."""

MOST_FIELDS = 4
"""Runs that differ in more are called by their names."""

READ = {"clock or pizza": (ClockPizza(),), "phases": (GeometryCircuit(), LatentCircuit(), Loss())}
"""The circuits whose scalars are followed over a run's checkpoints."""

OPEN = 4
"""How many checkpoints stay evaluated: about 75 MB each at p = 113."""


@dataclass(frozen=True)
class Example:
    """A neuron that is shown before one is asked for; `why` it, and at which `step` it was chosen."""

    neuron: int
    why: str
    step: int


class NoSuchPair(BadRequest):
    """A pair that the table does not have; the page says so beside the boxes that ask for one."""


class Session:
    """Runs under their names, and the checkpoints of them that were looked at last.

    `loading[name]` is the Python expression that opens a run, for `snippet`; `others` are the runs to compare with.
    Raises `BadRequest` where a run has nothing to explore.
    """

    def __init__(self, runs: Mapping[str, Run], loading: Mapping[str, str], others: Sequence[str] = ()):
        if not runs:
            raise BadRequest("there is no run to explore here; name a run's directory or a file of weights")
        self.runs = {name: run for name, run in runs.items() if run.steps} if len(runs) > FEW else dict(runs)
        bare = [name for name, run in self.runs.items() if not run.steps]
        if bare or not self.runs:
            which = f"{listed(bare)}: no" if 0 < len(bare) < max(len(runs), 2) else "none of these runs has"
            raise BadRequest(f"{which} checkpoints, only curves; `grokinterp report` draws those")
        # To check a run is to build its task: of many the others are checked as they are opened.
        for name in list(self.runs)[: FEW if len(self.runs) <= FEW else 1]:
            self._check(name)
        self.loading, self._others = dict(loading), tuple(others)
        self._checkpoints: OrderedDict[tuple[str, int], EvaluatedCheckpoint] = OrderedDict()
        self._trajectories: dict[tuple[str, str], Trajectory] = {}
        self._lock = threading.Lock()
        self._steps: dict[str, list[int]] = {}
        self._neurons: dict[tuple[str, int, int], Neurons] = {}
        self._examples: dict[tuple[str, int], Example] = {}

    def _check(self, name: str) -> None:
        """Raise `BadRequest` where a run has nothing that can be shown."""
        run = self.runs[name]
        if not run.has_task:
            raise BadRequest(f"the task of {name} is not known; name it, as in --task 'a + b' --p 113")
        if not run.task.has_classes:
            raise BadRequest(f"{name} answers with a number and the explorer shows logits; use `grokinterp report`")
        if not run.model_config.stream_points:
            raise BadRequest(f"{name} is {run.model_config.in_words()}, without hook points; use `grokinterp report`")
        if run.model_config.first_read_layer:
            raise BadRequest(f"{name} has layers inside patches, which a table of rows does not show; use gi.ablate")

    @cached_property
    def labels(self) -> dict[str, str]:
        """Each run by what differs between them, `attention rate 0.5, seed 3`; by its name where that tells no more."""
        rows = {name: fields_of(run) for name, run in self.runs.items()}
        fields = varied(rows.values())
        words = {
            name: listed(f"{field.replace('_', ' ')} {row[field]}" for field in fields if row.get(field) is not None)
            for name, row in rows.items()
        }
        if not fields or len(fields) > MOST_FIELDS or len(set(words.values())) < len(words):
            return {name: name for name in self.runs}
        return words

    @classmethod
    def of(cls, opened: Run | Runs, other: Run | Runs | None = None) -> "Session":
        """What `gi.load` gave, and what to compare it with."""
        runs, loading, others = {}, {}, []
        for source in (opened, other):
            listed_runs = {} if source is None else dict(source) if isinstance(source, Runs) else {source.name: source}
            shared = len(listed_runs) > 1 and len({run.path for run in listed_runs.values()}) == 1
            for name, run in listed_runs.items():
                shown = name if name not in runs else f"{name} (other)"
                runs[shown] = run
                others += [shown] * (source is other)
                call = opening_call(run)
                loading[shown] = f"{call}[{name!r}]" if shared else call
        return cls(runs, loading, others)

    # -- what a state means here

    def steps(self, run: str) -> list[int]:
        """The run's checkpoints, as they were when a page was last opened: a run in training gains some."""
        if run not in self._steps:
            self._steps[run] = self.runs[run].steps
        return self._steps[run]

    def look_again(self) -> None:
        """Ask the runs for their checkpoints once more."""
        self._steps.clear()
        for (name, _), trajectory in list(self._trajectories.items()):
            trajectory.go_on(self.steps(name))

    def mark(self, state: State, is_now: bool = False) -> str:
        """What tells the checkpoints that a view offers (those on disk for `is_now`) from those of another moment."""
        names = [state.run or next(iter(self.runs)), *([state.other_run] if state.other_run in self.runs else [])]
        every = [self.runs[name].steps if is_now else self.steps(name) for name in names if name in self.runs]
        return " ".join(f"{len(steps)}:{steps[-1] if steps else ''}" for steps in every)

    def resolved(self, state: State) -> State:
        """The state with its open ends filled in: run, step, layer. Raises `BadRequest` for what is not here."""
        name = next(iter(self.runs)) if state.run is None else state.run
        if name not in self.runs:
            raise BadRequest(f"there is no run {name!r} here; the runs: {_some(self.runs)}")
        self._check(name)
        steps = self.steps(name)
        step = steps[-1] if state.step is None else self.runs[name][state.step].step
        state = state.change(run=name, step=step)
        n_layers = len(self.checkpoint(name, step).snapshot.layers("mlp.hook_post"))
        layer = n_layers - 1 if state.layer is None else state.layer
        if why_no_frequencies(self.runs[name].task):
            # Axes on which all neurons would stand at one point.
            x, y = (axis if axis not in TUNED else other for axis, other in ((state.x, "first"), (state.y, "second")))
            state = state.change(x=x, y=y)
        if n_layers and not 0 <= layer < n_layers:
            raise BadRequest(f"layer {layer} is none of the layers with neurons, 0 to {n_layers - 1}")
        state = state.change(layer=layer if n_layers else None)
        return state.change(pair=self._example(state)) if state.page == "pair" and state.pair is None else state

    def _example(self, state: State) -> tuple[int, int] | None:
        """The pair that is looked at before one is asked for: the middle one that was not trained on."""
        task = self.checkpoint_of(state).task
        if task.operands.shape[1] != 2:
            return None
        rows = task.rows_held_out
        a, b = task.operands[rows[len(rows) // 2]].tolist()
        return a, b

    def other(self, state: State) -> State:
        """The same request of the checkpoint that it is compared with.

        By default the last of another run, or the first of the same one where there is no other.
        """
        run = state.other_run or next((name for name in (*self._others, *self.runs) if name != state.run), state.run)
        if run not in self.runs:
            raise BadRequest(f"there is no run {run!r} here; the runs: {_some(self.runs)}")
        steps = self.steps(run)
        step = state.other_step
        if step is None:
            step = steps[-1] if run != state.run else steps[0]
        return self.resolved(state.change(run=run, step=self.runs[run][step].step, layer=None))

    def request(self, state: State) -> dict[str, Any]:
        """The arguments of `gi.ablate` that a state stands for, without those that are empty."""
        waves = Parts(self.runs[state.run or ""]).waves(state.frequencies, state.keep)
        parts = {"heads": state.heads, "neurons": state.neurons, **waves, "components": state.components}
        chosen: dict[str, Any] = {name: part for name, part in parts.items() if part}
        if not chosen:
            return {}
        if state.frequencies and state.where != "embedding":
            chosen["where"] = state.where
        return chosen if state.how == "zero" else {**chosen, "how": state.how}

    # -- numbers

    def checkpoint(self, run: str, step: int) -> EvaluatedCheckpoint:
        """A checkpoint, evaluated once for all who ask while it is among the last few."""
        key = (run, step)
        with self._lock:
            if key not in self._checkpoints:
                self._checkpoints[key] = EvaluatedCheckpoint(self.runs[run], step)
                if len(self._checkpoints) > OPEN:
                    self._checkpoints.popitem(last=False)
            self._checkpoints.move_to_end(key)
            return self._checkpoints[key]

    def checkpoint_of(self, state: State) -> EvaluatedCheckpoint:
        """The checkpoint of a resolved state."""
        return self.checkpoint(*self._key(state))

    def _key(self, state: State) -> tuple[str, int]:
        assert state.run is not None and state.step is not None
        return state.run, state.step

    def scores(self, state: State) -> tuple[Scores, Scores]:
        """The table's scores before and after. Raises `BadRequest` for what the model does not have."""
        checkpoint = self.checkpoint_of(state)
        return checkpoint.before, checkpoint.after(self.request(state))

    def neurons(self, state: State) -> Neurons | None:
        """The neurons of the state's layer; None for a model without MLPs."""
        if state.layer is None:
            return None
        snapshot = self.checkpoint_of(state).snapshot
        # Kept, since what they are tuned to takes a while: as long as the checkpoint itself is.
        with self._lock:
            self._neurons = {key: kept for key, kept in self._neurons.items() if key[:2] in self._checkpoints}
            return self._neurons.setdefault((*self._key(state), state.layer), Neurons(snapshot, state.layer))

    def neuron(self, state: State, after: bool = True) -> Neuron | None:
        """The neuron that is looked at, after (or before) what is taken out; None where there is none."""
        neurons = self.neurons(state)
        if neurons is None or state.neuron is None or not 0 <= state.neuron < len(neurons.frequency):
            return None
        checkpoint, request = self.checkpoint_of(state), self.request(state) if after else {}
        return Neuron(checkpoint.task, checkpoint.activations(neurons.layer, request)[:, state.neuron].clone())

    def example(self, state: State) -> Example:
        """The neuron that a state with a layer of neurons shows before one is asked for.

        It is chosen at the checkpoint that is looked at first and stays, so that playing follows one neuron.
        """
        neurons, (run, step) = self.neurons(state), self._key(state)
        assert neurons is not None
        key = (run, neurons.layer)
        if key not in self._examples:
            best, why = neurons.example(self.checkpoint_of(state).strongest_frequency)
            self._examples[key] = Example(best, why, step)
        return self._examples[key]

    def pair(self, state: State) -> Pair | None:
        """The pair that is looked at. Raises `BadRequest` as `row` does."""
        row = self.row(state)
        return None if row is None else Pair(self.checkpoint_of(state), row, self.request(state))

    def trajectory(self, state: State, about: str = "clock or pizza") -> Trajectory:
        """What the circuits `READ` about something read off the run's checkpoints."""
        run = self._key(state)[0]
        with self._lock:
            if (run, about) not in self._trajectories:
                self._trajectories[run, about] = Trajectory(self.runs[run], self.steps(run), READ[about])
            return self._trajectories[run, about]

    def postpone_background(self) -> None:
        """Somebody waits for an answer: what goes on in the background is put off."""
        for trajectory in list(self._trajectories.values()):
            trajectory.wait()

    def close(self) -> None:
        """End what goes on in the background."""
        for trajectory in self._trajectories.values():
            trajectory.stop()

    def row(self, state: State) -> int | None:
        """The table row of the state's pair. Raises `NoSuchPair` for a pair that the table does not have."""
        if state.pair is None:
            return None
        task = self.checkpoint_of(state).task
        if task.operands.shape[1] != 2:
            raise BadRequest(f"{task.expression!r} has no pairs (a, b) to look at; its table has no two operands")
        rows = (task.operands == task.operands.new_tensor(state.pair)).all(1).nonzero()[:, 0]
        if not len(rows):
            a, b = task.sizes
            raise NoSuchPair(f"the table has no pair {state.pair}; a is 0 to {a - 1}, b 0 to {b - 1}, no divisor is 0")
        return int(rows[0])


def _some(names: Mapping[str, Run]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return f"{listed(list(names)[:FEW])}{more}"
