"""Reading PyTorch files: everything harmless comes back, nothing else is run."""

import collections
import dataclasses
import datetime
import io
import os
import pickle
import sys
import types
import uuid
import zipfile
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp.importers import UnsafeFileError, _unpickle
from grokinterp.importers._unpickle import read_torch_file
from grokinterp.importers.reading.settings import known_settings
from grokinterp.importers.reading.wrappings import settings_of


class Hostile:
    """What an attacker's pickle holds: a call of os.system, made as the file is loaded."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def save(content, path, **options):
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "nested"])
def test_a_hostile_file_runs_nothing(tmp_path, kind):
    """A file that would run a command is refused in one line that names it, and the command does not run."""
    hostile, path = Hostile(f"touch {tmp_path}/owned"), tmp_path / "model.pth"
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"model": hostile}))
    elif kind == "nested":
        save({"model": {"embed.W_E": torch.ones(2), "x": [{"y": (hostile,)}]}, "train_losses": [1.0]}, path)
    else:
        save(hostile, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(UnsafeFileError, match=r"model.pth names posix.system, .*nothing of it was run") as refusal:
        gi.load(path)
    assert "\n" not in str(refusal.value)
    assert os.listdir(tmp_path) == ["model.pth"]
    # The danger was real: Python's own unpickler runs it.
    if kind == "pickle":
        pickle.loads(path.read_bytes())
        assert (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["builtins.eval", "builtins.getattr", "torch.load", "numpy.load", "functools.partial"])
def test_no_other_function_is_known(tmp_path, name):
    """Names beyond the short list are refused, those of torch and numpy too."""
    module, _, function = name.rpartition(".")
    (tmp_path / "x.pt").write_bytes(f"c{module}\n{function}\n(S'x'\ntR.".encode())
    with pytest.raises(UnsafeFileError, match=f"names {name}"):
        read_torch_file(tmp_path / "x.pt")


def archive(path, program):
    """A torch.save archive around a hand-written pickle."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", program)
    return path


def test_a_file_cannot_alter_the_reader(tmp_path):
    """A pickle that sets attributes on the functions it is given changes nothing for the files after it."""
    # BUILD with (None, {'function': 1}) on the stand-in for _rebuild_tensor_v2, then on the class of a plain record.
    program = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x08\x00\x00\x00functionK\x01s\x86b."
    with pytest.raises(UnsafeFileError, match="attempt to change function"):
        read_torch_file(archive(tmp_path / "x.pt", program))
    good = save({"w": torch.arange(6.0).reshape(2, 3)}, tmp_path / "good.pt")
    assert torch.equal(read_torch_file(good)["w"], torch.arange(6.0).reshape(2, 3))


CONTENT = {
    "floats": [0.1, 1e-300, float("inf")],
    "mixed": [1, "a", None, True, (2, [3.5])],
    "text": "é",
    "bytes": b"\x00\xff",
    "set": {1, 2},
    "ordered": collections.OrderedDict(a=1, b=2),
    "array": np.arange(6, dtype=">i4").reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "scalar": np.float64(0.07),
    "dtype": torch.float32,
    "device": torch.device("cuda", 1),
    "size": torch.Size([2, 3]),
}
TENSORS = {
    "view": torch.arange(12.0).reshape(3, 4)[:, 1:3].T,
    "double": torch.randn(3, dtype=torch.float64),
    "half": torch.randn(3).half(),
    "bfloat": torch.randn(3).bfloat16(),
    "long": torch.arange(3),
    "bool": torch.tensor([True, False]),
    "empty": torch.empty(0, 4),
    "zero-dim": torch.tensor(9.2e-9, dtype=torch.float64),
    "parameter": torch.nn.Parameter(torch.ones(2)),
    "uint16": torch.tensor([1, 65535], dtype=torch.uint16),
}


@pytest.mark.parametrize("mapped", [False, True], ids=["copied", "mapped"])
def test_what_is_harmless_comes_back(tmp_path, monkeypatch, mapped):
    """Tensors of any dtype and stride, arrays, numbers, text and containers are those that were saved."""
    if mapped:
        monkeypatch.setattr(_unpickle, "MAPPED_ABOVE", 0)
    shared = torch.arange(4.0)
    path = save({**CONTENT, **TENSORS, "first": shared[:2], "last": shared[2:]}, tmp_path / "x.pt")
    back = read_torch_file(path)
    for name, value in TENSORS.items():
        assert back[name].dtype == value.dtype and torch.equal(back[name], value), name
    assert back["first"].untyped_storage().data_ptr() == back["last"].untyped_storage().data_ptr()
    for name in ("floats", "mixed", "text", "bytes", "set", "ordered", "scalar", "dtype", "size"):
        assert back[name] == CONTENT[name], name
    assert back["device"] == "cuda:1"
    for name in ("array", "fortran"):
        assert np.array_equal(back[name], CONTENT[name]) and back[name].dtype == CONTENT[name].dtype


def test_tensors_of_files_before_pytorch_1_6_come_back(tmp_path):
    """The old format is read where it holds nothing but tensors and containers."""
    path = save({"w": torch.arange(4.0)}, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(read_torch_file(path)["w"], torch.arange(4.0))


@pytest.mark.parametrize(
    "module",
    [
        "transformer_lens.HookedTransformerConfig",
        "transformer_lens.config.hooked_transformer_config",
        "easy_transformer",
    ],
)
def test_configs_of_transformer_lens_become_dictionaries(tmp_path, monkeypatch, module):
    """The removed config class, wherever it once lived, is read as its fields; the module need not exist."""
    home = types.ModuleType(module)

    @dataclasses.dataclass
    class HookedTransformerConfig:
        n_layers: int = 1
        act_fn: str = "relu"
        dtype: torch.dtype = torch.float32

    HookedTransformerConfig.__module__ = module
    HookedTransformerConfig.__qualname__ = "HookedTransformerConfig"
    home.HookedTransformerConfig = HookedTransformerConfig
    monkeypatch.setitem(sys.modules, module, home)
    path = save({"config": HookedTransformerConfig(n_layers=2)}, tmp_path / "x.pth")
    monkeypatch.delitem(sys.modules, module)
    config = read_torch_file(path)["config"]
    assert type(config) is dict
    assert config == {"n_layers": 2, "act_fn": "relu", "dtype": torch.float32}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_truncated_file_is_one_clear_line(tmp_path, legacy):
    """Cut anywhere, a file is refused as damaged, in one line that names it."""
    path = save(
        {"w": torch.randn(50), "losses": [0.5] * 20}, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy
    )
    whole = path.read_bytes()
    for kept in (0, 1, 10, len(whole) // 3, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(UnsafeFileError, match=r"x\.pt is truncated or damaged") as refusal:
            read_torch_file(path)
        assert "\n" not in str(refusal.value)


def test_flipped_bytes_are_noticed(tmp_path):
    """A checksum catches a damaged weight."""
    path = save({"w": torch.ones(1000)}, tmp_path / "x.pt")
    content = path.read_bytes()
    place = content.index(np.ones(1000, np.float32).tobytes()) + 40
    path.write_bytes(content[:place] + b"\x11" + content[place + 1 :])
    with pytest.raises(UnsafeFileError, match="damaged"):
        read_torch_file(path)


def test_what_is_no_pytorch_file_says_so(tmp_path):
    """Text, another zip, a bare pickle, a TorchScript program and objects in arrays are named for what they are."""
    (tmp_path / "text.pt").write_text("hello world")
    with pytest.raises(UnsafeFileError, match="damaged"):
        read_torch_file(tmp_path / "text.pt")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as file:
        file.writestr("readme.txt", "x")
    with pytest.raises(UnsafeFileError, match=r"zip archive but not of torch.save; it holds readme.txt"):
        read_torch_file(tmp_path / "zip.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps({"a": [1]}))
    with pytest.raises(UnsafeFileError, match=r"not a PyTorch file; .*; it holds a dict of 1 \(a: a list of 1\)"):
        read_torch_file(tmp_path / "pickle.pt")
    archive(tmp_path / "script.pt", b"\x80\x02N.")
    with zipfile.ZipFile(tmp_path / "script.pt", "a") as file:
        file.writestr("x/constants.pkl", b"\x80\x02N.")
    with pytest.raises(UnsafeFileError, match="TorchScript"):
        read_torch_file(tmp_path / "script.pt")
    save({"x": np.array([{}], dtype=object)}, tmp_path / "objects.pt")
    with pytest.raises(UnsafeFileError, match="dtype O8"):
        read_torch_file(tmp_path / "objects.pt")
    with pytest.raises(gi.BadRequest, match="does not exist"):
        read_torch_file(tmp_path / "nothing.pt")


def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path):
    """Sizes and strides that would read foreign memory are refused."""
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(4.0)}, buffer)
    with zipfile.ZipFile(buffer) as file:
        program, storage = file.read("archive/data.pkl"), file.read("archive/data/0")
    assert program.count(b"K\x04") >= 2  # the storage's length and the tensor's size
    head, _, tail = program.rpartition(b"K\x04")
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as file:
        file.writestr("x/data.pkl", head + b"K\xff" + tail)
        file.writestr("x/data/0", storage)
    with pytest.raises(UnsafeFileError, match="damaged"):
        read_torch_file(tmp_path / "x.pt")


BESIDE = {
    "counter": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "deque": (collections.deque([1, 2], maxlen=5), [1, 2]),
    "activation": (torch.nn.ReLU, "ReLU"),
    "module": (torch.nn.GELU(), "GELU"),
    "function": (torch.nn.functional.silu, "silu"),
    "text": (np.array(["ab", "c"]), ["ab", "c"]),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_weights_is_read_as_what_it_holds(tmp_path, name):
    """Counts, queues, text, and activations kept as classes, modules and functions: by their names."""
    value, plain = BESIDE[name]
    torch.save({"x": value, "w": torch.ones(2)}, tmp_path / "x.pt")
    read = read_torch_file(tmp_path / "x.pt")["x"]
    assert (read.tolist() if isinstance(read, np.ndarray) else read) == plain


@pytest.mark.parametrize(
    "value",
    [1j, range(3), slice(1, 2), datetime.datetime(2024, 1, 1), datetime.timedelta(1), uuid.UUID(int=7), Decimal("1.5"),
     Fraction(1, 2)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_that_say_nothing_of_a_model_keep_no_file_from_being_read(tmp_path, value):
    """They become their parts, and the weights beside them are read."""
    torch.save({"x": value, "w": torch.ones(2)}, tmp_path / "x.pt")
    content = read_torch_file(tmp_path / "x.pt")
    assert torch.equal(content["w"], torch.ones(2)) and isinstance(content["x"], dict)


def test_an_activation_kept_as_a_class_is_a_setting(tmp_path):
    """A config that names torch.nn.GELU, or holds a module of it, settles the activation."""
    for value in (torch.nn.GELU, torch.nn.GELU(), torch.nn.functional.gelu):
        torch.save({"model": {"w": torch.ones(2, 2)}, "config": {"activation": value}}, tmp_path / "x.pt")
        settings = settings_of(read_torch_file(tmp_path / "x.pt"))
        assert known_settings(settings, "x.pt", {})["activation"][0] == "gelu"
