"""The page in a browser: every figure drawn; slider and switches of heads show what `measure` and `ablate` say."""

from contextlib import contextmanager

import pytest

import grokinterp as gi
from grokinterp.evaluation.losses import accuracy, cross_entropy
from grokinterp.reports import report
from grokinterp.reports.population.page import page as population_page
from grokinterp.reports.population.population import Population

WIDEST = "Math.max(...[...document.querySelectorAll('.plate')].map(plate => plate.layout.width))"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> gi.Run:
    out = tmp_path_factory.mktemp("browsed") / "run"
    return gi.train(
        "a + b", p=7, d_model=8, n_heads=2, frac=0.5, steps=40, checkpoint_every=20, metrics_every=10, progress=False,
        out=out,
    )  # fmt: skip


@pytest.fixture(scope="module")
def opened(run, tmp_path_factory, chromium):
    """The report opened from disk, and what its console said; nothing may ask for the network."""
    path = report(run, tmp_path_factory.mktemp("page") / "report.html")
    page, said, asked = chromium(1280, 900).new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)
    return page, said, asked


def test_every_figure_is_drawn_without_a_complaint(opened):
    """All plates hold a drawing, the console stays empty, and nothing but the file and its own data is fetched."""
    page, said, asked = opened
    plates = page.eval_on_selector_all(
        ".plate", "plates => plates.map(plate => [plate.id, !!plate.querySelector('.main-svg')])"
    )
    assert len(plates) >= 15 and all(drawn for _, drawn in plates), plates
    assert said == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)


def test_the_slider_moves_every_picture_to_its_checkpoint(run, opened):
    """At the first checkpoint the bars drawn are the trace's own numbers there, and the bar names the step."""
    page, said, _ = opened
    trace = gi.measure(run, progress=False)
    for at, step in ((0, 0), (1, 20), (2, 40)):
        page.evaluate(
            f"const f = document.getElementById('frame'); f.value = {at}; f.dispatchEvent(new Event('input'))"
        )
        page.wait_for_selector(f"html[data-frame='{step}']", timeout=30_000)
        assert page.inner_text("#step") == str(step)
        drawn = page.evaluate("Array.from(document.getElementById('spectrum').data[0].y)")
        norms = trace["embedding_norm"].sel(step=step)
        assert drawn == pytest.approx(norms.sel(basis=[f"cos {k}" for k in (1, 2, 3)]).values.tolist(), rel=1e-6)
        shown = page.evaluate("document.getElementById('neuron-maps').data[0].z.map(row => Array.from(row))")
        maps = gi.measure(run, ["neuron_maps"], steps=[step], progress=False)["neuron_map"].values[0, 0]
        every = gi.measure(run, ["neuron_maps"], progress=False)["neuron_map"].values[:, 0]
        level = float(every.max() - every.min()) / 254
        assert abs(maps - shown).max() <= level
    assert said == []


@pytest.mark.parametrize("heads", [[], [0], [1], [0, 1]], ids=str)
@pytest.mark.parametrize("step", [0, 40])
def test_the_switches_show_what_ablate_gives(run, opened, heads, step):
    """Losses and accuracies beside the switches are those of the hooked model with these heads at zero."""
    page, said, _ = opened
    at = run.steps.index(step)
    page.evaluate(f"const g = document.getElementById('frame'); g.value = {at}; g.dispatchEvent(new Event('input'))")
    for box in page.query_selector_all("[data-head]"):
        box.set_checked(int(box.get_attribute("data-head")) in heads)
    model, task = run[step].model(), run.task
    with gi.ablate(model, heads=[(0, head) for head in heads]):
        logits = model(task.inputs)[:, -1, : task.n_answers].detach()
    for name, of in (("train", task.is_train), ("test", ~task.is_train)):
        for kind, measure in (("loss", cross_entropy), ("accuracy", accuracy)):
            shown = float(page.get_attribute(f"[data-without={name}_{kind}]", "data-value"))
            assert shown == pytest.approx(measure(logits[of], task.labels[of]).item(), rel=1e-4, abs=1e-6)
    assert said == []


TITLES_THAT_MEET = """() => [...document.querySelectorAll('.plate')].flatMap(plate => {
  const titles = [...plate.querySelectorAll('text[class*=xtitle], text.annotation-text')].filter(
    title => title.getBoundingClientRect().width > 0);
  const boxes = titles.map(title => [title.textContent, title.getBoundingClientRect()]);
  return boxes.flatMap(([a, one], i) => boxes.slice(i + 1).filter(([b, other]) => one.left < other.right
    && other.left < one.right && one.top < other.bottom && other.top < one.bottom).map(([b, _]) => a + ' / ' + b));
})"""


def test_the_page_fits_a_phone(opened):
    """Nothing is wider than a narrow screen, and the figures are drawn anew to fit."""
    page, said, _ = opened
    page.set_viewport_size({"width": 390, "height": 800})
    # The page's own policy forbids what `wait_for_function` needs.
    for _ in range(100):
        if page.evaluate(WIDEST) <= 390:
            break
        page.wait_for_timeout(100)
    assert page.evaluate(WIDEST) <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(TITLES_THAT_MEET) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert said == []


LEGENDS_ON_TITLES = """() => [...document.querySelectorAll('.plate')].filter(plate => {
  const legend = plate.querySelector('.legend .bg');
  const titles = [...plate.querySelectorAll('text[class*=xtitle]')].map(title => title.getBoundingClientRect());
  const top = legend && legend.getBoundingClientRect().top, from = plate.getBoundingClientRect().top;
  return legend && top - from > 40 && titles.some(title => title.width && title.bottom > top + 1);
}).map(plate => plate.id)"""


SQUEEZED = """() => [...document.querySelectorAll('.plate')].filter(plate => {
  const legend = plate.querySelector('.legend .bg'), bar = plate.querySelector('.legend .scrollbar');
  const bottom = plate.querySelector('.main-svg').getBoundingClientRect().bottom;
  const scrolls = bar && Number(bar.getAttribute('height')) > 0 && Number(bar.getAttribute('width')) > 0;
  const { l, t, w, h } = plate._fullLayout._size;
  return scrolls || (legend && legend.getBoundingClientRect().bottom > bottom + 1) || h < 90;
}).map(plate => plate.id)"""


@contextmanager
def on_paper(page):
    """The page as it is drawn to be printed."""
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(500)
    yield
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")


def test_on_paper_no_legend_is_cut_and_none_takes_its_plots_room(opened):
    """A legend of many entries is whole, without those that wait for a click; the curves keep their height."""
    page, said, _ = opened
    with on_paper(page):
        squeezed = page.evaluate(SQUEEZED)
        entries = page.eval_on_selector_all("#progress .legendtext", "texts => texts.map(text => text.textContent)")
    page.wait_for_timeout(500)
    on_screen = page.eval_on_selector_all("#progress .legendtext", "texts => texts.map(text => text.textContent)")
    assert squeezed == []
    assert not any("3D" in entry for entry in entries) and (not on_screen or any("3D" in each for each in on_screen))
    assert said == []


def test_on_paper_legends_stand_below_and_no_name_is_lost(opened):
    """Figures are lower there: no legend stands on the title above it, and every part taken out has its name."""
    page, said, _ = opened
    with on_paper(page):
        on_titles = page.evaluate(LEGENDS_ON_TITLES)
        names = page.eval_on_selector_all("#parts .ytick text", "ticks => ticks.map(tick => tick.textContent)")
    assert on_titles == []
    assert set(names) == {"attention", "MLP", "positions", "direct path", "head 0", "head 1"}
    assert said == []


def test_a_page_that_was_narrow(population, tmp_path, chromium):
    """As narrow as a phone no title stands on another; wide again, legends are where a page has them that never was."""
    path = tmp_path / "many.html"
    path.write_text(population_page(Population(gi.load(population))))
    tops = "() => [...document.querySelectorAll('.plate .legend .bg')].map(one => one.getBoundingClientRect().top)"
    found = []
    for before in (1280, 390):
        page = chromium(before, 900).new_page()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)
        assert page.evaluate(TITLES_THAT_MEET) == []
        page.set_viewport_size({"width": 1280, "height": 900})
        page.wait_for_timeout(600)
        found.append(page.evaluate(f"({tops})().map(top => Math.round(top + window.scrollY))"))
    assert found[0] and found[0] == found[1]
