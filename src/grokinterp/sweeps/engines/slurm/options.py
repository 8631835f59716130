"""SlurmOptions: what is asked of Slurm for the jobs of a sweep, read from KEY=VALUE, and the text for sbatch."""

import math
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from grokinterp.errors import ConfigError, did_you_mean, listed, require

MOST_JOBS = 1000
"""The largest array that Slurm takes where its administrators have set nothing else; more runs share a job."""

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


@dataclass(frozen=True)
class SlurmOptions:
    """What each job of a sweep asks for; what is left out is as the partition has it.

    `time` is in minutes, or as Slurm writes it (`2:00:00`, `1-12`): a job that reaches it is queued again and goes on.
    A job trains `cpus_per_task` runs at once, each with one thread, and `runs_per_job` one after another of them.
    `setup` are shell lines before the job's command, such as `module load python`.
    """

    time: str | int = 60
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    mem: str | None = None
    cpus_per_task: int = 1
    gres: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    reservation: str | None = None
    runs_per_job: int | None = None
    setup: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(self.minutes >= 1, f"slurm time={self.time} must be at least one minute")
        require(self.cpus_per_task >= 1, f"slurm cpus_per_task={self.cpus_per_task} must be at least 1")
        require(
            self.runs_per_job is None or self.runs_per_job >= 1,
            f"slurm runs_per_job={self.runs_per_job} must be at least 1",
        )

    @classmethod
    def read(cls, given: "Mapping[str, Any] | Iterable[str] | None") -> "SlurmOptions":
        """The options in KEY=VALUE words, or in a dictionary. Raises `ConfigError` for one that there is not."""
        words = given if isinstance(given, Mapping) else _mapping(given or ())
        known = [field.name for field in fields(cls)]
        for name in words:
            if name not in known:
                raise ConfigError(
                    f"slurm has no option {name!r}.{did_you_mean(name, known)} The options: {listed(known)}"
                )
        values: dict[str, Any] = {name: _whole(name, value) for name, value in words.items()}
        if "setup" in values:
            lines = values["setup"]
            values["setup"] = (lines,) if isinstance(lines, str) else tuple(lines)
        return cls(**values)

    @property
    def minutes(self) -> int:
        """The time limit in whole minutes, as Slurm keeps it."""
        match = _TIME.fullmatch(str(self.time).strip())
        if match is None:
            raise ConfigError(f"slurm time={self.time!r} is no time; give minutes, hours:minutes:seconds or days-hours")
        days, numbers = int(match["days"] or 0), [int(match[name] or 0) for name in ("first", "second", "third")]
        has_hours = match["days"] is not None or match["third"] is not None
        hours, minutes, seconds = numbers if has_hours else (0, *numbers[:2])
        return (days * 24 + hours) * 60 + minutes + math.ceil(seconds / 60)

    def batch_size(self, runs: int) -> int:
        """How many runs a job is given, of so many in all."""
        return max(self.runs_per_job or self.cpus_per_task, math.ceil(runs / MOST_JOBS))

    def parameters(self, name: str, at_once: int | None) -> dict[str, Any]:
        """What submitit's executor is given for jobs of this name, of which `at_once` may run at a time."""
        asked = ("partition", "account", "qos", "mem", "gres", "constraint", "exclude")
        given = {key: value for key in asked if (value := getattr(self, key)) is not None}
        # Without accounting nothing else tells a sweep's jobs from others, and a cluster may not allow it.
        further = {"requeue": True} | ({"reservation": self.reservation} if self.reservation else {})
        return {
            **given,
            "job_name": name,
            "time": self.minutes,
            "cpus_per_task": self.cpus_per_task,
            "array_parallelism": at_once or MOST_JOBS,
            # Slurm may signal up to a minute early, and to write what a run needs to go on takes seconds.
            "signal_delay_s": 90 if self.minutes >= 10 else 30,
            "setup": list(self.setup) or None,
            "stderr_to_stdout": True,
            "wckey": None,
            "additional_parameters": further,
        }

    def script(self, folder: Path, name: str, runs: int, at_once: int | None) -> str:
        """The text that sbatch is given for so many runs."""
        # submitit has it for its own use only, and writes it no earlier than it submits.
        from submitit.slurm.slurm import _make_sbatch_string

        jobs = math.ceil(runs / self.batch_size(runs))
        command = f"{shlex.quote(sys.executable)} -u -m submitit.core._submit {shlex.quote(str(folder))}"
        array: dict[str, Any] = {"map_count": jobs} if jobs > 1 else {}
        parameters = self.parameters(name, at_once) | array
        return _make_sbatch_string(command=command, folder=folder, **parameters)


def _mapping(words: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise ConfigError(f"--slurm {word!r} is not KEY=VALUE, as in --slurm partition=cpu")
        name = name.strip().replace("-", "_")
        if name == "setup":
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ConfigError(f"--slurm {name} is given twice; only setup lines can be")
        else:
            values[name] = value
    return values


def _whole(name: str, value: Any) -> Any:
    if name not in ("cpus_per_task", "runs_per_job") or not isinstance(value, str):
        return value
    if not value.isdecimal():
        raise ConfigError(f"slurm {name}={value!r} is no whole number")
    return int(value)
