"""Fixtures shared by all tests."""

import dataclasses
import functools
import gc
import importlib.util
import inspect
import os
import shutil
import sys

# Before torch is imported, and for all that the tests start: on matrices this small a second thread only takes the
# core of another worker.
os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, get_type_hints

import hypothesis
import jaxtyping
import pytest
import torch
from beartype import BeartypeConf, beartype

DATA = Path(os.environ.get("GROKINTERP_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROOT = Path(__file__).parents[1]
SOURCES = {"src/grokinterp": "grokinterp", "circuits": "grokinterp.circuits"}


def with_shapes() -> list[str]:
    """The modules that have arrays of a stated shape in their signatures."""
    return [
        ".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(".__init__")
        for folder, package in SOURCES.items()
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "from jaxtyping import" in path.read_text()
    ]


CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError))


def checked(of: Any, *, typechecker: Any = None) -> Any:
    """Decorate a function, or a dataclass, so that its calls check types and shapes, as `jaxtyped` does.

    That checks arguments twice, in two functions beside the one that is called, which it makes of text. Here the
    function itself is checked, within a context that holds the axes' sizes, in a third of the time.
    """
    if inspect.isclass(of):
        if dataclasses.is_dataclass(of) and not hasattr(of.__init__, "__wrapped__"):
            of.__init__ = checked(of.__init__)
        return of
    if inspect.isgeneratorfunction(of):
        return JAXTYPED(of, typechecker=CHECK)
    function = with_known_hints(of)
    called = CHECK(function)

    @functools.wraps(of)
    def within(*arguments: Any, **named: Any) -> Any:
        with SIZES:
            try:
                return called(*arguments, **named)
            except jaxtyping.TypeCheckError:
                jaxtyping.print_bindings()
                raise

    return of if called is function else within


def with_known_hints(of: Any) -> Any:
    """The function, or its like, of whose hints those are `Any` that name what is not there yet."""
    hints = {name: known(hint, of.__globals__) for name, hint in of.__annotations__.items()}
    if all(hints[name] is hint for name, hint in of.__annotations__.items()):
        return of
    function = FunctionType(of.__code__, of.__globals__, of.__name__, of.__defaults__, of.__closure__)
    for name in ("__module__", "__qualname__", "__doc__", "__kwdefaults__"):
        setattr(function, name, getattr(of, name))
    function.__annotations__ = hints
    return function


def known(hint: Any, names: dict[str, Any]) -> Any:
    """A hint, what it names as text looked up among the names."""
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": hint}), names, include_extras=True)["it"]
    except Exception:  # evaluating a text may raise anything
        return Any


# Calls of these check shapes and types. Of the others, which pyright alone checks, the tests see what a user sees,
# and take a quarter less time. The hook decorates with `jaxtyping.jaxtyped(typechecker=...)`.
JAXTYPED, SIZES = jaxtyping.jaxtyped, jaxtyping.jaxtyped("context")
jaxtyping.jaxtyped = lambda typechecker: checked  # type: ignore[assignment]
jaxtyping.install_import_hook(with_shapes(), "beartype.beartype")


class TorchRandom:
    """Hypothesis puts torch's generator back before every example, so that a failure comes again when asked for."""

    seed = staticmethod(torch.manual_seed)
    getstate = staticmethod(torch.get_rng_state)
    setstate = staticmethod(torch.set_rng_state)


hypothesis.register_random(TorchRandom)
# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure() -> None:
    """Collect no garbage while modules are imported: a third of that time goes by in looking for some."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What has been imported stays, so that it is never looked through again."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a slow test come first, so that the last files handed to a worker are short ones."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same numbers, whichever tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """Third-party files are not part of the repository: `data(name)` finds one, or skips, except in CI."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            reason = f"third-party file {name} not found under {DATA}; set GROKINTERP_TEST_DATA"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
        return path

    return find


@pytest.fixture(scope="session")
def released(data: Callable[[str], Path]) -> Any:
    """Nanda et al.'s released run of `a + b` mod 113, read once: its file has 107,791 steps of losses."""
    import grokinterp as gi

    return gi.load(data("nanda/wd_10-1_mod_addition_loss_curve.pth"))


@pytest.fixture(scope="session")
def five_digits(data: Callable[[str], Path]) -> Any:
    """Nanda's model of the addition of five digits, read once: a dozen readings of it are compared."""
    import grokinterp as gi

    return gi.load(data("nanda/5_digit_addition_infinite.pth"))


@pytest.fixture(scope="session")
def loaded() -> Callable[[Path], ModuleType]:
    """`loaded(path)` is a file that lies in no package, as a module."""

    def load(path: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look their module up.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def planted(loaded: Callable[[Path], ModuleType]) -> ModuleType:
    """The builders of hand-made models in `planted.py`: `planted.clock(p=11, frequencies=(2, 5))`, a Snapshot."""
    return loaded(Path(__file__).with_name("planted.py"))


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """A run small enough to write many times: `config`, `task` (p = 5, 8 rows trained on), `weights(step)`."""
    from grokinterp.config.presets import preset
    from grokinterp.models.initialisation import initialise
    from grokinterp.tasks import build

    config = preset("nanda").replace(d_model=8, n_heads=2, steps=300, frac=0.35)
    config = config.replace(task=type(config.task)("a + b", {"p": 5, "layout": "a b ="}))
    task = build(config.task).split(frac=0.35, seed=0, split="nanda")
    model = config.model.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    return SimpleNamespace(config=config, task=task, model=model, weights=lambda step: initialise(model, seed=step))


@pytest.fixture
def small_run(small: SimpleNamespace, tmp_path: Path) -> Path:
    """A finished run directory with checkpoints at 0, 100, 200, 300 and metrics every 50 steps."""
    from grokinterp.runs.writer import RunWriter

    writer = RunWriter.create(tmp_path / "small", small.config, small.task)
    for step in range(0, 301, 50):
        writer.append_metrics(
            {"step": step, "train_loss": 1 / (step + 1), "test_loss": 2.0, "test_accuracy": 0.1 * step}
        )
        if step % 100 == 0:
            writer.write_checkpoint(step, small.weights(step))
    writer.write_optimiser_state({"m": small.weights(7)["embed.W_E"]}, {"step": 300, "grokked_step": None})
    writer.finish()
    return writer.path


@pytest.fixture(scope="session")
def population_as_written(small: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory behind `population`, written once."""
    from grokinterp.runs.writer import RunWriter

    path = tmp_path_factory.mktemp("population")
    for rate in (0.0, 0.5, 1.0):
        for seed in (0, 1):
            grokked = None if (rate, seed) in ((0.0, 1), (1.0, 1)) else 100 + 100 * seed + int(100 * rate)
            writer = RunWriter.create(
                path / f"attention_rate{rate}-seed{seed}",
                small.config.replace(attention_rate=rate, seed=seed, split_seed=0),
                small.task,
            )
            for step in range(0, 301, 50):
                solved = grokked is not None and step >= grokked
                losses = {"train_loss": 1 / (step + 1), "test_loss": 0.01 if solved else 2.0}
                accuracies = {"train_accuracy": float(step >= 50), "test_accuracy": 1.0 if solved else 0.25}
                writer.append_metrics({"step": step, **losses, **accuracies})
                if step in (0, 100, 300):
                    writer.write_checkpoint(step, small.weights(step + seed))
            if (rate, seed) != (1.0, 1):
                writer.write_optimiser_state({"m": small.weights(7)["embed.W_E"]}, {"step": 300, "grokked_step": None})
                writer.finish()
    return path


@pytest.fixture
def population(population_as_written: Path, tmp_path: Path) -> Path:
    """Six runs of three attention rates and two seeds, by their curves grokked at 100 (rate 0, seed 0), never (0, 1),
    150 and 250 (rate 0.5), 200 (1, 0); (1, 1) was cut at step 300 without. All have checkpoints at 0, 100, 300."""
    import shutil

    return shutil.copytree(population_as_written, tmp_path / "population")


CHROMIUM_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int, int], Any]]:
    """`chromium(1280, 900)` is a browser of that size, its profile its own; skips where there is none, but in CI."""
    if shutil.which("chromium") is None and not os.environ.get("CI"):
        pytest.skip("no Chromium to open a page in")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright, ExitStack() as browsers:

        def launch(width: int, height: int) -> Any:
            browser = playwright.chromium.launch_persistent_context(
                tmp_path_factory.mktemp("profile"), executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS,
                viewport={"width": width, "height": height},
            )  # fmt: skip
            browsers.callback(browser.close)
            return browser

        yield launch
