"""Where commands write that are given no --out: every one that has the option, so that no run's file is another's."""

import os
import shutil
from importlib import import_module

import pytest

import grokinterp as gi
from grokinterp.cli import main, names
from grokinterp.cli.options import options_of
from grokinterp.runs.files import default_place
from grokinterp.runs.packing import pack

TINY = "--p 7 --d-model 8 --n-heads 2 --steps 2 --metrics-every 1 --checkpoint-every 1".split()
MADE_OF_A_RUN = {
    "report": ["report", "RUN"],
    "figure": ["figure", "RUN", "loss"],
    "activations": ["activations", "RUN", "--hook", "hook_embed"],
    "nanda": ["nanda", "--run", "RUN"],
    "pack": ["pack", "RUN"],
}
SPEC = '[run]\nexpression = "a + b"\np = 7\nd_model = 8\nn_heads = 2\nsteps = 1\nlr = {}\n[grid]\nseed = [0]\n'
A_DIRECTORY = {"train", "demo", "import", "sweep"}
ONLY_WHERE_TOLD = {"measure", "explore"}


def has_out(command: str) -> bool:
    module = import_module(f"grokinterp.cli.{command}_command")
    if command == "train":  # its options are of a preset
        return True
    kinds = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    return any("--out" in options_of(kind) for kind in kinds if hasattr(kind, "__dataclass_fields__"))


def test_every_command_with_a_place_of_its_own_is_tried_here():
    assert {name for name in names() if has_out(name)} == {*MADE_OF_A_RUN, *A_DIRECTORY, *ONLY_WHERE_TOLD}


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Two runs of one name and their packed files, seen from a third directory."""
    for name in ("one", "two"):
        run = gi.train("a + b", p=7, d_model=8, n_heads=2, steps=2, metrics_every=1, checkpoint_every=1,
                       out=tmp_path / name / "small", progress=False)  # fmt: skip
        pack(run, tmp_path / name / "packed.safetensors")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    draw = lambda pictures, dpi: [path.write_bytes(b"%PDF") and path for _, path in pictures]
    monkeypatch.setattr("grokinterp.reports.saving.save_all", draw)
    return tmp_path


def written(root, command):
    """The files that are new or other than before, once a command has run, and are not what a run keeps of readings."""
    stamps = lambda: {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    before = stamps()
    assert main(command) == 0
    made = {path for path, stamp in stamps().items() if before.get(path) != stamp and "traces" not in path.parts}
    return {path for path in made if path.name != "summary.json"}


@pytest.mark.parametrize("can_write", [True, False], ids=["beside it", "where nothing can be written beside it"])
@pytest.mark.parametrize("source", ["small", "packed.safetensors"])
@pytest.mark.parametrize("command", MADE_OF_A_RUN)
def test_what_is_made_of_two_runs_of_one_name_is_two_files(command, source, can_write, two, monkeypatch):
    if not can_write:
        monkeypatch.setattr(os, "access", lambda *_: False)
    made = []
    for name in ("one", "two"):
        run = str(two / name / source)
        made.append(written(two, [run if word == "RUN" else word for word in MADE_OF_A_RUN[command]]))
    assert all(made) and not made[0] & made[1]
    assert can_write or command == "pack" or {path.parent for path in made[0] | made[1]} == {two / "here"}


def test_places_are_in_the_run_or_beside_the_file(two):
    run, file = two / "one" / "small", two / "one" / "packed.safetensors"
    assert default_place(run, "report.html", ".html") == run / "report.html"
    assert default_place(file, "report.html", ".html") == file.with_name("packed.safetensors.html")


def test_a_packed_file_is_not_written_over_what_its_run_was_made_of(two, capsys):
    """Weights from elsewhere, brought into a directory of their name beside them."""
    file = two / "one" / "model.safetensors"
    file.write_bytes(b"weights")
    shutil.copytree(two / "one" / "small", two / "one" / "model")
    assert main(["pack", str(two / "one" / "model")]) == 2
    assert "model.safetensors is there, and is not model packed" in capsys.readouterr().err
    assert file.read_bytes() == b"weights"
    assert main(["pack", str(two / "one" / "small")]) == main(["pack", str(two / "one" / "small")]) == 0
    assert main(["pack", str(two / "one" / "model"), "--out", str(file)]) == 0 and gi.load(file).steps


def test_a_run_in_the_usual_directory_is_refused(two, small_run, capsys):
    """Another rate, another file of one name, another sweep, another run in the place of the demo's."""
    at_rate = lambda rate: ["train", "a + b", *TINY, "--lr", rate]
    assert main(at_rate("0.01")) == 0 and main(at_rate("0.02")) == 2
    brought = lambda name: ["import", str(two / name / "packed.safetensors")]
    assert main(brought("one")) == 0 and main(brought("two")) == 2
    for rate, code in (("0.01", 0), ("0.02", 2)):
        (two / rate).mkdir()
        (two / rate / "rates.toml").write_text(SPEC.format(rate))
        assert main(["sweep", str(two / rate / "rates.toml"), "--workers", "1"]) == code
    shutil.copytree(small_run, two / "here" / "runs" / "demo")
    capsys.readouterr()
    assert main(["demo"]) == 2
    assert "runs/demo holds a run that is not the demo's; name another directory" in capsys.readouterr().err
    assert gi.load("runs/demo").config == gi.load(small_run).config


def test_the_page_of_some_runs_is_not_that_of_all(two):
    """Of all runs of a directory it lies in there; of others under `reports`, apart from those of others still."""
    from grokinterp.reports import _page_of

    for name in ("a", "b", "c"):
        shutil.copytree(two / "one" / "small", two / "runs" / name)
    page = lambda *names: _page_of(gi.Runs({name: gi.load(two / "runs" / name) for name in names}))
    assert _page_of(gi.load(two / "runs")) == page("a", "b", "c") == two / "runs" / "report.html"
    some = [page("a", "b"), page("a", "c"), page("b", "a")]
    assert some[0] == some[2] != some[1] and {path.parts[0] for path in some} == {"reports"}
    packed = gi.load(two / "one" / "packed.safetensors")
    assert _page_of(gi.Runs({"x": packed, "y": packed})) == two / "one" / "packed.safetensors.html"
