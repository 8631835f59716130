"""CONTRIBUTING.md: each example is put where its first line says, in a copy of the package, and carried out."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
EXAMPLES = dict(BLOCKS)

CARRIED_OUT = """
import contextlib, io, json, sys
import torch
import grokinterp as gi
from grokinterp.cli import main
from grokinterp.config.squares import SquaresConfig
from grokinterp.reproduction import every_claim, find_claim, outcome_of, pages

def printed(*words):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(list(words)) == 0, words
    return out.getvalue()

run = gi.train("maximum", n=10, preset="narrow", steps=300, checkpoint_every=100, out="run", progress=False)
squares = gi.train("encoded_sum", p=7, preset="encoded_sum", batch_size=None, steps=40, checkpoint_every=40,
                   model=SquaresConfig(d_mlp=16), out="squares", progress=False)
squares = gi.load("squares")
model = squares.final.model()
logits, cache = model.run_with_cache(squares.task.inputs, names_filter=["blocks.0.mlp.hook_post"])
with gi.ablate(model, neurons=[(0, m) for m in range(16)]):
    without = model(squares.task.inputs)
gi.report(squares, "squares.html", cache=False)
torch.save({"pairs": [(0, 2.5), (100, 0.5)]}, "losses.pt")
curves = gi.load("losses.pt")
constant = gi.build("constant", p=7, answer=3)
trace = gi.measure(run, ["embedding_size"], cache=False)
gi.report(run, "report.html", cache=False)
print(json.dumps({
    "package": gi.__file__,
    "help": printed("--help"),
    "tasks": printed("tasks"),
    "presets": printed("presets"),
    "circuits": printed("circuits"),
    "labels": run.task.labels.reshape(10, 10)[3].tolist(),
    "width": run.config.model.d_model,
    "train_accuracy": run.metrics.train_accuracy.iloc[-1],
    "sizes": trace.embedding_size.values.tolist(),
    "norm": run.final.parameters["embed.W_E"][:10].norm().item(),
    "default": "embedding_size" in gi.measure(run, steps=[300], cache=False),
    "steps": printed("steps", "run"),
    "listed": printed("reproduce", "--results", "results"),
    "reproduced": printed("reproduce", "maximum-learnt", "--results", "results", "--runs", "runs", "--threads", "1"),
    "pages": {str(path): text for path, text in pages(every_claim(), {}).items()},
    "report": open("report.html").read().partition("</style>")[2],
    "model": {
        "kind": squares.config.model.kind,
        "losses": squares.metrics.train_loss.tolist(),
        "measured": gi.measure(squares, cache=False).train_loss.values.tolist(),
        "unembedded": (cache["blocks.0.mlp.hook_post"] @ model.unembed.W_U - logits).abs().max().item(),
        "without": without.abs().max().item(),
        "squared": cache["blocks.0.mlp.hook_post"].min().item() >= 0,
        "report": open("squares.html").read(),
    },
    "curves": curves.metrics.to_dict("list"),
    "format": curves.source["format"],
    "constant": constant.final.model()(constant.task.inputs)[:, -1].argmax(1).unique().tolist(),
}))
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> dict:
    """What the examples do, in a copy of the package that holds them."""
    house = tmp_path_factory.mktemp("house")
    package = house / "grokinterp"
    # With their bytecode, which is asked for its source's time and size: what is copied needs no compiling anew.
    shutil.copytree(ROOT / "src" / "grokinterp", package)
    shutil.copytree(ROOT / "circuits", package / "circuits")
    for place, text in EXAMPLES.items():
        path = house / place.removeprefix("src/") if place.startswith("src/") else package / place
        assert not path.exists(), f"{place} is there already"
        path.write_text(text)
    order = package / "importers" / "_loading.py"
    order.write_text(
        order.read_text()
        .replace("import curves, nanda,", "import curves, nanda, pairs,")
        .replace("IMPORTERS: tuple[Importer, ...] = (", "IMPORTERS: tuple[Importer, ...] = (\n    pairs.PAIRS,")
    )
    work = tmp_path_factory.mktemp("work")
    ended = subprocess.run(
        [sys.executable, "-c", CARRIED_OUT],
        cwd=work, env={**os.environ, "PYTHONPATH": str(house), "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    answers = json.loads(ended.stdout.splitlines()[-1])
    assert Path(answers["package"]).is_relative_to(house)
    return answers


@pytest.mark.parametrize("place", EXAMPLES)
def test_an_example_is_a_whole_file_of_twenty_lines(place):
    """Its place, docstring and imports among them, blank ones aside."""
    assert EXAMPLES[place].startswith('"""') and "import " in EXAMPLES[place]
    assert 1 + sum(bool(line.strip()) for line in EXAMPLES[place].splitlines()) <= 20


def test_every_code_block_is_carried_out():
    """None lacks its place, and there is one for everything that is found."""
    assert (ROOT / "CONTRIBUTING.md").read_text().count("```python") == len(EXAMPLES)
    assert {place.removeprefix("src/grokinterp/").rpartition("/")[0] for place in EXAMPLES} == {
        "tasks", "circuits", "cli", "config/presets", "reproduction/claims", "reports/sections", "importers", "config",
        "models", "constructions",
    }  # fmt: skip


def test_the_task_is_listed_and_learnt(done):
    assert "maximum" in done["tasks"] and "the larger of two numbers" in done["tasks"]
    assert done["labels"] == [3, 3, 3, 3, 4, 5, 6, 7, 8, 9]
    assert done["train_accuracy"] == 1


def test_the_preset_is_listed_and_trained(done):
    assert re.search(r"^narrow +.*d_model", done["presets"], re.M)
    assert done["width"] == 32


def test_the_circuit_is_listed_and_measured(done):
    """At every checkpoint, and among the defaults; the last value is the norm of the embedding in the weights."""
    assert re.search(r"^embedding_size +Frobenius", done["circuits"], re.M) and done["default"]
    assert len(done["sizes"]) == 4 and done["sizes"][-1] == pytest.approx(done["norm"], rel=1e-6)


def test_the_command_is_in_the_help_and_runs(done):
    """Last, since it has no ORDER."""
    commands = [line.split(maxsplit=1) for line in done["help"].splitlines() if line.startswith("  ")]
    assert commands[-1] == ["steps", "list the steps at which a run has checkpoints"]
    assert done["steps"].split() == ["0", "100", "200", "300"]


def test_the_claim_is_in_the_table_and_reproduced(done):
    assert re.search(r"^  maximum-learnt +not run ", done["listed"], re.M)
    assert done["pages"]["docs/reproduction/nobody-2000.md"].count("| `maximum-learnt` |") == 1
    assert re.search(r"^maximum-learnt: reproduced\.", done["reproduced"], re.M)


def test_the_importer_reads_its_files(done):
    assert done["curves"]["step"] == [0, 100] and done["curves"]["train_loss"] == [2.5, 0.5]
    assert done["format"] == "pairs"


def test_the_section_stands_in_the_report(done):
    """With its paragraph and figure, and its variable is not drawn again further down."""
    assert len(re.findall("<h3[^>]*>The size of the embedding", done["report"])) == 1
    assert f"At the end its norm is {done['norm']:.3g}." in done["report"]
    assert done["report"].count("Look for it falling in cleanup.") == 1


def test_the_model_is_trained_loaded_measured_ablated_and_reported(done):
    """Its logits are its neurons through W_U, so that without any neuron they are zero."""
    model = done["model"]
    assert model["kind"] == "squares" and model["squared"]
    assert model["losses"][-1] < 0.1 * model["losses"][0]
    assert model["measured"] == pytest.approx([model["losses"][0], model["losses"][-1]], rel=1e-5)
    assert model["unembedded"] < 1e-5 and model["without"] == 0
    assert "one layer of 16 squaring neurons" in model["report"]


def test_a_network_by_formula_is_one_file(done):
    """It is built by its name, and gives the one answer that it was asked to."""
    assert done["constant"] == [3]
