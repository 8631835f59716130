"""Makes small changes to the maths, one at a time, and counts those that no test notices.

`make mutants COUNT=200 SEED=0 ONLY=fourier`: cosmic-ray finds every place where it can make a change; a random sample
of the places gets one change each, and the tests that reach it are run (`trial.py`). What passes there is tried again
in a process of its own, with all tests that reach it, as is what changes a number outside functions. Nothing on disk
is changed. The survivors are printed. A survivor is either a test that is missing, or a change of no consequence:
docs/RELIABILITY.md lists the accepted ones.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from changes import MATHS, ROOT, Change, sample
from trial import Learnt, Only, Trial, install

TESTS = (
    "analysis",
    "circuits",
    "evaluation",
    "importers/test_evidence.py",
    "interventions",
    "irreps",
    "models",
    "tasks",
    "training",
    "test_fourier.py",
    "test_planted.py",
)
OPTIONS = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]


def learnt_place(places: list[str]) -> Path:
    """Where what was learnt of these tests and this code is kept."""
    digest = hashlib.sha256("".join(places).encode())
    for path in sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("circuits/*.py"), *ROOT.glob("tests/**/*.py")]):
        digest.update(path.read_bytes())
    return ROOT / ".venv" / f"learnt-{digest.hexdigest()[:16]}.json"


def is_noticed(change: Change, learnt: Path) -> bool:
    """Whether any test that reaches a change fails, in a process that knows nothing else."""
    command = [sys.executable, __file__, "--one", json.dumps(change.as_dict()), "--learnt", str(learnt)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT).returncode != 0


def try_one(change: Change, learnt: Path) -> int:
    install(change)
    tests = Learnt(**json.loads(learnt.read_text())).tests(change)
    files = sorted({str(ROOT / name.partition("::")[0]) for name in tests})
    return pytest.main(["-x", *OPTIONS, *files], plugins=[Only(tests)]) if tests else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=MATHS, action="append", help="a part of the maths")
    parser.add_argument("--learnt", type=Path, help="what was learnt before, of tests that have changed since")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--tests", action="append", help="a file or folder of tests/, instead of all of the maths'")
    given = parser.parse_args()
    places = [str(ROOT / "tests" / name) for name in given.tests or TESTS]
    learnt = given.learnt or learnt_place(places)
    if given.one:
        return try_one(Change(**json.loads(given.one)), learnt)
    changes = sample(given.only or list(MATHS), given.count, given.seed)
    doubtful = [change for change in changes if change.function is None]

    def told(change: Change, test: str | None) -> None:
        # The terminal, past what pytest captures.
        print(f"{'noticed' if test else 'passed '}  {change}  {test or ''}", file=sys.__stderr__, flush=True)
        if test is None:
            doubtful.append(change)

    code = pytest.main([*OPTIONS, "-s", *places], plugins=[Trial(changes, learnt, told)])
    if code == pytest.ExitCode.INTERNAL_ERROR:
        return 1  # what was not tried is not noticed
    survivors = []
    for change in doubtful:
        if not is_noticed(change, learnt):
            survivors.append(change)
            print(f"survived {change}", file=sys.stderr, flush=True)
    print(f"{len(changes) - len(survivors)} of {len(changes)} changes noticed, seed {given.seed}")
    for change in survivors:
        print(change)
    return 0


if __name__ == "__main__":
    sys.exit(main())
