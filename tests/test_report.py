"""A report says what the run holds, draws what was planted in it, and asks nothing of the network."""

import base64
import json
import math
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch

from grokinterp import circuits, fourier
from grokinterp.initialisation import initialise
from grokinterp.planning import plan
from grokinterp.reports import report
from grokinterp.reports.page import page
from grokinterp.reports.sections import SECTIONS, Subject
from grokinterp.reports.story import percent
from grokinterp.runs import MemoryStore, Run
from grokinterp.storage import StorageError

P, FREQUENCIES = 29, (7, 3, 12)


def curves(last: int = 900, every: int = 100) -> pd.DataFrame:
    """Memorised at step 200, grokked at step 800: by construction."""
    step = np.arange(0, last + 1, every)
    return pd.DataFrame(
        {
            "step": step,
            "train_loss": np.where(step < 200, 3.0, 1e-7),
            "test_loss": np.where(step < 800, 20.0, 1e-5),
            "train_accuracy": np.where(step < 200, 0.5, 1.0),
            "test_accuracy": np.where(step < 800, 0.1, 0.995),
        }
    )


def planted(
    expression: str = "a + b", p: int = P, steps: list[int] | None = None, metrics: pd.DataFrame | None = None, **fields
) -> Run:
    """A run whose embedding goes from noise to circles of known frequencies (in discrete-log order for a product)."""
    steps = [0, 300, 600, 900] if steps is None else steps
    config, task = plan(expression, p=p, steps=900, d_model=32, **fields)
    start = initialise(config.model, seed=0)
    place = fourier.discrete_logs(p) if "*" in expression else torch.arange(p)
    n = p - 1 if "*" in expression else p
    planes = torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(1)))[0]
    rings = torch.zeros_like(start["embed.W_E"])
    for i, k in enumerate(FREQUENCIES):
        angle = 2 * math.pi * k * place / n
        rings[:p] += (3 - i) * (torch.outer(angle.cos(), planes[2 * i]) + torch.outer(angle.sin(), planes[2 * i + 1]))

    def weights(step: int) -> dict[str, torch.Tensor]:
        share = step / max(steps) if max(steps) else 1.0
        return {**start, "embed.W_E": (1 - share) * start["embed.W_E"] + share * rings}

    store = MemoryStore({step: (lambda step=step: weights(step)) for step in steps}, metrics)
    return Run(store, name="planted", config=config, task=task)


def figures_of(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.S)[1])


def text_of(html: str) -> str:
    """What a reader sees: the body's text without scripts."""
    shown = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", shown).replace("\N{NO-BREAK SPACE}", " ").split())


def numbers(value) -> np.ndarray:
    """A list, or plotly's base64 form of an array."""
    if not isinstance(value, dict):
        return np.array(value, dtype=float)
    flat = np.frombuffer(base64.b64decode(value["bdata"]), np.dtype(value["dtype"]))
    return flat.reshape([int(n) for n in value["shape"].split(",")]) if "shape" in value else flat


class Links(HTMLParser):
    """Everything a page would fetch."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action", "poster")]


@pytest.fixture(scope="module")
def html() -> str:
    return page(planted(metrics=curves()))


def test_report_writes_one_file_that_fetches_nothing(tmp_path, html):
    """No address in the page but data: ones; its policy forbids the rest; plotly stands in it once."""
    path = report(planted(metrics=curves()), tmp_path / "report.html")
    written = path.read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    links = Links()
    links.feed(written)
    assert all(link.startswith("data:") for link in links.found)
    assert "default-src 'none'" in written
    assert "@import" not in written.split("</style>")[0] and "url(" not in written.split("</style>")[0]
    assert written.count("* plotly.js v") == 1
    assert len(written) < 8e6


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path):
    """One line on what is wrong, and no half file."""
    with pytest.raises(StorageError, match=r"report\.html"):
        report(planted(steps=[0]), tmp_path / "missing" / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_names_cannot_break_out_of_the_page():
    """A name with markup in it is text, in the page and inside the figures' data."""
    hostile = "</script><script>alert(1)</script>"
    run = planted(steps=[0, 900], metrics=curves())
    run.name = hostile
    written = page(run)
    assert hostile not in written
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in written


def test_sections_stand_in_the_order_of_the_story(html):
    """What was trained, what happened, what was found, how to reproduce."""
    assert re.findall(r"<h2>(.*?)</h2>", html) == [
        "What was trained",
        "What happened",
        "The embedding&#39;s frequencies",
        "The embedding&#39;s circles",
        "The weights",
        "How to reproduce",
        "The configuration",
    ]


def test_every_figure_has_a_caption_a_source_and_titled_axes():
    """Nothing stands without what to look for and where it is from; no axis is titled with a variable's name."""
    subject = Subject(planted(metrics=curves()))
    plates = [plate for make in SECTIONS if (section := make(subject)) for plate in section.plates]
    assert len(plates) >= 5
    for plate in plates:
        assert len(plate.caption.split()) > 10 and plate.source.endswith(".")
        axes = [plate.figure.layout[name] for name in plate.figure.layout if re.fullmatch(r"[xy]axis\d*", name)]
        assert axes and all(axis.title.text and "_" not in axis.title.text for axis in axes), plate.name
        assert all("_" not in (trace.name or "") for trace in plate.figure.data)


def test_what_happened_is_told_in_steps(html):
    """The first recorded steps at the thresholds, their ratio, and the last values."""
    text = text_of(html)
    assert "All training rows were first answered at step 200." in text
    assert "Test accuracy first reached 99 % at step 800, 4 times as late." in text
    assert "final test accuracy 99.50 %" in text
    assert "final train loss 1 × 10⁻⁷ nats" in text  # noqa: RUF001


def test_what_never_happened_is_not_claimed():
    """A run that stopped before either threshold says how far it came."""
    text = text_of(page(planted(metrics=curves(last=100))))
    assert "By step 100 the training rows had not all been answered; the highest accuracy was 50.00 %." in text
    assert "By step 100 test accuracy had not reached 99 %; the highest was 10.00 %." in text
    assert "times as late" not in text


def test_baselines_are_those_of_the_table():
    """Chance, the commonest answer, and the test rows whose swap is trained on, counted by hand."""
    run = planted(metrics=curves())
    trained = {tuple(row) for row in run.task.operands[run.task.is_train].tolist()}
    test = [tuple(row) for row in run.task.operands[~run.task.is_train].tolist()]
    swaps = sum((b, a) in trained for a, b in test) / len(test)
    text = text_of(page(run))
    assert f"chance {percent(1 / P)}".replace("\N{NO-BREAK SPACE}", " ") in text
    assert f"memorised swaps {percent(swaps)}".replace("\N{NO-BREAK SPACE}", " ") in text
    assert f"{len(trained):,} of them" in text and f"{len(test):,} are the test set" in text
    assert "memorised swaps" not in text_of(page(planted("a - b", steps=[0])))


def test_table_picture_is_the_table_and_its_mask(html):
    """Every cell holds (a + b) mod p; the second panel keeps exactly the training rows."""
    answers, trained = (numbers(trace["z"]) for trace in figures_of(html)["table"]["data"])
    a, b = np.indices((P, P))
    assert (answers == (a + b) % P).all()
    mask = planted().task.is_train.numpy().reshape(P, P)
    assert (np.isnan(trained) == ~mask).all() and (trained[mask] == answers[mask]).all()


def test_heat_map_holds_the_norm_of_every_frequency_at_every_checkpoint(html):
    """Columns are checkpoints, rows k; at the end the planted frequencies hold r sqrt(p), the others nothing."""
    trace = figures_of(html)["spectrum-over-time"]["data"][0]
    z = numbers(trace["z"])
    assert z.shape == (P // 2, 4) and numbers(trace["x"]).tolist() == [0, 300, 600, 900]
    truth = np.zeros(P // 2)
    for i, k in enumerate(FREQUENCIES):
        truth[k - 1] = (3 - i) * math.sqrt(P)
    assert z[:, -1] == pytest.approx(truth, abs=1e-3)
    start = planted()[0].parameters["embed.W_E"]
    assert z[:, 0] == pytest.approx(fourier.power(start, P).sqrt().numpy(), abs=1e-5)


def test_slider_frames_end_on_what_is_drawn(html):
    """The bars and the circles as drawn are the slider's last frame, and every frame has its step."""
    for name in ("spectrum", "circles"):
        figure = figures_of(html)[name]
        steps = [step["args"][0][0] for step in figure["layout"]["sliders"][0]["steps"]]
        assert [frame["name"] for frame in figure["frames"]] == steps == ["0", "300", "600", "900"]
        assert figure["layout"]["sliders"][0]["active"] == 3
        for drawn, last in zip(figure["data"], figure["frames"][-1]["data"], strict=True):
            assert (numbers(drawn["y"]) == numbers(last["y"])).all()


def test_circles_are_named_by_frequency_and_step_and_closed(html):
    """Each planted ring has its panel; neighbours along its line are a step apart and 1/p of a turn apart."""
    figure = figures_of(html)["circles"]
    headings = [note["text"] for note in figure["layout"]["annotations"]]
    for i, k in enumerate(FREQUENCIES):
        step = circuits.embedding.step_between_neighbours(k, P)
        assert f"frequency {k}, step {step}" in headings[i] and "purity 100%" in headings[i]
        trace = figure["data"][i]
        tokens = numbers(trace["customdata"]).astype(int)
        assert sorted(tokens[:-1]) == list(range(P)) and tokens[0] == tokens[-1]
        assert {int(d) for d in np.diff(tokens) % P} in ({step}, {P - step})
        turns = np.unwrap(np.arctan2(numbers(trace["y"]), numbers(trace["x"])))
        assert np.abs(np.diff(turns)) == pytest.approx(2 * math.pi / P, abs=1e-3)


def test_products_are_read_in_discrete_log_order():
    """a * b: neighbours differ by a factor, token 0 is in no ring, and the page says which order it reads."""
    html = page(planted("a * b", metrics=curves()))
    assert "discrete-log order" in text_of(html)
    figure = figures_of(html)["circles"]
    root, n = fourier.primitive_root(P), P - 1
    headings = [note["text"] for note in figure["layout"]["annotations"]]
    for i, k in enumerate(FREQUENCIES):
        factor = pow(root, circuits.embedding.step_between_neighbours(k, n), P)
        assert f"frequency {k}, factor {factor}" in headings[i]
    assert 0 not in numbers(figure["data"][0]["customdata"])


def test_single_checkpoint_has_no_sliders():
    """One checkpoint: bars and circles without sliders, no heat map over time."""
    found = figures_of(page(planted(steps=[900])))
    assert {"table", "spectrum", "circles"} <= set(found) and "spectrum-over-time" not in found
    assert not any("sliders" in figure["layout"] or "frames" in figure for figure in found.values())


def test_uneven_checkpoints_get_a_column_each():
    """A log schedule would squeeze the early checkpoints into nothing: columns are numbered, ticks name the steps."""
    figure = figures_of(page(planted(steps=[0, 1, 2, 4, 8, 16, 32, 900])))["spectrum-over-time"]
    assert numbers(figure["data"][0]["x"]).tolist() == list(range(8))
    assert figure["layout"]["xaxis"]["ticktext"][-1] == "900"


def test_curves_only_and_nothing_at_all_are_said():
    """A file of curves gives curves; one with neither curves nor task nor config still gives a page that says so."""
    full = planted()
    only = Run(MemoryStore({}, curves()), name="curves", config=full.config, task=full.task)
    html = page(only)
    assert set(figures_of(html)) == {"table", "loss", "accuracy"}
    assert "The file holds curves but no weights" in text_of(html)
    nothing = page(Run(MemoryStore({}), name="nothing"))
    text = text_of(nothing)
    assert figures_of(nothing) == {}
    for said in (
        "does not say which task was learnt",
        "does not say which model was trained",
        "No loss or accuracy curves were recorded",
        "no command trains this run again",
    ):
        assert said in text


def test_losses_without_accuracies_claim_no_landmarks():
    """Nanda's files hold losses only: the steps of memorising and grokking are not known."""
    losses = curves()[["step", "train_loss", "test_loss"]]
    html = page(planted(metrics=losses))
    assert "accuracies were not" in text_of(html)
    assert {"loss"} == set(figures_of(html)) & {"loss", "accuracy"}


def test_assumptions_about_a_third_party_file_are_told():
    """The importer's notes stand with what was trained, and the command is not said to give these numbers."""
    run = planted(steps=[900])
    run.source = {"format": "pizza", "file": "model.pt", "notes": ["the split is unknown"]}
    text = text_of(page(run))
    assert "On reading the file: the split is unknown." in text
    assert "train a run like this one" in text


def test_reports_import_plotly_when_one_is_made():
    """Importing the package costs neither plotly nor jinja2."""
    code = "import sys, grokinterp.reports; sys.exit('plotly' in sys.modules or 'jinja2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(
    shutil.which("chromium") is None and not os.environ.get("CI"), reason="no Chromium to open the page in"
)
def test_browser_draws_every_figure_without_a_complaint(tmp_path, html):
    """Opened from disk with no network: every plate holds a drawing, and the console stays empty."""
    path = tmp_path / "report.html"
    path.write_text(html)
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = ["chromium", *flags.split(), "--disable-component-update", "--disable-sync", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    body = re.sub(r"<script\b.*?</script>", "", done.stdout, flags=re.S)
    assert 'data-drawn="yes"' in body
    plates = re.split(r'<div class="plate', body)[1:]
    assert len(plates) == len(figures_of(html))
    assert all('class="main-svg"' in plate for plate in plates)
    assert "CONSOLE" not in done.stderr
