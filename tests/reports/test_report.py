"""A report says what the run holds, draws what was planted in it, and asks nothing of the network."""

import base64
import functools
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch

import grokinterp as gi
from grokinterp import circuits, fourier
from grokinterp.errors import BadRequest
from grokinterp.measuring import snapshot_of
from grokinterp.models.initialisation import initialise
from grokinterp.reports import report, verdict
from grokinterp.reports.figures.attention import positions
from grokinterp.reports.figures.frames import untexture
from grokinterp.reports.glossary import WORDS
from grokinterp.reports.page import page
from grokinterp.reports.prose import baselines, percent
from grokinterp.reports.section import Section
from grokinterp.reports.sections import sections_of
from grokinterp.reports.sections.verdict import facts
from grokinterp.reports.subject import Subject
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task
from grokinterp.training.planning import plan

P, FREQUENCIES = 17, (7, 3, 5)


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
    config, task = plan(expression, p=p, steps=900, **{"d_model": 32, "n_heads": 2, **fields})
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


def written(run: Run) -> str:
    return page(Subject(run))


@functools.cache
def sections(expression: str) -> list[Section]:
    """Those of a run of this operation with two checkpoints."""
    return sections_of(Subject(planted(expression, steps=[0, 900], metrics=curves())))


def figures_of(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.S)[1])


def text_of(html: str) -> str:
    """What a reader sees: the body's text without scripts."""
    shown = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", shown).replace("\N{NO-BREAK SPACE}", " ").split())


def numbers(value) -> np.ndarray:
    """A list, plotly's base64 form of an array, or a picture that was packed."""
    if isinstance(value, dict) and "texture" in value:
        return untexture(value)
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
    return written(planted(metrics=curves()))


def test_without_scripts_the_page_says_so_before_what_they_work(html):
    """Once, above the figures and the switches of heads, which are not shown where nothing would answer."""
    said = html.index("allow scripts")
    assert html.count("allow scripts") == 1 and html.rindex("<noscript>", 0, said) < said < html.index("<main>")
    assert html.index('class="switches"') > said
    hidden = re.search(r"<noscript><style>(.*?) { display: none; }</style></noscript>", html)
    assert {".plate", ".bar", ".switches", ".readings"} <= set(hidden[1].split(", "))


def test_report_writes_one_file_that_fetches_nothing(tmp_path):
    """No address but data: and its own headings; its policy forbids the rest; plotly stands in it once."""
    path = report(planted(metrics=curves()), tmp_path / "report.html")
    html = path.read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    links = Links()
    links.feed(html)
    assert all(link.startswith(("data:", "#")) for link in links.found)
    assert "default-src 'none'" in html
    assert "@import" not in html.split("</style>")[0] and "url(" not in html.split("</style>")[0]
    assert html.count("* plotly.js v") == 1
    assert len(html) < 8e6


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path):
    """One line on what is wrong, before anything is measured, and no half file; a folder that is missing is made."""
    (tmp_path / "file").write_text("kept")
    with pytest.raises(BadRequest, match=r"^cannot write \S+file: "):
        report(planted(steps=[0]), tmp_path / "file" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert report(planted(steps=[0]), tmp_path / "new" / "deep" / "report.html").is_file()


def test_names_cannot_break_out_of_the_page():
    """A name with markup in it is text, in the page and inside the figures' data."""
    hostile = "</script><script>alert(1)</script>"
    run = planted(steps=[0, 900], metrics=curves())
    run.name = hostile
    html = written(run)
    assert hostile not in html
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in html


def test_sections_stand_in_the_order_of_the_story(html):
    """The verdict first; what was trained, what happened, what was found part by part, how to reproduce."""
    assert re.findall(r"<h[23][^>]*>(.*?)</h", html) == [
        "The verdict",
        "What was trained",
        "What happened",
        "What was found",
        "The frequencies",
        "The circles",
        "The learnt code",
        "The neurons",
        "The attention",
        "The logits",
        "The output layer",
        "Without its parts",
        f"This operation: a + b mod {P}",
        "How to reproduce",
        "In a shell",
        "In Python",
        "The configuration",
        "Words",
    ]


@pytest.mark.parametrize("expression", ["a + b", "a - b", "a * b", "a^2 + b^2"])
def test_every_figure_has_a_caption_a_source_and_titled_axes(expression):
    """Nothing stands without what to look for and where it is from; nothing is called by a variable's name."""
    plates = [plate for section in sections(expression) for plate in section.plates]
    assert len(plates) >= 12 and len({plate.name for plate in plates}) == len(plates)
    for plate in plates:
        assert len(plate.caption.split()) > 10 and plate.source.endswith("."), plate.name
        layout = plate.figure.layout
        axes = [layout[name] for name in layout if re.fullmatch(r"[xy]axis\d*", name)]
        # Of maps in rows the lowest of a column is titled.
        below = [layout[name] for name in layout if name.startswith("xaxis")]
        column = [axis.title.text for axis in below if axis.domain == layout.xaxis.domain]
        assert any(column) and layout.yaxis.title.text, plate.name
        titles = [axis.title.text or "" for axis in axes]
        names = [trace.name or "" for trace in plate.figure.data] + [note.text for note in layout.annotations]
        assert not any("_" in text for text in [*titles, *names]), plate.name
        assert not plate.frames or len(plate.frames) == 2


def test_every_variable_of_the_trace_is_drawn_once_and_by_name():
    """What the page's own figures do not draw, `Further measures` does; shipped circuits leave it nothing."""
    assert "Further measures" not in [section.title for section in sections("a + b")]


def test_what_happened_is_told_in_steps(html):
    """The first recorded steps at the thresholds, their ratio, and the last values."""
    text = text_of(html)
    assert "All training rows were first answered at step 200." in text
    assert "Test accuracy first reached 99 % at step 800, 4 times as late." in text
    assert "final test accuracy 99.50 %" in text
    assert "final train loss 1 × 10⁻⁷ nats" in text  # noqa: RUF001


def test_baselines_are_those_of_the_table(html):
    """Chance, the commonest answer, and the test rows whose swap is trained on, counted by hand."""
    run = planted()
    trained = {tuple(row) for row in run.task.operands[run.task.is_train].tolist()}
    test = [tuple(row) for row in run.task.operands[~run.task.is_train].tolist()]
    swaps = sum((b, a) in trained for a, b in test) / len(test)
    text = text_of(html)
    assert f"chance {percent(1 / P)}".replace("\N{NO-BREAK SPACE}", " ") in text
    assert f"memorised swaps {percent(swaps)}".replace("\N{NO-BREAK SPACE}", " ") in text
    assert f"{len(trained):,} of them" in text and f"{len(test):,} are the test set" in text
    assert "memorised swaps" not in [fact.name for fact in baselines(planted("a - b").task)]


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


def test_frames_are_what_the_trace_has_at_each_step(html):
    """The bars of every frame are cosine and sine norms of that checkpoint's embedding, computed here anew."""
    run = planted()
    figure = figures_of(html)["spectrum"]
    assert len(figure["frames"]) == len(run.steps)
    for checkpoint, frame in zip(run, figure["frames"], strict=True):
        rows = fourier.norms(checkpoint.parameters["embed.W_E"], P)
        assert numbers(frame[0]["y"]) == pytest.approx(rows[1::2].numpy(), abs=1e-5)
        assert numbers(frame[1]["y"]) == pytest.approx(rows[2::2].numpy(), abs=1e-5)


def test_what_moves_stands_in_the_frames_alone(html):
    """Every trace that moves has its arrays in each frame and not beside them; still pictures have no frames."""
    found = figures_of(html)
    assert {"spectrum", "circles", "neurons", "neuron-maps", "attention", "attention-to", "logits"} == {
        name for name, figure in found.items() if "frames" in figure
    }
    for figure in found.values():
        for frame in figure.get("frames", []):
            assert len(frame) == len(figure["data"])
            assert not any(name in trace for trace, moved in zip(figure["data"], frame, strict=True) for name in moved)


def test_neuron_maps_are_the_activations(html):
    """Each panel's picture is the named neuron's activation on the whole table, to 8 bits."""
    run = planted()
    figure = figures_of(html)["neuron-maps"]
    neuron = int(re.search(r"neuron (\d+)", figure["layout"]["annotations"][0]["text"])[1])
    for checkpoint, frame in zip(run, figure["frames"], strict=True):
        post = snapshot_of(run, checkpoint.step)["blocks.0.mlp.hook_post"][:, neuron].reshape(P, P).numpy()
        value = frame[0]["z"]
        assert numbers(value) == pytest.approx(post, abs=(value["high"] - value["low"]) / 500)


def test_circles_are_named_by_frequency_and_stride_and_closed(html):
    """Each planted ring has its panel; neighbours along its line are a step apart and 1/p of a turn apart."""
    figure = figures_of(html)["circles"]
    headings = [note["text"] for note in figure["layout"]["annotations"]]
    for i, k in enumerate(FREQUENCIES):
        step = circuits.embedding.step_between_neighbours(k, P)
        assert f"frequency {k}, stride {step}" in headings[i] and "purity 100%" in headings[i]
        trace = {**figure["data"][i], **figure["frames"][-1][i]}
        tokens = numbers(trace["customdata"]).astype(int)
        assert sorted(tokens[:-1]) == list(range(P)) and tokens[0] == tokens[-1]
        assert {int(d) for d in np.diff(tokens) % P} in ({step}, {P - step})
        turns = np.unwrap(np.arctan2(numbers(trace["y"]), numbers(trace["x"])))
        assert np.abs(np.diff(turns)) == pytest.approx(2 * math.pi / P, abs=1e-3)


def test_products_are_read_in_discrete_log_order():
    """a * b: neighbours differ by a factor, token 0 is in no ring, and the page says which order it reads."""
    html = written(planted("a * b", metrics=curves()))
    assert "discrete logs" in text_of(html)
    figure = figures_of(html)["circles"]
    root, n = fourier.primitive_root(P), P - 1
    headings = [note["text"] for note in figure["layout"]["annotations"]]
    for i, k in enumerate(FREQUENCIES):
        # Where k and n share a factor no token is one place on: the heading names the next place that is taken.
        factor = pow(root, circuits.embedding.step_between_neighbours(k, n), P)
        assert f"frequency {k}, factor {factor}" in headings[i]
    assert 0 not in numbers(figure["data"][0]["customdata"])


@pytest.mark.parametrize(
    ("expression", "plates", "said"),
    [
        ("a - b", {"both-bases", "operands", "spectral"}, "A difference is not symmetric"),
        ("a * b", {"both-bases", "spectral"}, "A product is a sum of discrete logs"),
        ("a^2 + b^2", {"both-bases", "spectral"}, "polynomials superpose"),
    ],
)
def test_each_operation_gets_what_it_asks_for(expression, plates, said):
    """Differences their operands, products and polynomials both bases; a sum needs neither."""
    section = next(section for section in sections(expression) if section.title.startswith("This operation"))
    assert {plate.name for plate in section.plates} == plates
    assert said in section.paragraphs[0]


def test_the_verdict_on_a_product_counts_characters():
    """Two of four frequencies and the alternating wave: 4 of 9 rows. Nothing is said of runs of another task."""
    subject = Subject(gi.build("product", p=11, frequencies=[1, 3]))
    density = {fact.name: fact for fact in facts(subject)}["frequency density (FFD)"]
    assert density.value.startswith("embedding 0.44") and density.note.endswith("on the characters")
    assert not any("public runs" in paragraph for paragraph in verdict.verdict(subject))


def test_the_token_of_an_operation_is_called_the_operator():
    """Not by the whole formula, which is its token's text; a plus and an equals sign stay what they are."""
    assert positions(Task("a^2+a*b+b^2", p=5, layout="a op b =")) == ["a", "the operator", "b", "="]
    assert positions(Task("a + b", p=5, layout="a op b =")) == ["a", "+", "b", "="]


def test_reports_import_plotly_when_one_is_made():
    """Importing the package costs neither plotly nor jinja2."""
    code = "import sys, grokinterp.reports; sys.exit('plotly' in sys.modules or 'jinja2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_contents_lead_to_every_heading_and_words_used_are_explained(html):
    """Each link of the contents has its heading; of the glossary the words that the page uses stand at its end."""
    links = re.findall(r'<li class="level-\d"><a href="#([^"]+)"', html)
    ids = re.findall(r'<h[23][^>]* id="([^"]+)"', html)
    assert links == ids and len(set(ids)) == len(ids) > 8
    explained = set(re.findall(r"<dt>(.*?)</dt>", html))
    assert {"key frequencies", "checkpoint", "purity"} <= explained <= set(WORDS)
    assert "coset" not in explained
