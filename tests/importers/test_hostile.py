"""No bytes do harm: memory and time are bounded by the file's size, and each refusal is one line."""

import collections
import json
import os
import pickle
import time
import zipfile
from argparse import Namespace
from pathlib import PurePosixPath

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import grokinterp as gi
from grokinterp.importers._unpickle import read_torch_file
from grokinterp.runs.directory import is_run
from grokinterp.runs.packing import pack


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def nested(depth):
    inner = [1, "a"]
    for _ in range(depth):
        inner = [inner, inner, "a"]
    return inner


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: {"x": torch.ones(1).expand(10**10)}, "in a storage of 1 numbers"),
        (lambda: {"x": Calls(bytearray, (4 * 10**9,))}, "int in the place of bytes"),
        (lambda: nested(60), "holds a list of 3"),
        (lambda: {"epoch": 10**5000}, "epoch: int of 16610 bits"),
        (lambda: {"\x1b[31m" + "k" * 10**6: torch.ones(2, 2)}, r"\\x1b\[31mk+\.\.\.: a tensor"),
        (lambda: {1: 2, None: torch.ones(2)}, "holds a dict of 2"),
        (lambda: {"embed.W_E": 3, "unembed.W_U": torch.ones(2), "a.attn.W_O": "x", 5: 6}, "holds a dict of 4"),
        (lambda: {"embed.W_E": torch.ones(2, 2), "unembed.W_U": torch.ones(2), 5: torch.ones(2)}, "holds a dict of 3"),
        (lambda: {"model": 3, "config": 4, "checkpoints": 5}, "holds a dict of 3"),
    ],
    ids=["stride 0", "bytearray", "nested", "digits", "escapes", "keys", "early", "early keys", "lens"],
)
def test_what_a_file_says_of_its_size_is_not_believed(tmp_path, content, said):
    """Gigabytes out of four bytes, lists twice in one another, numbers of 5,000 digits: one line each, at once."""
    torch.save(content(), tmp_path / "x.pt")
    start = time.perf_counter()
    with pytest.raises(gi.BadRequest, match=said) as refusal:
        gi.load(tmp_path / "x.pt")
    assert time.perf_counter() - start < 5
    assert "\n" not in str(refusal.value) and "\x1b" not in str(refusal.value) and len(str(refusal.value)) < 1500


def test_a_member_that_unfolds_into_gigabytes_is_not_unfolded(tmp_path):
    """Two megabytes of zip that hold a gigabyte of zeros."""
    torch.save({"x": torch.ones(2)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data/9", bytes(2**27))
    with pytest.raises(gi.BadRequest, match=r"would unfold into 134,\d+"):
        gi.load(tmp_path / "x.pt")


def test_a_memo_of_billions_of_places_is_not_made(tmp_path):
    """A pickle of twenty bytes that keeps its only value under the number 4,294,967,000."""
    bomb = b"\x80\x02}r" + (4_294_967_000).to_bytes(4, "little") + b"."
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", bomb)
    with pytest.raises(gi.BadRequest, match="a memo of 4294967000 places"):
        gi.load(tmp_path / "x.pt")
    (tmp_path / "y.pt").write_bytes(bomb)
    with pytest.raises(gi.BadRequest, match="a memo of 4294967000 places"):
        gi.load(tmp_path / "y.pt")


def test_only_regular_files_are_read(tmp_path):
    """A pipe would wait for ever, a device give bytes for ever; a link to one is one."""
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    for name in ("pipe.pt", "zero.pt"):
        with pytest.raises(gi.BadRequest, match=f"{name} is no regular file"):
            gi.load(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"step,loss\n1,2\n", "a table of text"),
        ("x.json", b'{"a": 1}', "JSON text"),
        ("x.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "git lfs pull"),
        ("x.pt", b"", "is empty"),
        ("x.npy", b"\x93NUMPY\x01\x00", "one NumPy array"),
        ("x.h5", b"\x89HDF\r\n\x1a\n", "open it with h5py"),
        ("x.gz", b"\x1f\x8b\x08", "unpack it"),
        ("x.pt", b"<!DOCTYPE html>\n<html><body>404</body></html>", "its raw address"),
        ("x.onnx", b"\x08\x08\x12\x07pytorch", "an ONNX graph"),
        ("x.pkl", pickle.dumps({"W": [1.0]}), "open it with pickle"),
    ],
)
def test_files_of_other_kinds_are_told_as_what_they_are(tmp_path, name, content, said):
    """Alone and in a directory, where none vanishes."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(gi.BadRequest, match=said):
        gi.load(tmp_path / name)
    torch.save([1.0, 0.5], tmp_path / "curve.pth")
    if not name.endswith(".json"):  # beside a model it is its settings
        assert said in gi.load(tmp_path).skipped[name]


def test_a_lightning_checkpoint_in_a_directory_is_told(tmp_path):
    """`.ckpt` files are PyTorch's: read with a task, told to be skipped without."""
    torch.save({"state_dict": {"model.fc.weight": torch.ones(2, 3)}, "global_step": 5}, tmp_path / "last.ckpt")
    torch.save([1.0, 0.5], tmp_path / "curve.pth")
    assert "give the task" in gi.load(tmp_path).skipped["last.ckpt"]


def test_harmless_wrappings_are_plain_values(tmp_path):
    """Default dictionaries, namespaces, paths, numpy scalars: read without running anything."""
    content = {
        "a": collections.defaultdict(list, {"x": [1]}),
        "b": Namespace(p=11, path=PurePosixPath("runs/x")),
        "c": np.float64(0.5),
        "d": np.arange(3),
        "e": torch.tensor(7),
    }
    torch.save(content, tmp_path / "x.pt")
    read = read_torch_file(tmp_path / "x.pt")
    assert read["a"] == {"x": [1]} and read["b"] == {"p": 11, "path": "runs/x"} and read["c"] == 0.5
    assert read["d"].tolist() == [0, 1, 2] and int(read["e"]) == 7
    torch.save({"a": Calls(os.system, ("touch /tmp/never",))}, tmp_path / "y.pt")
    with pytest.raises(gi.BadRequest, match=r"names (posix|nt)\.system"):
        read_torch_file(tmp_path / "y.pt")
    assert pickle.loads(pickle.dumps(content["b"])).p == 11


@pytest.mark.parametrize(
    ("field", "value"),
    [("notes", 5), ("notes", [1]), ("mapping", "ab"), ("versions", 0.5), ("assumptions", [{"what": 1, "how": "tied"}])],
)
def test_a_source_of_other_types_is_one_line(small_run, field, value):
    """What a run's config.json says of its source: lists and tables of text, or the file is damaged."""
    data = json.loads((small_run / "config.json").read_text())
    data["source"][field] = value
    (small_run / "config.json").write_text(json.dumps(data))
    with pytest.raises(gi.BadRequest, match=r"config\.json is not a run's configuration"):
        gi.load(small_run)


def test_a_run_s_own_files_are_regular_and_of_its_size(small_run):
    """A device in the place of settings or a split, and ten million layers."""
    data = json.loads((small_run / "config.json").read_text())
    data["config"]["model"]["n_layers"] = 10**7
    (small_run / "config.json").write_text(json.dumps(data))
    with pytest.raises(gi.BadRequest, match="n_layers=10000000 is more than 10,000"):
        gi.load(small_run)
    (small_run / "config.json").unlink()
    (small_run / "config.json").symlink_to("/dev/zero")
    assert not is_run(small_run)


def test_a_packed_run_with_missing_parts_is_one_line(small_run, tmp_path):
    """No header, no steps, a parameter with another number of steps."""
    packed = pack(gi.load(small_run), tmp_path / "x.safetensors")
    with safe_open(packed, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    without_steps = {name: value for name, value in tensors.items() if name != "run/steps"}
    short = {**tensors, "embed.W_E": tensors["embed.W_E"][:1].clone()}
    headless = {"format": metadata["format"]}
    for content, kept, said in (
        (tensors, headless, "without its header"),
        (without_steps, metadata, "without run/steps"),
        (short, metadata, "embed.W_E have not one value a step"),
    ):
        save_file(content, tmp_path / "y.safetensors", kept)
        with pytest.raises(gi.BadRequest, match=said):
            gi.load(tmp_path / "y.safetensors")
