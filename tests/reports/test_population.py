"""The page of many runs: each number with its interval, censored runs counted, nothing computed twice, all escaped."""

import json
import re

import numpy as np
import pytest

import grokinterp as gi
from grokinterp.analysis.survival import Reached
from grokinterp.measuring import population as measuring_population
from grokinterp.reports import report
from grokinterp.reports.population.page import page
from grokinterp.reports.population.population import LEVELS, Population
from grokinterp.reports.population.sections import registered, sections_of
from grokinterp.reports.population.sections.planes import mean_interval
from grokinterp.reports.population.sections.steps_to_grok import half_in_words
from grokinterp.reports.population.work import measure_what_is_missing
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.store import MemoryStore
from grokinterp.runs.summary import Summary


@pytest.fixture
def runs(population) -> Runs:
    return gi.load(population)


def sections(runs: Runs) -> dict:
    return {section.title: section for section in sections_of(Population(runs))}


def test_the_share_that_grokked_has_its_interval_and_its_null(runs):
    """Four of the five that finished; Wilson's interval of 4 of 5 is 38 to 96 %. The sixth was cut, which is said."""
    section = sections(runs)["How many grokked"]
    words = " ".join(section.paragraphs).replace("\N{NO-BREAK SPACE}", " ")
    assert "Of 5 finished runs 4 grokked" in words and "80 %" in words and "38 to 96 %" in words
    assert re.search(r"Across attention rate the shares differ by no more than chance .* p = 1 \(999 perm", words)
    assert section.notes[0].startswith("Not counted here: 1 run, not finished")
    assert "Across" in words and "seed" not in words


def test_where_fewer_than_half_of_the_runs_grok_that_is_said():
    """Of three runs one grokked: there is no step by which half of them have."""
    at, last = np.array([100.0, np.nan, np.nan]), np.array([300.0, 300.0, 300.0])
    words = half_in_words(Reached.of(at, last))
    assert words.startswith("At no step that was seen have half of the runs grokked. 2 of 3 had not")
    assert half_in_words(Reached.of(at[:1], last[:1])).startswith("Half of the runs have grokked by step 100")


def test_a_run_that_was_cut_is_censored_and_not_dropped(runs):
    """At rate 1 one run grokked at 200 and one was cut at 300 without: the curve stays at a half, with one cross."""
    section = sections(runs)["Steps to grok"]
    assert "2 of 6 had not when they were last seen" in section.paragraphs[0]
    (plate,) = section.plates
    traces = [each for each in plate.figure.data if each.legendgroup == "attention rate 1"]
    shade, curve, crosses = traces
    assert curve.x.tolist() == [0, 200, 200, 300, 300] and curve.y.tolist() == [0, 0, 0.5, 0.5, 0.5]
    assert crosses.x.tolist() == [300] and crosses.y.tolist() == [0.5] and shade.fill == "toself"


def test_curves_hold_where_a_run_finished_and_end_where_it_was_cut(runs, population):
    """A longer run beside them: finished ones keep their last value, the one that was cut has none after its end."""
    long = population / "attention_rate0.5-seed0"
    (long / "metrics.parquet").unlink()
    rows = [{"step": step, "train_accuracy": 1.0, "test_accuracy": 1.0} for step in (0, 600)]
    (long / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    population_ = Population(gi.load(population))
    curves = dict(zip(population_.table.index, population_.curves("test_accuracy"), strict=True))
    assert population_.steps[-1] == 600
    assert curves["attention_rate0.0-seed0"][-1] == 1 and np.isnan(curves["attention_rate1.0-seed1"][-1])
    at = {step: i for i, step in enumerate(population_.steps.tolist())}
    early = [curves["attention_rate1.0-seed1"][i] for step, i in at.items() if step <= 300]
    assert early == [0.25] * len(early) and len(early) > 10


def test_what_was_measured_is_asked_for_once(runs, monkeypatch):
    """The first page measures last checkpoints; the second reads what stayed beside each run."""
    assert measure_what_is_missing(runs, progress=False) == {}
    assert runs.table["verdict"].tolist() == ["unsolved"] * 6
    monkeypatch.setattr(measuring_population, "read_run", lambda *_, **__: pytest.fail("measured again"))
    assert measure_what_is_missing(runs, progress=False) == {}
    words = " ".join(sections(runs)["Verdict and geometry by cell"].paragraphs)
    assert "solve" in words and "noise and remembered rows have values of every measure too" in words


def test_planes_have_solved_runs_and_means_with_bars(runs, population):
    """Verdicts of solved runs alone stand there; a group's mean has its t interval, one run has none."""
    names = [*runs][:4]
    for i, name in enumerate(names):
        values = {"gradient_symmetricity": 0.1 * (i + 1), "distance_irrelevance_runner_up": 0.6 + 0.1 * (i % 2)}
        kind = "clock" if i < 3 else "unsolved"
        Summary(step=300, verdict=kind, values=values).write(population / name)
    (plate,) = sections(gi.load(population))["Clock and pizza"].plates
    means = [each for each in plate.figure.data if each.error_y.array is not None]
    assert [each.name for each in means] == ["attention rate 0 (2)", "attention rate 0.5 (1)"]
    low, mean, high = 0.65 - 12.706 * 0.05, 0.65, 0.65 + 12.706 * 0.05  # t of one degree of freedom
    assert means[0].y[0] == pytest.approx(mean) and means[0].error_y.array[0] == pytest.approx(high - mean, rel=1e-3)
    assert means[0].error_y.arrayminus[0] == pytest.approx(mean - low, rel=1e-3)
    assert means[1].error_y.array[0] == 0
    assert mean_interval(np.array([0.5])) == (0.5, 0.5, 0.5)


def test_nothing_in_a_name_or_a_value_is_markup(runs, small):
    """Names of runs, formulas, words of a circuit and links are text wherever they stand."""
    bad = "</script><img src=x onerror=alert(1)>"
    some = [*runs.values()]
    many = Runs({f"{bad}{i}": run for i, run in enumerate(some)})
    population = Population(many, {f"{bad}0": f"{bad}.html"}, {bad: bad}, {f"{bad}0": bad})
    population.table["verdict"] = bad
    text = page(population)
    assert "<img" not in text and "onerror=alert(1)>" not in text.replace("onerror=alert(1)&gt;", "")
    assert "&lt;img src=x" in text and 'href="%3C/script%3E' in text


def test_the_table_has_what_differs_and_what_was_found(runs):
    """A row a run, a column a field that differs; results that all runs lack have none."""
    text = page(Population(runs))
    table = re.search(r'<table class="runs.*?</table>', text, flags=re.S)[0]
    heads = re.findall(r'data-column="\d+">([^<]*)<', table)
    assert heads[:4] == ["run", "accuracy over steps", "seed", "attention rate"]
    assert "grokked at" in heads and "verdict" not in heads and "seconds" not in heads
    assert table.count("<tr>") == 1 + 6 and table.count("<svg") == 6
    assert not re.search(r'(src|href)="https?:', text.partition("<script>")[0]) and "default-src 'none'" in text


def test_nothing_is_said_of_how_an_unsolved_run_answers(runs, population):
    """Noise has a geometry and key frequencies too: the page has those of solved runs alone, the table all."""
    for name in list(runs)[:2]:  # the second is not solved
        Summary(step=300, verdict="clock", geometry="torus", key_frequencies=(1,)).write(population / name)
    read = gi.load(population)
    assert read.table["geometry"].count() == 2
    text = page(Population(read))
    assert text.count("<td>torus</td>") == 1 and "torus 1 of 1" in text and "<td>torus 1</td>" in text
    assert text.count("<td>clock</td>") == 1 and "clock 1 of 1" in text and "unsolved" in text
    assert text.count("Runs that do not solve it are not judged") == 1


def test_many_values_of_a_field_are_put_together(small):
    """Twenty learning rates become four stretches, each with as many runs; words beyond a few are others."""
    configs = [small.config.replace(lr=1e-4 * (i + 1), seed=i) for i in range(20)]
    runs = {str(i): gi.Run(MemoryStore({}), str(i), config=config) for i, config in enumerate(configs)}
    population = Population(Runs(runs))
    groups = population.groups("lr")
    assert len(groups) == 4 <= LEVELS and [int(mask.sum()) for mask in groups.values()] == [5] * 4
    assert next(iter(groups)) == "0.0001 to 0.0005" and population.conditions == ["lr"]
    assert "No run has finished and recorded its accuracy" in sections(Runs(runs))["How many grokked"].notes[0]


def test_every_section_is_found():
    """A file in `sections/` is a section of the page; no two stand in one place."""
    orders = [section.order for section in registered()]
    assert len(set(orders)) == len(orders) >= 8


def test_a_page_of_few_runs_is_written_whole(population, tmp_path):
    """Through the public door, with the page of each run beside it."""
    small_population = gi.load(population).where(attention_rate=1.0)
    out = report(small_population, tmp_path / "out" / "index.html")
    assert out.read_text().count("<section") >= 5
    assert (tmp_path / "out" / "attention_rate1.0-seed1.html").exists()
    assert len(out.read_bytes()) < 8e6
