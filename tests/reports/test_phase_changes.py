"""Pages on phase changes, slopes and codes: their own figures, and the grid of regimes in an index."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from grokinterp.models.initialisation import initialise
from grokinterp.reports.population.page import page
from grokinterp.reports.population.population import Population
from grokinterp.reports.population.regime_grid import grids, places_of
from grokinterp.reports.sections import sections_of
from grokinterp.reports.sections.grid import plane
from grokinterp.reports.subject import Subject
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan

STEPS = [0, 10]
SMALL = {"d_model": 8, "n_heads": 2}
CURVES = {"step": np.arange(0, 1_001, 100), "train_loss": 1.0, "test_loss": 1.0}


def made(task: str, weights=None, metrics: pd.DataFrame | None = None, steps=STEPS, **fields) -> Run:
    """A run with the same weights at every step: those given, or the initial ones."""
    config, built = plan(task, **fields)
    found = {**initialise(config.model, 0), **(weights or {})}
    if metrics is None:
        metrics = pd.DataFrame({"step": steps, "train_loss": 1.0, "test_loss": 1.0})
    return Run(MemoryStore(dict.fromkeys(steps, lambda: found), metrics), name="made", config=config, task=built)


def page_of(run: Run):
    """Its figures by name, and all of its words."""
    sections = sections_of(Subject(run, cache=False))
    plates = {plate.name: plate for section in sections for plate in section.plates}
    said = [text for section in sections for text in (section.title, *section.paragraphs, *section.notes)]
    said += [f"{fact.name} {fact.value}" for section in sections for fact in section.facts]
    return plates, said


def learnt_at(memorised: float, grokked: float, **fields) -> Run:
    """Training rows right from one step, test rows from another."""
    steps = CURVES["step"]
    right = {"train_accuracy": (steps >= memorised) * 1.0, "test_accuracy": (steps >= grokked) * 1.0}
    return made("a + b", metrics=pd.DataFrame({**CURVES, **right}), p=5, **SMALL, **fields)


# -- tokens, heads, grid, codes


@pytest.fixture(scope="module")
def repeated():
    """The page of an untrained model on repeated subsequences."""
    return page_of(made("repeated_subsequence", preset="induction_small", points=20, **SMALL))


def test_a_repeated_subsequence_has_its_tokens_and_heads(repeated):
    """A line for each token and head; no page on endless data says that rows were memorised."""
    plates, said = repeated
    names = {trace.name for trace in plates["tokens"].figure.data}
    assert names == {*(f"token {i}" for i in range(1, 6)), "half of a uniform guess"}
    heads = {trace.name for trace in plates["induction"].figure.data}
    assert heads == {f"head {layer}.{head}" for layer in range(2) for head in range(2)}
    assert any("no end of questions" in text for text in said)
    assert not any("were trained on" in text or "memorise" in text for text in said)


def test_no_caption_or_title_shows_a_variables_name(repeated):
    """Words with underscores are for code."""
    plates, said = repeated
    assert not [plate.caption for plate in plates.values() if "_" in plate.caption]
    assert "What was trained" in said and not [text for text in said[:3] if "_" in text]


def test_one_checkpoint_has_numbers_for_lines():
    run = made("repeated_subsequence", steps=[10], preset="induction_small", points=20, **SMALL)
    plates, said = page_of(run)
    assert not {"tokens", "induction"} & set(plates)
    assert sum(text.startswith("answer token") for text in said) == 5
    assert sum(text.startswith("head ") for text in said) == 4


def test_the_edges_of_the_grid_join_neighbours():
    """Planted: the embedding is the grid, so that every edge has length 1; 3 x 2 of them each way."""
    n = 3
    run = made("slope", preset="slope", n=n, **SMALL)
    weights = torch.zeros_like(run.final.parameters["embed.W_E"])
    weights[: n * n, :2] = run.task.coordinates
    run = made("slope", {"embed.W_E": weights}, preset="slope", n=n, **SMALL)
    plates, said = page_of(run)
    assert "1.00 of the first 2" in " ".join(said)
    figure, frames = plane(Subject(run, cache=False).trace.grid_plane, run.task.coordinates.numpy(), Subject(run))
    for edges in figure.data[:2]:
        ends = np.stack([edges.x, edges.y], 1).reshape(-1, 3, 2)
        assert len(ends) == n * (n - 1) and np.isnan(ends[:, 2]).all()
        assert np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) == pytest.approx(1, abs=1e-5)
    assert len(frames) == len(STEPS) and len(plates["grid"].frames) == len(STEPS)


def test_points_in_a_plane_have_no_fourier_figures():
    plates, _ = page_of(made("slope", preset="slope", n=3, **SMALL))
    assert not {"spectrum", "circles", "codes", "density", "without-frequencies"} & set(plates)


def test_a_circle_is_told_by_its_frequency():
    """Planted: an embedding that is one clock of frequency 3."""
    p, k = 13, 3
    angle = 2 * math.pi * k * torch.arange(p) / p
    weights = torch.zeros(p, 8)
    weights[:, :2] = torch.stack([angle.cos(), angle.sin()], 1)
    run = made(
        "a + b", {"embed.W_E": weights}, preset="scienceetonnante", p=p, d_embed=8, hidden_sizes=(4,), batch_size=8
    )
    plates, said = page_of(run)
    (told,) = [text for text in said if text.startswith("The cosines between the embeddings of every two numbers")]
    assert "at the best 1.00 with a code of one exact circle, that of frequency 3" in told and "nan" not in told
    assert "explain 99.99" in told  # the rest is float32's
    assert len(plates["codes"].figure.data) == 5  # its own and four encoders'


def test_given_codes_are_drawn_with_their_best_bits_first():
    run = made("encoded_sum", preset="encoded_sum", p=7, bits=20, winners=4, hidden_sizes=(5,), batch_size=4)
    plates, _ = page_of(run)
    heights = plates["code-bits"].figure.data[0].y
    assert len(heights) == 20 and (np.diff(heights[~np.isnan(heights)]) <= 1e-6).all()
    assert "code-similarity" in plates and "code-equal" not in plates  # it has no pairs a = a


# -- regimes


def grids_of(runs, links=None):
    """The grids of runs that are told apart by numbers."""
    return grids(places_of(Population(Runs({str(i): run for i, run in enumerate(runs)}), links)))


def test_runs_that_differ_in_fraction_and_decay_make_a_grid():
    """Planted regimes; a cell without a run is blank, and fractions and decays stand in order."""
    when = {(0.8, 1.0): (100, 100), (0.4, 1.0): (100, 800), (0.4, 0.0): (100, math.inf)}
    (grid,) = grids_of(learnt_at(*steps, frac=at[0], weight_decay=at[1]) for at, steps in when.items())
    assert grid.decays == ["decay 0", "decay 1"]
    named = [
        (name.replace("\N{NO-BREAK SPACE}", " "), [each and each.regime for each in row]) for name, row in grid.rows
    ]
    assert named == [("40 %", ["memorises", "groks"]), ("80 %", [None, "generalises at once"])]
    assert [each.steps for each in grid.rows[0][1]] == ["train 100, test never", "train 100, test 800"]


def test_seeds_of_a_cell_are_counted():
    """The commonest regime of three seeds, and how many have it."""
    cells = [(0.4, 0.0), (0.4, 1.0), (0.8, 0.0), (0.8, 1.0)]
    runs = [learnt_at(100, 800 if seed else math.inf, frac=frac, weight_decay=decay, seed=seed)
            for frac, decay in cells for seed in range(3)]  # fmt: skip
    (grid,) = grids_of(runs)
    assert [(each.regime, each.count, each.runs) for _, row in grid.rows for each in row] == [("groks", 2, 3)] * 4


def test_runs_that_differ_otherwise_make_none():
    runs = [learnt_at(100, 800, frac=frac, weight_decay=decay, lr=lr)
            for frac, decay, lr in ((0.4, 0.0, 1e-3), (0.8, 1.0, 1e-2))]  # fmt: skip
    assert grids_of(runs) == [] and grids_of(learnt_at(100, 800, frac=frac) for frac in (0.4, 0.8)) == []


def test_endless_data_and_unknown_accuracies_have_no_place():
    runs = [made("repeated_subsequence", preset="induction_small", points=20), made("a + b", p=5, **SMALL)]
    assert places_of(Population(Runs(dict(zip("ab", runs, strict=True))))) == []


def test_the_page_of_many_runs_shows_the_grid_with_links_or_says_what_does_not_vary():
    runs = {f"{frac}-{decay}": learnt_at(100, 800, frac=frac, weight_decay=decay) for frac in (0.4, 0.8) for decay in (0.0, 1.0)}  # fmt: skip # noqa: E501
    text = page(Population(Runs(runs), {"0.4-0.0": "one.html"}))
    assert text.count('class="groks"') == 4 and 'href="one.html"' in text
    few = page(Population(Runs({name: runs[name] for name in ("0.4-0.0", "0.4-1.0")})))
    assert 'class="regimes"' not in few and "here the share trained on does not vary (frac)" in few
