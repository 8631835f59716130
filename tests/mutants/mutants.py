"""Makes small changes to the maths, one at a time, and counts those that no test notices.

`make mutants COUNT=40 ONLY=fourier`: cosmic-ray finds every change it can make to a module; a random sample of them is
tried, each with the tests of that module. This runs in a clone of the last commit, never in the working tree: a run
that is stopped leaves its last change behind. The survivors are printed with their diffs. A survivor is either a test
that is missing, or a change of no consequence: docs/RELIABILITY.md lists the accepted ones.
"""

import argparse
import random
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".venv-mutants"
MATHS = {
    "fourier": (["src/grokinterp/fourier.py"], "tests/test_fourier.py tests/circuits/test_spectrum.py"),
    "irreps": (["src/grokinterp/irreps"], "tests/irreps tests/circuits/test_irreps.py tests/circuits/test_cosets.py"),
    "tasks": (["src/grokinterp/tasks"], "tests/tasks"),
    "evaluation": (["src/grokinterp/evaluation"], "tests/evaluation tests/circuits tests/measuring"),
    "analysis": (["src/grokinterp/analysis"], "tests/analysis tests/circuits"),
    "interventions": (["src/grokinterp/interventions"], "tests/interventions tests/circuits/test_ablation.py"),
    "training": (["src/grokinterp/training/optimiser.py", "src/grokinterp/training/batches.py"], "tests/training"),
    "circuits": (["circuits"], "tests/circuits"),
}
"""The modules of each part, and the tests that must notice a change to them."""


def prepare() -> Path:
    """A clone of the last commit with an environment that sees this one's libraries and its own grokinterp."""
    clone = PLACE / "grokinterp"
    shutil.rmtree(PLACE, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    venv.create(clone / ".venv", with_pip=True)
    site = next((clone / ".venv" / "lib").glob("python*/site-packages"))
    paths = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    (site / "libraries.pth").write_text("\n".join(paths))
    pip = [clone / ".venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--editable", str(clone)], check=True)
    return clone


def sample(clone: Path, part: str, count: int, seed: int) -> Path:
    """A session of cosmic-ray with `count` changes of this part still to be tried, the others skipped."""
    modules, tests = MATHS[part]
    settings, session = PLACE / f"{part}.toml", PLACE / f"{part}.sqlite"
    command = f"{clone}/.venv/bin/python -m pytest -x -q -p no:cacheprovider {tests}"
    settings.write_text(
        f"[cosmic-ray]\nmodule-path = {modules}\ntimeout = 1800.0\nexcluded-modules = []\n"
        f"test-command = {command!r}\n[cosmic-ray.distributor]\nname = 'local'\n"
    )
    subprocess.run([tool(), "init", settings, session], cwd=clone, check=True)
    with use_db(session, mode=WorkDB.Mode.open) as database:
        items = sorted(database.pending_work_items, key=lambda item: [str(m) for m in item.mutations])
        jobs = [item.job_id for item in items]
        chosen = set(random.Random(seed).sample(jobs, min(count, len(jobs))))
        for job in jobs:
            if job not in chosen:
                database.set_result(job, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    print(f"{part}: {len(chosen)} of {len(jobs)} changes", flush=True)
    subprocess.run([tool(), "exec", settings, session], cwd=clone, check=True)
    return session


def tool() -> str:
    return str(Path(sys.executable).with_name("cosmic-ray"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="changes of each part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=MATHS)
    given = parser.parse_args()
    clone = prepare()
    for part in [given.only] if given.only else MATHS:
        session = sample(clone, part, given.count, given.seed)
        with use_db(session, mode=WorkDB.Mode.open) as database:
            results = [result for _, result in database.results if result.worker_outcome != WorkerOutcome.SKIPPED]
        survivors = [result for result in results if result.test_outcome == TestOutcome.SURVIVED]
        for survivor in survivors:
            print(survivor.diff)
        print(f"{part}: {len(results) - len(survivors)} of {len(results)} changes noticed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
