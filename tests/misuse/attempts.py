"""Every call of the two tables, made in one process without the tests' type checks: what a user sees of each.

Prints JSON: by call the exception's type, its text, the exit code, and what was written.
"""

import contextlib
import inspect
import io
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

SECONDS = 10
"""What is not refused by then is taken to run."""


def place(root: Path) -> dict[str, Any]:
    """A directory of runs and files, right and wrong ones, and the names that the Python calls use."""
    import grokinterp as gi
    from grokinterp.models import processing
    from grokinterp.models.transformer import HookedTransformer
    from grokinterp.readout import Circuit

    os.chdir(root)
    run = gi.train("a + b", p=7, d_model=16, n_heads=2, steps=20, checkpoint_every=10, out="small", progress=False)
    model = run.final.model()
    state = {name: value.detach() for name, value in model.state_dict().items()}
    torch.save(state, "state.pt")
    torch.save([1, 2], "list.pt")
    native = model.to_bridge().state_dict()
    torch.save({"model": native, "config": {"n_heads": 3}}, "wrong_heads.pt")
    torch.save({"model": native, "config": {"n_heads": 0}}, "other_heads.pt")
    Path("two").mkdir()
    for name in ("first", "second"):
        shutil.copytree("small", Path("two", name))
    Path("dir").mkdir()
    files = {
        "notes.txt": "a + b\n",
        "dir/notes.txt": "nothing\n",
        "curves.csv": "step,train_loss\n0,1\n",
        "empty.pt": "",
        "damaged.pt": "PK\x03\x04 damaged",
        "lfs.pt": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "broken.py": "def f(:\n",
        "spec.toml": '[run]\nexpression = "a + b"\np = 7\n[grid]\nseed = [0, 1]\n',
        "nothing.py": "x = 1\n",
    }
    for name, text in files.items():
        Path(name).write_text(text)
    Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    np.savez("array.npz", x=np.arange(3))
    config = model.config

    class MyCircuit(Circuit):
        """Reads nothing."""

        name = "mine"

        def read(self, snapshot: Any, requested: Any = frozenset()) -> Any:
            raise NotImplementedError

    class Mine(torch.nn.Module):
        """A network of one's own."""

    return {
        "gi": gi,
        "np": np,
        "torch": torch,
        "Path": Path,
        "processing": processing,
        "run": run,
        "task": run.task,
        "model": model,
        "alone": HookedTransformer(config, dict(model.named_parameters())),
        "pizza": run.final.model().__class__(gi.RunConfig().model.__class__(attention_rate=0.5), task=run.task),
        "state": state,
        "trace": gi.measure(run, "loss", progress=False),
        "MyCircuit": MyCircuit,
        "Mine": Mine,
    }


def listing() -> dict[str, tuple[int, int]]:
    """What stands on disk here: path -> size and time of writing."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in Path().rglob("*") if path.is_file()}


def attempt(call: Any) -> dict[str, Any]:
    """What becomes of a call: the type of what it raised and its text, and the files that it wrote or removed."""
    before, out, err = listing(), io.StringIO(), io.StringIO()
    seen: dict[str, Any] = {"type": None, "text": ""}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        signal.alarm(SECONDS)
        try:
            seen["code"] = call()
        except SystemExit as stopped:
            seen |= {"type": "SystemExit", "code": stopped.code}
        except BaseException as error:
            seen |= {"type": type(error).__name__, "text": str(error)}
            seen["refused"] = isinstance(error, ValueError)
        finally:
            signal.alarm(0)
    after = listing()
    seen |= {"stdout": out.getvalue(), "stderr": err.getvalue()}
    seen["changed"] = sorted(name for name in {**before, **after} if before.get(name) != after.get(name))
    return seen


def main(tables: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """By table and call what became of it."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["XDG_CACHE_HOME"] = directory + "/cache"
        names = place(Path(directory))
        from grokinterp.cli import main as command_line

        def typed(line: str) -> Any:
            return command_line(shlex.split(line))

        def evaluated(line: str) -> Any:
            eval(line, dict(names))
            return 0

        return {
            "cli": {line: attempt(lambda line=line: typed(line)) for line in tables["cli"]},
            "python": {line: attempt(lambda line=line: evaluated(line)) for line in tables["python"]},
        }


def _remembered(source: Callable[[Any], str]) -> Callable[[Any], str]:
    """Looks the source of a class of one name up once, also where there is none; `train` makes one for every call."""
    known: dict[str, str | OSError] = {}

    def look_up(of: Any) -> str:
        if not isinstance(of, type):
            return source(of)
        name = f"{of.__module__}.{of.__qualname__}"
        if name not in known:
            try:
                known[name] = source(of)
            except OSError as error:
                known[name] = error
        found = known[name]
        if isinstance(found, OSError):
            raise found
        return found

    return look_up


def _too_long(signum: int, frame: Any) -> None:
    raise TimeoutError(f"it was not refused within {SECONDS} seconds")


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, _too_long)
    # Every parse of a command line looks the options' words up in the source, which is a third of it and never changes.
    inspect.getsource = _remembered(inspect.getsource)
    tables = json.load(sys.stdin)
    output = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        result = main(tables)
    json.dump(result, output)
    output.flush()
    os._exit(0)  # a server that a wrong call started must not keep the process
