"""load and describe: what is at a path, recognised by content."""

import json
import shutil

import pytest
import torch

import grokinterp as gi
from grokinterp.cli import main
from grokinterp.importers import FORMATS, describe
from grokinterp.importers._loading import IMPORTERS
from grokinterp.runs.directory import open_run
from grokinterp.runs.packing import pack

SAMPLES = {
    "nanda/5_digit_addition_infinite.pth": "nanda",
    "nanda/induction_head_infinite.pth": "nanda",
    "nanda/wd_10-1_mod_addition_loss_curve.pth": "nanda",
    "pizza/model_p99zdpze5l.pt": "pizza",
    "pizza/model_7r4zst7evs.pt": "pizza",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_released_files_are_recognised_by_content(data, tmp_path, name):
    """Whatever a file is called, its content tells the format."""
    source = data(name)
    renamed = shutil.copy(source, tmp_path / "model_y.pt")
    config = source.with_name(f"config_{source.stem.removeprefix('model_')}.json")
    if config.exists():
        shutil.copy(config, tmp_path / "config_y.json")
    run = gi.load(renamed)
    assert run.source["format"] == SAMPLES[name] and run.name == "model_y"


def test_a_directory_of_runs_is_runs(small_run, tmp_path):
    """Run directories, nested ones too, and files, by name; what a killed process left is not one of them."""
    shutil.copytree(small_run, tmp_path / "sweep" / "lr" / "a")
    shutil.copytree(small_run, tmp_path / "sweep" / "b")
    shutil.copytree(small_run, tmp_path / "sweep" / ".c.1234.tmp")
    pack(open_run(small_run), tmp_path / "sweep" / "packed.safetensors")
    torch.save([1.0, 0.5], tmp_path / "sweep" / "curve.pth")
    torch.save([[0.5, 0.3], [[1.0], [2.0], [3.0], [4.0]]], tmp_path / "sweep" / "scan.pth")
    (tmp_path / "sweep" / "broken.pt").write_bytes(b"PK")
    (tmp_path / "sweep" / "notes.txt").write_text("x")
    runs = gi.load(tmp_path / "sweep")
    assert [*runs] == ["b", "curve", "lr/a", "packed", "scan/frac_0.5", "scan/frac_0.3"]
    assert runs["lr/a"].steps == runs["packed"].steps == [0, 100, 200, 300]
    assert [*runs.skipped] == ["broken.pt"] and "truncated" in runs.skipped["broken.pt"]
    assert "skipped broken.pt" in describe(runs) and "6 runs" in describe(runs)


def test_a_directory_without_runs_says_so(tmp_path):
    """Nothing to load is a bad request, with the reason of the first file that failed, if any."""
    with pytest.raises(
        gi.BadRequest, match=r"holds none: it has no run directory and no \.pt, \.pth, \.safetensors file"
    ):
        gi.load(tmp_path)
    (tmp_path / "x.pt").write_text("hello")
    with pytest.raises(gi.BadRequest, match=r"holds none: .*x\.pt is truncated or damaged"):
        gi.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"weights": [1, 2], "shape": (3, 4)}, r"a dict of 2 \(weights: a list of 2, shape: a tuple of 2\)"),
        ({"conv.weight": torch.ones(2, 3)}, r"conv.weight: a tensor \[2, 3\]\); if it is a state dict, give the task"),
        ("just text", "str 'just text'"),
        ([["a"], ["b"]], "a list of 2, the first a list of 1"),
    ],
    ids=["dict", "tensors", "text", "list"],
)
def test_a_file_of_an_unknown_kind_is_refused_with_what_it_holds(tmp_path, content, found):
    """Types, keys and shapes are named, in one line."""
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(gi.BadRequest, match=rf"x\.pth is of no known kind: it holds .*{found}") as refusal:
        gi.load(tmp_path / "x.pth")
    assert "\n" not in str(refusal.value)


def test_a_wrong_format_is_refused(small_run, tmp_path):
    """An unknown format lists the known ones; a known one that does not fit says what the file holds."""
    torch.save([1.0, 0.5], tmp_path / "x.pth")
    with pytest.raises(gi.BadRequest, match=r"no format 'nada'\. Did you mean 'nanda'"):
        gi.load(tmp_path / "x.pth", format="nada")
    for importer in IMPORTERS:
        if importer.name != "curves":
            with pytest.raises(gi.BadRequest, match=f"not of the format '{importer.name}'.*a list of 2"):
                gi.load(tmp_path / "x.pth", format=importer.name)
    with pytest.raises(gi.BadRequest, match="not a packed run; it holds a list of 2"):
        gi.load(tmp_path / "x.pth", format="run")
    assert gi.load(tmp_path / "x.pth", format="curves").metrics["train_loss"].tolist() == [1.0, 0.5]
    assert {importer.name for importer in IMPORTERS} < set(FORMATS)


def test_nothing_there_is_one_line(tmp_path):
    """A path that does not exist is a bad request."""
    with pytest.raises(gi.BadRequest, match=r"nothing\.pth does not exist; give a run directory, or a"):
        gi.load(tmp_path / "nothing.pth")


def test_a_checkpoint_of_a_run_is_not_loaded_without_it(small_run):
    """The run knows the configuration and the task: its directory is the way to a checkpoint."""
    with pytest.raises(gi.BadRequest, match=r"one checkpoint of a run; load .*small and choose its step"):
        gi.load(small_run / "checkpoints" / "step_00000100.safetensors")


def test_a_truncated_safetensors_file_is_one_line(tmp_path, small_run):
    """Also where the file is a third-party one."""
    whole = (small_run / "checkpoints" / "step_00000100.safetensors").read_bytes()
    path = tmp_path / "x.safetensors"
    path.write_bytes(whole[:-8])
    with pytest.raises(gi.BadRequest, match="truncated") as refusal:
        gi.load(path)
    assert "\n" not in str(refusal.value)


def test_loading_does_not_write(data, tmp_path):
    """Nothing appears beside a file that is not ours."""
    shutil.copy(data("nanda/wd_10-1_mod_addition_loss_curve.pth"), tmp_path / "x.pth")
    describe(gi.load(tmp_path / "x.pth"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


def test_describe_measures_from_the_weights(released):
    """What `grokinterp info` says: format, task, split, steps, recorded and measured numbers, and what was inferred."""
    text = describe(released)
    lines = dict(line.split(": ", 1) for line in text.splitlines())
    assert lines["format"] == "nanda" and lines["trained on"] == "3830 of 12769 rows"
    assert lines["checkpoints"] == "1, step 107791 to 107791"
    assert lines["recorded test_loss"] == "4.9915e-07 at step 107790"
    assert "train_loss 9.2024e-09" in lines["measured at step 107791"]
    assert "test_loss 4.9884e-07, test_accuracy 1" in lines["measured at step 107791"]
    assert "weight decay 0.1" in lines["note 1"]


def test_describe_of_a_run_directory(small_run):
    """A run of our own names its model by what is not the default, and its identity."""
    text = describe(gi.load(small_run))
    identity = json.loads((small_run / "config.json").read_text())["identity"]
    assert f"identity: {identity}" in text and "transformer (d_model=8, n_heads=2)" in text
    assert "checkpoints: 4, step 0 to 300" in text


def test_describe_without_a_task(data):
    """Curves and models of an unknown task are described without measuring anything."""
    text = describe(gi.load(data("nanda/induction_head_infinite.pth")))
    assert "task: unknown" in text and "measured" not in text and "recorded train_loss" in text


def test_a_task_named_beside_its_parameters_says_nothing_that_it_does_not_know(data, capsys):
    """Rows that were never listed have no train loss, so none is compared; --set reaches the task, and it alone."""
    file = str(data("nanda/induction_head_infinite.pth"))
    words = ["info", file, "--task", "repeated_subsequence"]
    assert main([*words, "--set", "length=85"]) == 0
    told = capsys.readouterr().out
    assert "the weights give" not in told and "length=85" in told
    assert main([*words, "--set", "lenth=85"]) == 2 and "Did you mean 'length'" in capsys.readouterr().err
    assert main(["info", file, "--set", "length=85"]) == 2 and "name it with --task" in capsys.readouterr().err
    assert main(["info", file]) == 0 and "--task repeated_subsequence" in capsys.readouterr().out


def test_a_copy_keeps_what_was_inferred(data, tmp_path):
    """A third-party file made into a directory, and that into a pack, still tells its notes and its first source."""
    from grokinterp.runs.writer import save_run

    run = gi.load(data("pizza/model_p99zdpze5l.pt"))
    copy = save_run(run, tmp_path / "copy")
    packed = gi.load(pack(copy, tmp_path / "copy.safetensors"))
    for other in (copy, packed):
        assert other.source["notes"] == run.source["notes"]
        assert torch.equal(other.final.parameters["embed.W_E"], run.final.parameters["embed.W_E"])
    assert copy.source["copied_from"].endswith("model_p99zdpze5l.pt (pizza)")
    curves = save_run(gi.load(data("nanda/mod_addition_frac_train_sweep.pth"))["frac_0.3"], tmp_path / "curves")
    assert curves.steps == [] and len(curves.metrics) == 8996 and curves.task.is_train is None
    weights = save_run(gi.load(data("nanda/induction_head_infinite.pth")), tmp_path / "weights")
    assert weights.steps == [6000] and not weights.has_task and weights.final.config.attn_only
