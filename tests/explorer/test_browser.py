"""The explorer in Chromium: what is clicked is what `gi.ablate` takes out, and the address holds it all."""

import shutil
from collections.abc import Iterator

import pytest
import torch

import grokinterp as gi
from grokinterp.evaluation.losses import cross_entropy
from grokinterp.runs.files import read_tensors, write_tensors
from grokinterp.runs.writer import RunWriter
from grokinterp.training.planning import plan

pytestmark = pytest.mark.slow

PANELS = ("table", "neurons", "curves", "spectrum", "activation", "waves", "plane")
PAGES = {"overview": "Overview", "pair": "One pair", "phases": "Phases", "compare": "Compare", "python": "Python"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A run directory of three checkpoints of random weights, with curves."""
    from grokinterp.models.initialisation import initialise

    config, task = plan("a + b", p=7, d_model=16, n_heads=2, steps=200)
    writer = RunWriter.create(tmp_path_factory.mktemp("runs") / "small", config, task)
    for step in (0, 100, 200):
        writer.append_metrics({"step": step, "train_loss": 1 / (step + 1), "test_loss": 2.0, "test_accuracy": 0.1})
        weights = {name: 2 * value for name, value in initialise(config.model, seed=step).items()}
        writer.write_checkpoint(step, weights)
    writer.write_optimiser_state({}, {"step": 200, "grokked_step": None})
    writer.finish()
    return writer.path


@pytest.fixture(scope="module")
def handle(path) -> Iterator:
    """The explorer on that run."""
    running = gi.explore(gi.load(path))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(chromium):
    """A Chromium with a profile of its own."""
    context = chromium(1280, 800)
    context.set_default_timeout(60_000)
    return context


@pytest.fixture
def opened(browser, handle) -> Iterator:
    """`opened("heads=0.1")` is the view of that address in a tab of its own; the console stays empty, and nothing is
    asked of another machine."""
    said: list[str] = []
    tab = browser.new_page()
    tab.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: said.append(request.url) if not _is_ours(request.url, handle) else None)

    def open_at(query: str = ""):
        tab.goto(f"{handle.url}&{query}" if query else handle.url)
        _ready(tab)
        return tab

    yield open_at
    tab.close()
    assert said == []


@pytest.fixture
def page(opened):
    """The first view."""
    return opened()


def _is_ours(url: str, handle) -> bool:
    return url.startswith((handle.url.partition("?")[0], "data:", "blob:"))


def _ready(tab) -> None:
    tab.wait_for_function(f"{list(PANELS)}.every(id => document.querySelector('#' + id + ' .main-svg'))")
    tab.wait_for_selector("#test-loss-after")


def _shown(tab) -> float:
    return float(tab.locator("#test-loss-after").get_attribute("title"))


def _changed(tab, use) -> float:
    """The test loss on screen once using a control has changed it."""
    old = tab.locator("#test-loss-after").get_attribute("title")
    use()
    tab.wait_for_function("old => document.querySelector('#test-loss-after').title !== old", arg=old)
    return _shown(tab)


def _test_loss(path, step: int, **request) -> float:
    run = gi.load(path)
    model, task = run[step].model(), run.task
    with torch.no_grad(), gi.ablate(model, **request):
        logits = model(task.inputs)[:, -1, : task.n_answers]
    return cross_entropy(logits[~task.is_train], task.labels[~task.is_train]).item()


def _settled(tab) -> list[list[float]]:
    """The boxes of what is on screen, once they have stayed where they are for fifteen frames."""
    return tab.evaluate(
        """async () => {
        const parts = "header, #timeline, #controls section, .tile, .panel, pre";
        const boxes = () => [...document.querySelectorAll(parts)].filter(e => e.offsetParent)
            .map(e => e.getBoundingClientRect()).map(r => [r.left, r.top, r.right, r.bottom]);
        let now = boxes();
        for (let still = 0; still < 15;) {
            await new Promise(requestAnimationFrame);
            const next = boxes();
            still = JSON.stringify(next) === JSON.stringify(now) ? still + 1 : 0;
            now = next;
        }
        return now; }"""
    )


def _lasso(tab) -> list[int]:
    """A lasso around all neurons in the right half of the scatter, and which these are by their coordinates."""
    box = tab.locator("#neurons .nsewdrag").first.bounding_box()
    left, right = box["x"] + box["width"] / 2, box["x"] + box["width"] - 2
    top, bottom = box["y"] + 2, box["y"] + box["height"] - 2
    tab.mouse.move(left, top)
    tab.mouse.down()
    for corner in ((right, top), (right, bottom), (left, bottom), (left, top + 2)):
        tab.mouse.move(*corner, steps=4)
    tab.mouse.up()
    return tab.evaluate(
        """() => { const graph = document.querySelector("#neurons .js-plotly-plot");
        const axis = graph._fullLayout.xaxis, x = graph._fullData[0].x;
        return [...x.keys()].filter(i => axis.d2p(x[i]) > axis._length / 2); }"""
    )


def test_who_hears_the_page_can_use_it(page):
    """No list of options that holds what takes the focus, no hidden box that does, a name for every slider, also after
    a choice has been made; by axe-core's rules, whose findings these were."""
    wrong = """() => [
        ...document.querySelectorAll("#explorer label[role=option], #explorer label[aria-selected]"),
        ...document.querySelectorAll("#explorer [aria-hidden=true][tabindex='0']:not([disabled])"),
        ...document.querySelectorAll("[role=slider]:not([aria-label])"),
        ...document.querySelectorAll("#explorer :is([role=group], [role=listbox]):not([aria-label])"),
    ].map(each => each.outerHTML.slice(0, 80))"""
    page.wait_for_function(f"({wrong})().length === 0")
    assert page.locator("#heads[role=group] input").count() == 2
    _changed(page, lambda: page.locator("#heads label").first.click())
    page.wait_for_function(f"({wrong})().length === 0")


def test_tab_reaches_every_kind_of_control(page):
    """Tabs, chips, slider, buttons and lists of choices; a list opens and is chosen from without a mouse."""
    page.wait_for_selector("#speed[tabindex='0']")
    page.locator("h1").click()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('[id]')?.id"))
    assert not {"page", "large", "play", "speed", "loop", "heads", "frequencies", "map", "x", "y"} - reached
    page.locator("#speed").focus()
    page.keyboard.press("Enter")
    page.get_by_role("option", name="1 a second").wait_for()


def test_chips_slider_and_undo_show_what_ablate_gives(page, path):
    """Head, frequency, keep only, resample, slider: each number on screen is the hooked model's; undo goes back."""
    close = lambda expected: pytest.approx(expected, rel=1e-5)
    assert _shown(page) == close(_test_loss(path, 200))
    chip = lambda group, name: page.locator(f"#{group}").get_by_text(name, exact=True).click
    assert _changed(page, chip("heads", "Head 1")) == close(_test_loss(path, 200, heads=[(0, 1)]))
    both = {"heads": [(0, 1)], "frequencies": [2]}
    assert _changed(page, chip("frequencies", "2")) == close(_test_loss(path, 200, **both))
    kept = {"heads": [(0, 1)], "frequencies": [1, 3]}
    assert _changed(page, chip("keep", "Keep only")) == close(_test_loss(path, 200, **kept))
    drawn_anew = _changed(page, chip("how", "Resample"))
    assert drawn_anew == close(_test_loss(path, 200, **kept, how="resample"))
    with_mlp = _changed(page, chip("components", "MLP"))
    assert with_mlp == close(_test_loss(path, 200, **kept, how="resample", components=["mlp"]))
    assert _changed(page, page.locator("#undo").click) == drawn_anew
    thumb = page.locator("#timeline [role=slider]")
    earlier = _changed(page, lambda: thumb.press("ArrowLeft"))
    assert earlier == close(_test_loss(path, 100, **kept, how="resample"))
    assert "Step 100" in page.locator("#step-label").text_content()
    assert _changed(page, page.locator("#undo").click) == drawn_anew
    assert _changed(page, page.locator("#redo").click) == earlier
    assert _changed(page, page.locator("#clear").click) == close(_test_loss(path, 100))
    assert page.locator("#heads input:checked").count() == 0


def test_cells_are_painted_before_plotly_draws_the_same_image(page):
    """A head that is taken out sets the map's image; plotly draws after it, and the very same: blank cells, too."""
    page.evaluate(
        """() => { window.seen = [];
        const table = document.querySelector("#table .js-plotly-plot");
        const note = (what) => seen.push([what, table.querySelector(".heatmaplayer image").href.baseVal]);
        table.on("plotly_afterplot", () => note("drawn"));
        const isSet = ({target, attributeName}) => target.tagName === "image" && attributeName === "href";
        new MutationObserver((changes) => changes.some(isSet) && note("set"))
            .observe(table, {subtree: true, attributes: true}); }"""
    )
    chip = lambda group, name: page.locator(f"#{group}").get_by_text(name, exact=True)
    images = set()
    for group, view in (("map", "Margin"), ("map", "Loss"), ("rows", "Test")):
        if view != "Margin":
            chip(group, view).click()
            page.wait_for_function("seen.some(([what]) => what === 'drawn')")
        _settled(page)
        page.evaluate("() => { seen.length = 0; }")
        _changed(page, chip("heads", "Head 1").click)
        page.wait_for_function("seen.filter(([what]) => what === 'set').length === 2")
        (first, image), *later = page.evaluate("seen")
        assert first == "set" and "drawn" in dict(later)
        assert {href for _, href in later} == {image}
        images.add(image)
    assert len(images) == 3


def test_a_lasso_survives_the_slider_the_address_and_a_new_server(page, browser, path, handle):
    """The chosen neurons stay while the checkpoint changes; the address alone brings them back, also elsewhere."""
    chosen: list[int] = []
    after = _changed(page, lambda: chosen.extend(_lasso(page)))
    assert 0 < len(chosen) < 64
    neurons = [(0, m) for m in chosen]
    assert after == pytest.approx(_test_loss(path, 200, neurons=neurons), rel=1e-5)
    moved = _changed(page, lambda: page.locator("#timeline [role=slider]").press("Home"))
    assert moved == pytest.approx(_test_loss(path, 0, neurons=neurons), rel=1e-5)
    page.wait_for_url(lambda url: "step=0" in url)
    assert "token" not in page.url
    second = browser.new_page()
    second.goto(page.url)
    _ready(second)
    assert _shown(second) == moved
    query = page.url.partition("?")[2]
    restarted = gi.explore(gi.load(path))
    second.goto(f"{restarted.url}&{query}")
    _ready(second)
    assert _shown(second) == moved
    restarted.stop()
    second.locator("#heads").get_by_text("Head 0").click()
    second.locator("#message").get_by_text("does not answer").wait_for()
    assert _shown(second) == moved
    second.close()


def test_a_click_taken_back_at_once_leaves_the_numbers_as_they_were(page, path):
    """The second click comes as soon as the first one's numbers are there, before anything else hears of them."""
    whole = page.locator("#test-loss-after").get_attribute("title")
    page.evaluate(
        """() => { const head = document.querySelectorAll("#heads input")[1];
        const seen = new MutationObserver(() => { seen.disconnect(); window.taken = head.checked; head.click(); });
        seen.observe(document.querySelector("#numbers"), { childList: true });
        head.click(); }"""
    )
    page.wait_for_function("window.taken === true")
    page.wait_for_function("whole => document.querySelector('#test-loss-after').title === whole", arg=whole)
    assert not page.locator("#heads input").nth(1).is_checked()
    page.wait_for_function("!location.search.includes('heads')")
    page.locator("#how").get_by_text("Mean").click()
    page.wait_for_function("location.search.includes('how=mean')")
    assert page.locator("#test-loss-after").get_attribute("title") == whole


def test_play_goes_on_from_the_last_checkpoint_to_the_first(page, path):
    """Play, and from step 200 it goes to 0 and 100, with their losses; Pause, and it stays."""
    label = "document.querySelector('#step-label').textContent"
    page.locator("#play").click()
    page.wait_for_function(f"{label}.includes('Step 0,')")
    page.wait_for_function(f"{label}.includes('Step 100,')")
    page.locator("#play").get_by_text("Pause").click()
    page.wait_for_timeout(700)
    step = int(page.locator("#step-label").text_content().split(",")[0].removeprefix("Step "))
    assert _shown(page) == pytest.approx(_test_loss(path, step), rel=1e-5)
    page.wait_for_timeout(700)
    assert f"Step {step}," in page.locator("#step-label").text_content()


def test_python_on_the_page_gives_the_number_on_the_page(page):
    """The text that `Copy as Python` copies is run, and its loss is the one shown, also after two quick clicks."""
    page.locator("#components").get_by_text("Attention").click()
    # Clicked before the first answer is there: neither is lost.
    page.locator("#how").get_by_text("Mean").click()
    page.wait_for_function("['components=attention', 'how=mean'].every(part => location.search.includes(part))")
    after = _shown(page)
    page.locator("#copy-python").click()
    page.get_by_text("Copied").wait_for()
    found: dict = {}
    exec(page.locator("#python-code").text_content(), found)
    assert found["after"]["test_loss"] == pytest.approx(after, rel=1e-6, abs=1e-6)


def test_panels_show_what_is_left_and_the_plane_fills_itself(page, path):
    """Attention and neuron are those inside `gi.ablate`, and say so; checkpoints nobody went to appear in the plane."""
    _changed(page, page.locator("#frequencies").get_by_text("2", exact=True).click)
    page.locator("#neurons .points path").nth(3).click(force=True)
    page.locator("#neuron-title").get_by_text("Neuron 3 after").wait_for()
    page.locator("#table .nsewdrag").first.hover()
    page.locator("#attention-title").get_by_text("a = 3, b = 3").wait_for()
    run = gi.load(path)
    model = run.final.model()
    with gi.ablate(model, frequencies=[2]):
        _, cache = model.run_with_cache(run.task.inputs)
    weights = cache["blocks.0.attn.hook_pattern"][3 * 7 + 3, :, -1].flatten().tolist()
    cells = page.locator("#attention td").evaluate_all("cells => cells.map(cell => cell.firstChild.textContent)")
    assert [float(text) for text in cells] == pytest.approx(weights, abs=0.0051)
    active = page.evaluate("[...document.querySelector('#activation .js-plotly-plot')._fullData[0].z[3]]")
    assert active == pytest.approx(cache["blocks.0.mlp.hook_post"][3 * 7 : 4 * 7, -1, 3].tolist(), abs=1e-4)
    trail = "document.querySelector('#plane .js-plotly-plot')._fullData[1].x.length"
    page.wait_for_function(f"{trail} === 3")


def test_pages_fill_and_nothing_overlaps(page):
    """A pair, a neuron and a comparison are drawn; in both window sizes panels lie side by side, inside the window."""
    page.locator("#neurons .points path").nth(3).click(force=True)
    page.wait_for_selector("#activation .heatmaplayer image", state="attached")
    for width, height in ((1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        for value, name in PAGES.items():
            page.locator("#page").get_by_text(name).click()
            page.wait_for_function(f"(new URLSearchParams(location.search).get('page') ?? 'overview') === '{value}'")
            boxes = _settled(page)
            assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in boxes), name
            for i, (x0, y0, x1, y1) in enumerate(boxes):
                assert not any(
                    x0 < u1 - 1 and u0 < x1 - 1 and y0 < v1 - 1 and v0 < y1 - 1 for u0, v0, u1, v1 in boxes[:i]
                ), (name, width)
    page.locator("#page").get_by_text("One pair").click()
    page.locator("#a").fill("3")
    page.locator("#a").press("Enter")
    page.locator("#b").fill("5")
    page.locator("#b").press("Enter")
    page.get_by_text("The right answer is 1.").wait_for()
    assert page.locator("#pair-attention td").count() == 6
    page.locator("#b").fill("50")
    page.locator("#b").press("Enter")
    page.locator("#pair-refusal").get_by_text("b is a whole number from 0 to 6").wait_for()
    assert "a = 3, b = 5" in page.locator("#pair-text").text_content()


def test_boxes_of_a_pair_step_hold_and_agree_with_the_panels(opened):
    """Plus and minus go on from what stands there, also where the address put it; boxes filled at once both count."""
    page = opened("pair=3,5&page=pair")
    says = lambda a, b: page.locator("#pair-text").get_by_text(f"a = {a}, b = {b},").wait_for()
    held = lambda: [page.locator(f"#{name}").input_value() for name in "ab"]
    says(3, 5)
    page.get_by_label("a and 1").click()
    says(4, 5)
    page.get_by_label("b less 1").click()
    says(4, 4)
    page.locator("#b").press("ArrowUp")
    says(4, 5)
    assert held() == ["4", "5"]
    for b in (6, 5, 4):
        page.locator("#page").get_by_text("Compare").click()
        page.locator("#page").get_by_text("One pair").click()
        page.locator("#a").fill(str(b - 1))
        page.locator("#b").fill(str(b))
        says(b - 1, b)
        assert held() == [str(b - 1), str(b)] and f"pair={b - 1},{b}" in page.url
    assert page.locator("#plane-title").text_content().lower().count("as trained") == 1


def test_an_address_that_is_wrong_says_so_and_opens_the_first_view(opened, path):
    """Designed error: one line on top, and the view as it would have been."""
    page = opened("heads=0.9")
    page.locator("#message").get_by_text("layer 0 has no head 9").wait_for()
    assert _shown(page) == pytest.approx(_test_loss(path, 200), rel=1e-5)


def test_without_the_token_a_browser_is_asked_for_it(browser, handle):
    """The refusal has a field; the token, or the whole printed address, opens the view it was asked for."""
    browser.clear_cookies()
    tab = browser.new_page()
    tab.goto(handle.url.partition("?")[0] + "?heads=0.1")
    tab.locator("#token").fill(handle.url)
    tab.get_by_role("button").click()
    _ready(tab)
    assert tab.locator("#heads input:checked").count() == 1
    tab.close()


def test_a_run_in_training_is_followed_without_a_reload(browser, path, tmp_path):
    """A new checkpoint is there within seconds: the view goes on to it, and the head that is out stays out. When the
    server ends, the page says so without a click."""
    shutil.copytree(path, tmp_path / "growing")
    running = gi.explore(tmp_path / "growing")
    tab = browser.new_page()
    try:
        tab.goto(running.url)
        _ready(tab)
        tab.locator("#heads").get_by_text("Head 1").click()
        tab.wait_for_function("location.search.includes('heads')")
        tab.evaluate("window.notReloaded = true")
        old = tmp_path / "growing" / "checkpoints" / "step_00000100.safetensors"
        tensors, metadata = read_tensors(old)
        write_tensors(old.with_name("step_00000300.safetensors"), tensors, {**metadata, "step": "300"})
        tab.wait_for_function("document.querySelector('#step-label').textContent.includes('checkpoint 4 of 4')")
        assert tab.locator("#heads input").nth(1).is_checked() and tab.evaluate("window.notReloaded")
        assert _shown(tab) == pytest.approx(_test_loss(tmp_path / "growing", 300, heads=[(0, 1)]), rel=1e-5)
        assert tab.locator("#message").text_content() == ""
        running.stop()
        tab.locator("#message").get_by_text("does not answer").wait_for()
    finally:
        tab.close()
        running.stop()


def test_a_class_is_shown_a_run(page):
    """The space bar plays, once through where it does not loop; a click on a curve goes there; letters grow."""
    label = "document.querySelector('#step-label').textContent"
    page.locator("#loop").get_by_text("Loop").click()
    page.locator("#speed").click()
    page.get_by_role("option", name="10 a second").click()
    page.locator("h1").click()
    page.evaluate(
        """() => {
          window.seen = [];
          const note = () => window.seen.push(document.querySelector('#step-label').textContent.split(',')[0]);
          new MutationObserver(note).observe(document.querySelector('#step-label'), { childList: true, subtree: true,
            characterData: true });
        }"""
    )
    page.keyboard.press("Space")
    page.wait_for_function("window.seen.at(-1) === 'Step 200'")
    page.locator("#play").get_by_text("Play", exact=True).wait_for()
    assert page.evaluate("window.seen.filter((step, i) => step !== window.seen[i - 1])") == [
        "Step 0",
        "Step 100",
        "Step 200",
    ]
    height = "document.querySelector('h1').getBoundingClientRect().height"
    small = page.evaluate(height)
    page.locator("#large").click()
    page.wait_for_function(f"{height} > 1.2 * {small}")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    drawn = "document.querySelector('#curves .js-plotly-plot')"
    page.wait_for_function(f"Math.abs({drawn}._fullLayout.width - {drawn}.clientWidth) < 2")
    place = page.evaluate(
        """() => {
          const drawn = document.querySelector('#curves .js-plotly-plot'), box = drawn.getBoundingClientRect();
          const { xaxis, yaxis } = drawn._fullLayout, times = box.width / drawn.offsetWidth;
          const place = [xaxis._offset + xaxis.d2p(100), yaxis._offset + yaxis._length / 4];
          return [box.left + times * place[0], box.top + times * place[1]];
        }"""
    )
    page.mouse.move(*place)
    page.mouse.click(*place)
    page.wait_for_function(f"{label}.includes('Step 100,')")
    page.wait_for_function("document.querySelector('#step [role=slider]').getAttribute('aria-valuenow') === '1'")
    page.locator("#large").click()
    page.wait_for_function(f"{height} < 1.2 * {small}")
