"""A report adapts to what the run has: one checkpoint, curves only, nothing at all, weights that diverged."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from grokinterp.models.initialisation import initialise
from grokinterp.reports.page import page
from grokinterp.reports.section import Absent, Plate, Section
from grokinterp.reports.sections import sections_of
from grokinterp.reports.subject import Subject
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan


def curves(last: int = 900) -> pd.DataFrame:
    """Memorised at step 200, grokked at step 800: by construction."""
    step = np.arange(0, last + 1, 100)
    return pd.DataFrame(
        {
            "step": step,
            "train_loss": np.where(step < 200, 3.0, 1e-7),
            "test_loss": np.where(step < 800, 20.0, 1e-5),
            "train_accuracy": np.where(step < 200, 0.5, 1.0),
            "test_accuracy": np.where(step < 800, 0.1, 0.995),
        }
    )


def untrained(steps: list[int], metrics: pd.DataFrame | None = None, diverged: tuple[int, ...] = ()) -> Run:
    """A run whose every checkpoint is the same initial model, NaN at the steps where it `diverged`."""
    config, task = plan("a + b", p=7, d_model=8, n_heads=2, frac=0.5)
    weights = initialise(config.model, seed=0)
    broken = {name: torch.full_like(value, math.nan) for name, value in weights.items()}
    store = MemoryStore({step: lambda step=step: broken if step in diverged else weights for step in steps}, metrics)
    return Run(store, name="untrained", config=config, task=task)


def plates(sections: list[Section]) -> dict[str, Plate]:
    return {plate.name: plate for section in sections for plate in section.plates}


def text(sections: list[Section]) -> str:
    """Paragraphs, notes and facts in order."""
    said = [
        words
        for section in sections
        for words in (*section.paragraphs, *section.notes, *(f"{f.name} {f.value} {f.note}" for f in section.facts))
    ]
    return " ".join(said).replace("\N{NO-BREAK SPACE}", " ")


def test_what_never_happened_is_not_claimed():
    """A run that stopped before either threshold says how far it came."""
    said = text(sections_of(Subject(untrained([], curves(last=100)))))
    assert "By step 100 the training rows had not all been answered; the highest accuracy was 50.00 %." in said
    assert "By step 100 test accuracy had not reached 99 %; the highest was 10.00 %." in said
    assert "times as late" not in said


def test_a_single_checkpoint_has_no_slider():
    """Bars, circles and maps as they are; no curves over time, and their numbers as facts."""
    run = untrained([900])
    sections = sections_of(Subject(run))
    found = plates(sections)
    assert {"table", "spectrum", "neuron-maps", "parts"} <= set(found)
    assert not {"spectrum-over-time", "progress", "weight-norm", "density"} & set(found)
    assert "final train accuracy" in text(sections) and "measured at the last checkpoint" in text(sections)
    assert "Further measures" not in [section.title for section in sections]
    html = page(Subject(run))
    assert 'id="frame"' not in html and 'id="heads"' in html


def test_uneven_checkpoints_get_a_column_each():
    """A log schedule would squeeze the early checkpoints into nothing: columns are named by their steps."""
    figure = plates(sections_of(Subject(untrained([0, 1, 2, 4, 8, 16, 32, 900]))))["spectrum-over-time"].figure
    assert list(figure.data[0].x) == ["0", "1", "2", "4", "8", "16", "32", "900"]
    assert figure.layout.xaxis.type == "category"


def test_curves_without_weights_are_drawn():
    """The table and the curves, with the landmarks of the curves; what was found has a reason to be missing."""
    sections = sections_of(Subject(untrained([], curves())))
    assert set(plates(sections)) == {"table", "loss", "accuracy"}
    assert "The file holds curves but no weights" in text(sections)
    assert "All training rows were first answered at step 200. Test accuracy first reached 99 % at step 800" in text(
        sections
    )


def test_nothing_at_all_is_said():
    """No task, no model, no curves, no weights: still a page, and no figure."""
    sections = sections_of(Subject(Run(MemoryStore({}), name="nothing")))
    assert plates(sections) == {}
    for said in (
        "does not say which task was learnt",
        "does not say which model was trained",
        "No loss or accuracy curves were recorded",
        "no command trains this run again",
    ):
        assert said in text(sections)


def test_losses_without_accuracies_claim_no_landmarks():
    """Nanda's files hold losses only, and one checkpoint: the steps of memorising and grokking are not known."""
    subject = Subject(untrained([900], curves()[["step", "train_loss", "test_loss"]]))
    sections = sections_of(subject)
    assert "accuracies were not" in text(sections)
    assert {"loss"} == set(plates(sections)) & {"loss", "accuracy"}
    assert (subject.landmarks.memorised_step, subject.landmarks.grokked_step) == (None, None)


def test_a_run_that_diverged_has_a_report():
    """Weights that are no numbers: no verdict of a circuit, and no "nan" in what is said."""
    for diverged in ((900,), (0, 900)):
        subject = Subject(untrained([0, 900], curves(), diverged))
        assert "Diverged" in page(subject)
        said = text(sections_of(subject)[:-1])
        assert "the run diverged, and nothing is claimed" in said and "nan" not in said.lower().split()
        assert not isinstance(subject.trace, Absent)
        assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", str(subject.trace.attrs["verdict_evidence"])))


def test_assumptions_about_a_third_party_file_are_told():
    """The importer's notes stand with what was trained, and the command is not said to give these numbers."""
    run = untrained([900])
    run.provenance = Provenance.of_file("pizza", Path("model.pt"), ["the split is unknown"])
    said = text(sections_of(Subject(run)))
    assert "On reading the file: the split is unknown." in said and "train a run like this one" in said
