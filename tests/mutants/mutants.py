"""Makes small changes to the maths, one at a time, and counts those that no test notices.

`make mutants COUNT=200 SEED=0 ONLY=fourier`: cosmic-ray finds every place where it can make a change; a random sample
of the places gets one change each, and the tests that reach it are run (`trial.py`). What passes there is tried again
in a process of its own, with all tests that reach it, as is what changes a number outside functions. Nothing on disk
is changed. The survivors are printed. A survivor is either a test that is missing, or a change of no consequence:
docs/RELIABILITY.md lists the accepted ones.
"""

import argparse
import json
import math
import os
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from changes import MATHS, ROOT, Change, part_of, sample
from learning import SETTINGS
from trial import SECONDS, Only, Trial, install

JUDGING = ("scores", "contest", "candidates", "answers", "reading", "state_dict", "judgement", "contradictions")
IMPORTERS = [f"importers/test_{name}.py" for name in JUDGING]
MODULES = [IMPORTERS[0], "importers/test_modules.py"]
TESTS = {
    "fourier": ["test_fourier.py", "analysis"],
    "irreps": ["irreps", *(f"circuits/test_{name}.py" for name in ("irreps", "cosets", "groups")), "interventions"],
    "tasks": ["tasks", "circuits/test_groups.py", "models/test_calling.py"],
    "models": ["models", "evaluation", "interventions"],
    "evaluation": ["evaluation", "models", "training/test_scores.py", "circuits/test_clock_pizza.py", *MODULES],
    "analysis": ["analysis", "circuits", "test_planted.py"],
    "interventions": ["interventions", "circuits/test_ablation.py", "models"],
    "training": ["training"],
    "judging": IMPORTERS,
    "circuits": ["circuits", "analysis", "models/test_nalu.py"],
}
"""Of each part the tests that are there for it."""

OPTIONS = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]


def is_noticed(change: Change, tests: list[str]) -> bool:
    """Whether any of these tests fails under a change, in a process that knows nothing else."""
    command = [sys.executable, __file__, "--one", json.dumps(change.as_dict())]
    nowhere, text = subprocess.DEVNULL, json.dumps(tests).encode()
    return subprocess.run(command, input=text, stdout=nowhere, stderr=nowhere, cwd=ROOT).returncode != 0


def try_one(change: Change, tests: list[str]) -> int:
    install(change)
    files = sorted({str(ROOT / name.partition("::")[0]) for name in tests})
    return pytest.main(["-x", *OPTIONS, *files], plugins=[Only(tests)]) if tests else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=MATHS, action="append", help="a part of the maths")
    parser.add_argument("--share", action="store_true", help="of a sample of all parts what lies in those of --only")
    parser.add_argument(
        "--quick", action="store_true", help="one try a change, by the quickest of the tests that reach it"
    )
    parser.add_argument("--list", action="store_true", help="say which changes there are, and try none")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--tests", action="append", help="a file or folder of tests/, instead of those of the parts")
    given = parser.parse_args()
    if given.one:
        return try_one(Change(**json.loads(given.one)), json.load(sys.stdin))
    parts = given.only or list(MATHS)
    changes = sample(list(MATHS) if given.share else parts, given.count, given.seed)
    changes = [change for change in changes if part_of(change) in parts]
    if given.list:
        print(*changes, sep="\n")
        return 0
    tests = given.tests or dict.fromkeys([*SETTINGS, *(name for part in parts for name in TESTS[part])])
    places = [str(ROOT / "tests" / name) for name in tests]
    doubtful = [change for change in changes if change.function is None]

    def told(change: Change, test: str | None) -> None:
        # The terminal, past what pytest captures.
        print(f"{'noticed' if test else 'passed '}  {change}  {test or ''}", file=sys.__stderr__, flush=True)
        if test is None:
            doubtful.append(change)

    trial = Trial(changes, ROOT / ".venv" / "learnt", told)
    code = pytest.main([*OPTIONS, "-s", *places], plugins=[trial])
    if code == pytest.ExitCode.INTERNAL_ERROR:
        return 1  # what was not tried is not noticed
    survivors = []
    for change in doubtful:
        tests = trial.learnt.tests(change, SECONDS if given.quick else math.inf)
        if (given.quick and change.function is not None) or not is_noticed(change, tests):
            survivors.append(change)
            print(f"survived {change}", file=sys.stderr, flush=True)
    print(f"{len(changes) - len(survivors)} of {len(changes)} changes noticed, seed {given.seed}")
    for change in survivors:
        print(change)
    return 0


if __name__ == "__main__":
    sys.exit(main())
