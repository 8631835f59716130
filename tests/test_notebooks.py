"""The notebooks run, teach, draw what they promise, and are stored without outputs."""

import json
import multiprocessing
import os
import re
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.provisioning import local_provisioner
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = {
    "01_grok_in_a_minute": 6,
    "02_find_the_clock": 30,  # those of TransformerLens' grokking demo
    "03_clock_or_pizza": 6,
    "04_progress_measures": 7,
    "05_every_operation": 6,
    "06_ablate": 6,
    "07_write_your_own_circuit": 5,
    "08_bring_your_own_checkpoint": 1,
    "09_a_population": 3,
    "10_readable_before_it_is_right": 7,
}
"""Each one, and how many figures it draws at least."""

PLOTLY = "application/vnd.plotly.v1+json"


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_these_are_all_notebooks() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_stored_clean_and_installs_on_colab(name: str) -> None:
    """No outputs, a kernel that everybody has, text between the code, an installation that runs on Colab alone."""
    notebook = read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len(text) >= 4 and "## Try" in text[-1]
    assert text[0].startswith("# ")
    install = [cell.source for cell in code if "%pip" in cell.source]
    assert install == [code[0].source]
    assert re.search(r'^if "google\.colab" in sys\.modules:\n    %pip install', install[0], re.MULTILINE)


def test_no_address_is_made_up() -> None:
    """The repository has no public address yet, so that no badge, link or installation names one."""
    for name in NOTEBOOKS:
        text = (FOLDER / f"{name}.ipynb").read_text()
        assert not re.search(r"YOUR_|github\.com|colab\.research|git\+http", text), name


def test_links_lead_to_notebooks() -> None:
    """A link from one notebook to another has a file behind it."""
    for name in NOTEBOOKS:
        for link in re.findall(r"\]\(([\w-]+\.ipynb)\)", (FOLDER / f"{name}.ipynb").read_text()):
            assert (FOLDER / link).exists(), (name, link)


def test_numbers_of_ten_seeds_are_the_stored_result() -> None:
    """Notebook 10 shows what `grokinterp reproduce latent-readable-early` has measured, to three digits."""
    code = " ".join(cell.source for cell in read("10_readable_before_it_is_right").cells)
    shown = json.loads(re.search(r"ten_seeds = (\[[^]]+])", code)[1])
    stored = json.loads((FOLDER.parent / "reproduction/results/latent-readable-early.json").read_text())
    assert shown == [round(value, 3) for value in stored["values"]["latent accuracy"].values()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of them run, as a reader would: what one has trained another reads. Each can also be the first."""
    return tmp_path_factory.mktemp("notebooks")


IMPORTS = [
    "ipykernel.kernelapp", "matplotlib_inline", "plotly.express", "plotly.io", "scipy.stats", "torch", "xarray",
    "transformer_lens.model_bridge", "transformer_lens.hook_points",
]  # fmt: skip
"""What notebooks wait for first. None of it is ours: what our modules find out when imported, each finds out anew."""

KERNEL = """
import os, sys
os.setsid()
os.environ.clear()
os.environ.update({environment!r})
os.chdir({folder!r})
from ipykernel.kernelapp import launch_new_instance
launch_new_instance(argv=[*{words!r}, f"--IPKernelApp.parent_handle={{os.getppid()}}"])
"""


class ForkedKernel:
    """Jupyter's kernel as a fork of a process that has imported `IMPORTS`; to Jupyter it is a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, command: list[str], *, env: dict[str, str], cwd: str, **_: Any) -> None:
        code = KERNEL.format(environment=env, folder=cwd, words=command[command.index("-f") :])
        self._process = multiprocessing.get_context("forkserver").Process(target=exec, args=(code, {}))
        self._process.start()
        self.pid = self._process.pid
        while os.getpgid(self.pid) != self.pid:  # Jupyter signals the group
            time.sleep(0.001)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


@pytest.fixture
def launched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """How a notebook's kernel starts: the first one's as Jupyter starts it, the others' without the seven seconds of
    imports that it took."""
    if name != next(iter(NOTEBOOKS)):
        multiprocessing.set_forkserver_preload(IMPORTS)
        monkeypatch.setattr(local_provisioner, "launch_kernel", ForkedKernel)


@pytest.mark.usefixtures("launched")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell and every assertion in it passes, writes into `runs` alone, and figures have titles and named axes."""
    monkeypatch.setenv("GROKINTERP_FAST", "1")
    monkeypatch.setenv("PLOTLY_RENDERER", "plotly_mimetype")
    # Matrices this small gain nothing from more cores, and lose where another program uses them.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = read(name)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    assert {path.name for path in folder.iterdir()} == {"runs"}
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    figures = [output.data[PLOTLY]["layout"] for output in outputs if PLOTLY in output.get("data", {})]
    assert len(figures) >= NOTEBOOKS[name]
    for layout in figures:
        title = layout["title"]["text"]
        for axes in ("xaxis", "yaxis"):
            named = [layout[axis] for axis in layout if axis.startswith(axes)]
            assert any(axis.get("title", {}).get("text") for axis in named), (title, axes)
