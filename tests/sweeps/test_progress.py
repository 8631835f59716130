"""How far a sweep is: bars where there is a terminal, plain lines where there is none."""

import io
import sys

import pytest

from grokinterp.runs.directory import JSONL
from grokinterp.sweeps.progress import Progress, last_step
from grokinterp.sweeps.spec import Keep
from grokinterp.sweeps.work import Job


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def jobs(tmp_path):
    """Three runs of 100 steps: one at step 40, its next line half written, one not begun, and one that ends."""
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / JSONL).write_text('{"step": 0}\n{"step": 40}\n{"st')
    return [Job(str(tmp_path / name), "", {}, 100, Keep()) for name in ("one", "two", "three")]


def test_the_last_whole_line_counts(jobs, tmp_path):
    """A line that is being written is none yet."""
    assert [last_step(tmp_path / name) for name in ("one", "two", "absent")] == [40, 0, 0]


def test_a_terminal_has_a_bar_and_a_line_a_run(jobs, monkeypatch):
    """Runs and steps in one bar, and each run in training below it."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress(jobs, done=1, show=True)
    progress.end(jobs[2], "three: finished")
    progress.look()
    progress.close()
    shown = sys.stderr.getvalue()
    assert "2 of 4 runs" in shown and "140/300" in shown and "one: 40 of 100 steps" in shown and "two:" not in shown
    assert "three: finished" in shown


def test_without_a_terminal_lines_say_what_ended(jobs, capsys):
    """No bar; what was trained before is said once; nothing where no progress is wanted."""
    progress = Progress(jobs, done=1, show=True)
    progress.end(jobs[2], "three: finished")
    progress.look()
    progress.close()
    assert capsys.readouterr().err == "1 of 4 runs trained already\nthree: finished (2 of 4)\n"
    Progress(jobs, done=1, show=False).end(jobs[2], "three: finished")
    assert capsys.readouterr().err == ""
