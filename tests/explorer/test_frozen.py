"""The frozen explorer: a browser without a network finds `gi.ablate`'s numbers in one file."""

import base64
import re

import numpy as np
import pandas as pd
import pytest
import torch

import grokinterp as gi
from grokinterp.cli import explore_command
from grokinterp.errors import BadRequest
from grokinterp.explorer.frozen import holding, page
from grokinterp.explorer.frozen.packing import Rounded
from grokinterp.models.initialisation import initialise
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan

REQUESTS = [
    dict(heads=[(0, 1)]),
    dict(neurons=[(0, 17)]),
    dict(frequencies=[2]),
    dict(heads=[(0, 0)], neurons=[(0, 1), (0, 5)], frequencies=[1, 3], where="mlp", how="mean"),
    dict(heads=[(0, 1)], frequencies=[3], where="logits", how="mean"),
]
FAMILIES = {
    "one layer": ("a + b", dict(d_model=16, n_heads=2)),
    "products": ("a * b", dict(d_model=16, n_heads=2, attention_rate=0.5, activation="gelu", attention_bias=True)),
    "norms before": ("a - b", dict(d_model=16, n_heads=2, n_layers=2, normalization="pre", activation="silu")),
    "norms after": ("a + b", dict(d_model=16, n_heads=2, normalization="post", norm_kind="rms", tied_unembed=True)),
    "MLP": ("a + b", dict(preset="scienceetonnante", batch_size=None, d_embed=8, hidden_sizes=(20, 9))),
    "MLP, own tables": ("a - b", dict(preset="scienceetonnante", batch_size=None, d_embed=8, shared_embedding=False)),
}


def in_memory(expression: str, p: int = 7, steps=(0, 200), **fields) -> Run:
    """A run of random weights, without a directory."""
    config, task = plan(expression, p=p, steps=200, **fields)
    weights = {
        step: (lambda step=step: {name: 1.5 * value for name, value in initialise(config.model, seed=step).items()})
        for step in steps
    }
    curves = pd.DataFrame({"step": [0, 100, 200], "train_loss": [2.0, 1.0, 0.1], "test_loss": [2.0, 3.0, 0.2]})
    return Run(MemoryStore(weights, curves), "small", config, task, None, Provenance(format="test"))


@pytest.fixture(scope="module")
def offline(chromium):
    """A Chromium without a network, where whatever is asked of one is an error."""
    context = chromium(1280, 900)
    context.set_offline(True)
    context.route(re.compile("^(http|ws)"), lambda route: route.abort())
    context.set_default_timeout(60_000)
    return context


def opened(context, file):
    """The page, once it shows its first numbers, and what it complains of."""
    tab, complaints = context.new_page(), []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "blob:")) else complaints.append(request.url),
    )
    tab.goto(file.as_uri())
    tab.wait_for_selector("body[data-shown]")
    return tab, complaints


def evaluated(tab, request: dict) -> dict | str:
    """What `evaluate` resolves to, or the line with which it rejects."""
    return tab.evaluate("request => window.grokinterp.evaluate(request).catch(error => error.message)", request)


def by_ablate(run: Run, step: int, request: dict) -> dict:
    model = run[step].model()
    with gi.ablate(model, **request):
        return gi.evaluate(model)


def assert_same(numbers: dict, expected: dict) -> None:
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        assert abs(numbers[name] - expected[name]) <= 1e-3 * max(1, abs(expected[name])), (name, numbers, expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_browser_without_network_finds_the_numbers_of_ablate(name, offline, tmp_path):
    """Every forward pass, every part, every place of frequencies, at the last checkpoint and at the first."""
    expression, fields = FAMILIES[name]
    run = in_memory(expression, **fields)
    tab, complaints = opened(offline, gi.explore(run, out=tmp_path / "frozen.html"))
    for request in ({}, *REQUESTS):
        if not run.model_config.layer_heads:
            request = {name: value for name, value in request.items() if name != "heads"}
        for index, step in ((-1, 200), (0, 0)):
            assert_same(evaluated(tab, {**request, "checkpoint": index}), by_ablate(run, step, request))
    tab.close()
    assert complaints == []


def test_what_is_clicked_is_taken_out(offline, tmp_path):
    """A head, a neuron and a frequency by their buttons, the slider by its key; the page says what gi.ablate does."""
    run = in_memory("a + b", d_model=16, n_heads=2)
    tab, complaints = opened(offline, gi.explore(run, out=tmp_path / "frozen.html"))

    def shown(use) -> float:
        old = tab.locator("#test-loss").get_attribute("title")
        use()
        tab.wait_for_selector(f'#test-loss:not([title="{old}"])')
        return float(tab.locator("#test-loss").get_attribute("title"))

    request: dict = {}
    for part, label, choice in (
        ("heads", "head 1 of layer 0", (0, 1)),
        ("neurons", "neuron 17 of layer 0", (0, 17)),
        ("frequencies", "frequency 2", 2),
    ):
        request[part] = [choice]
        loss = shown(lambda label=label: tab.get_by_role("button", name=label, exact=True).click())
        assert loss == pytest.approx(by_ablate(run, 200, request)["test_loss"], abs=1e-3)
    code = tab.locator("#python").inner_text()
    assert "heads=[(0, 1)], neurons=[(0, 17)], frequencies=[2]" in code
    loss = shown(lambda: tab.locator("#step").press("ArrowLeft"))
    assert loss == pytest.approx(by_ablate(run, 0, request)["test_loss"], abs=1e-3)
    loss = shown(lambda: tab.locator("#clear").click())
    assert loss == pytest.approx(by_ablate(run, 0, {})["test_loss"], abs=1e-3)
    assert tab.locator("#neurons-text").input_value() == ""
    tab.close()
    assert complaints == []


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_the_page_is_as_wide_as_the_screen(width, offline, tmp_path):
    """Nothing sticks out to the side, on a phone or on a large screen."""
    tab, _ = opened(offline, gi.explore(in_memory("a + b", d_model=16, n_heads=2), out=tmp_path / "frozen.html"))
    tab.set_viewport_size({"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()


def test_a_reader_that_allows_no_workers_gets_the_same_numbers(offline, tmp_path):
    """Where a worker cannot be made the page computes by itself."""
    run = in_memory("a + b", d_model=16, n_heads=2)
    file = gi.explore(run, out=tmp_path / "frozen.html")
    strict = (
        file.read_text()
        .replace("worker-src blob:", "worker-src 'none'")
        .replace("'unsafe-inline' blob:", "'unsafe-inline'")
    )
    file.write_text(strict)
    tab, _ = opened(offline, file)
    assert tab.evaluate("pool.peers.length") == 1
    assert_same(evaluated(tab, REQUESTS[3]), by_ablate(run, 200, REQUESTS[3]))
    tab.close()


def test_a_bad_request_is_rejected_in_one_line(offline, tmp_path):
    """What the model does not have, and what a page cannot draw, with what works instead."""
    tab, _ = opened(offline, gi.explore(in_memory("a + b", d_model=16, n_heads=2), out=tmp_path / "frozen.html"))
    for request, words in (
        (dict(heads=[[0, 2]]), "heads are 0 to 1"),
        (dict(heads=[[1, 0]]), "layers are 0 to 0"),
        (dict(heads=[0]), r"as in heads: \[\[0, 1\]\]"),
        (dict(neurons=[[0, 64]]), "neurons are 0 to 63"),
        (dict(frequencies=[4]), "between 1 and 3"),
        (dict(frequencies=["2"]), "whole numbers"),
        (dict(how="resample"), "use gi.ablate"),
        (dict(how="median"), "choose of zero, mean"),
        (dict(where="stream"), "choose of embedding, mlp, logits"),
        (dict(checkpoint=2), "give 0 to 1"),
        (dict(head=[[0, 1]]), "evaluate takes checkpoint, heads"),
    ):
        line = evaluated(tab, request)
        assert isinstance(line, str) and "\n" not in line and re.search(words, line), (request, line)
    tab.close()


def test_a_run_that_no_page_can_hold_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    """Several runs, no checkpoints, another family, a checkpoint that is too large: one line with the remedy."""
    run = in_memory("a + b", d_model=16, n_heads=2)
    curves = Run(MemoryStore({}, run.metrics), "curves", run.config, run.task, None, Provenance(format="test"))
    for given, words in ((curves, "grokinterp report"), (Runs({"one": run, "two": run}), "name one")):
        with pytest.raises(BadRequest, match=words):
            gi.explore(given, out=tmp_path / "x.html")
    monkeypatch.setattr(type(run.model_config), "in_browser", False)
    with pytest.raises(BadRequest, match=r"gi\.ablate"):
        gi.explore(run, out=tmp_path / "x.html")
    monkeypatch.undo()
    monkeypatch.setattr(holding, "MOST_BYTES", 60_000)
    with pytest.raises(BadRequest, match="leave out --out"):
        gi.explore(run, out=tmp_path / "x.html")
    with pytest.raises(BadRequest, match="holds one run"):
        gi.explore(run, run, out=tmp_path / "x.html")
    with pytest.raises(BadRequest, match="--other"):
        explore_command.run([str(tmp_path), "--other", str(tmp_path), "--out", str(tmp_path / "x.html")])
    assert not list(tmp_path.iterdir())


def test_the_command_writes_the_file_and_says_where(small_run, tmp_path, capsys):
    """`grokinterp explore RUN --out FILE` prints the path, makes its folder, and serves nothing."""
    file = tmp_path / "course" / "page.html"
    explore_command.run([str(small_run), "--out", str(file)])
    assert capsys.readouterr().out == f"{file}\n" and "window.grokinterp" in file.read_text()


def test_twelve_checkpoints_of_nandas_size_fit():
    """The rule of size, computed: 12 MB hold the page, its table and at least twelve checkpoints at p = 113."""
    run = in_memory("a + b", p=113)
    n_parameters = sum(weight.numel() for weight in run.final.parameters.values())
    rest = len(page._page(run, page._assets(), [], 0.0, {}))
    assert (holding.MOST_BYTES - rest) // holding.text_size(n_parameters, 20) >= 12


def test_checkpoints_that_do_not_fit_leave_a_log_scale(monkeypatch, tmp_path):
    """First and last stay, early ones lie closer together, and the file keeps to its size."""
    chosen = holding.spread(range(0, 10_001, 100), 12)
    assert len(chosen) == 12 and chosen[0] == 0 and chosen[-1] == 10_000
    gaps = np.diff(chosen[1:])
    assert gaps[0] == 100 and (np.diff(gaps) >= 0).mean() > 0.7
    assert holding.spread([0, 5, 9], 7) == [0, 5, 9] and holding.spread([0, 5, 9], 1) == [9]
    run = in_memory("a + b", d_model=16, n_heads=2, steps=range(0, 201, 10))
    monkeypatch.setattr(holding, "MOST_BYTES", 150_000)
    file = gi.explore(run, out=tmp_path / "frozen.html")
    steps = [int(step) for step in re.findall(r'"step":(\d+),"bits"', file.read_text())]
    assert file.stat().st_size <= 150_000 and 3 < len(steps) < 21 and steps[0] == 0 and steps[-1] == 200


@pytest.mark.parametrize("bits", [20, 24, 32])
def test_rounded_weights_unpack_to_what_they_say(bits):
    """The bits that are written give, read one after another, the rounded weights; their error is half a step."""
    torch.manual_seed(0)
    weights = {"a": torch.randn(3, 5), "b": torch.zeros(4), "c": torch.randn(7) * 100}
    rounded = Rounded.of(weights, bits)
    stream = "".join(f"{byte:08b}" for byte in base64.b64decode(rounded.as_data(0)["weights"]))
    at = 0
    for (name, weight), (lowest, step) in zip(weights.items(), rounded.ranges, strict=True):
        numbers = [int(stream[at + bits * i : at + bits * (i + 1)], 2) for i in range(weight.numel())]
        at += bits * weight.numel()
        read = torch.tensor([lowest + step * number for number in numbers]).reshape(weight.shape)
        assert torch.allclose(read, rounded.parameters[name], atol=1e-6 * float(weight.abs().max()))
        assert float((rounded.parameters[name] - weight).abs().max()) <= step / 2 + 1e-5


def test_weights_that_need_more_bits_get_them(monkeypatch):
    """Where 20 bits are too few for the numbers, the next finer rounding is taken."""
    run = in_memory("a + b", d_model=16, n_heads=2)
    coarse, error = page._rounded(run, 200)
    assert coarse.bits == 20 and error <= page.TOLERANCE
    monkeypatch.setattr(page, "TOLERANCE", error / 4)
    fine, less = page._rounded(run, 200)
    assert fine.bits > 20 and less < error
