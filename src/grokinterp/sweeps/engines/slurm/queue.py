"""Queue: which jobs Slurm still has, asked by their names."""

import subprocess
import time
from collections.abc import Collection

from grokinterp.errors import BadRequest

SECONDS_WITHOUT_ANSWER = 600.0
"""How long Slurm's controller may be away, as it is when it is restarted, before it is no longer waited for."""

_WORDS = {"RUNNING": "running", "COMPLETING": "running", "CONFIGURING": "running"}


class SlurmAwayError(BadRequest):
    """Slurm does not answer. What it was given goes on without being watched."""


class Queue:
    """The jobs of these names that Slurm has, in whatever state; one that it has no more is over.

    Asked by name, which is a submission's own: ids begin again at 1 where a controller has lost its state. Not by
    `sacct`: many clusters keep no accounts, and there nothing else tells of a death.
    """

    def __init__(self) -> None:
        self._states: dict[tuple[str, int], str] = {}
        self._answered_at = time.monotonic()

    def states(self, names: Collection[str]) -> dict[tuple[str, int], str]:
        """A word for each name and index in an array: `running`, or `waiting (Priority)`.

        Gives the last answer where there is none now, and raises `SlurmAwayError` where there has been none for long.
        """
        if not names:
            return {}
        command = ["squeue", "--noheader", "--array", "--name", ",".join(names), "--format", "%j|%K|%T|%r"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            if time.monotonic() - self._answered_at > SECONDS_WITHOUT_ANSWER:
                raise SlurmAwayError(
                    f"Slurm has not answered for ten minutes ({error}); its jobs go on, and the same sweep again waits "
                    f"for them"
                ) from None
            return self._states
        self._answered_at = time.monotonic()
        self._states = dict(_read(line) for line in answer.splitlines() if line.strip())
        return self._states


def _read(line: str) -> tuple[tuple[str, int], str]:
    name, index, state, reason = line.strip().split("|", 3)
    # A job that is no array has no index.
    key = name, int(index) if index.isdecimal() else 0
    return key, _WORDS.get(state, f"waiting ({reason})")
