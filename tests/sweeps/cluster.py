"""A real Slurm of one node for tests: munged, slurmctld and slurmd of its own, which end with the block.

They end with this process too, where that is killed. It needs root, as Slurm's node daemon does, and the programs that
`.ci/run` installs. Nothing of a Slurm that the machine is part of is used.
"""

import contextlib
import getpass
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
SECONDS_TO_START = 60.0

CONF = """
ClusterName=tests
SlurmctldHost={host}({address})
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser=root
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
# A requeued job waits for as long as a credential lives: two minutes otherwise.
AuthInfo=socket={root}/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1,requeue_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=256
EnforcePartLimits=ALL
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=5
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
NodeName={host} NodeAddr={address} CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
PartitionName=other Nodes={host} MaxTime=INFINITE DefaultTime=60 State=UP
"""


def missing() -> str | None:
    """Why no cluster can be started here, or None."""
    absent = [program for program in PROGRAMS if shutil.which(program, path=_search_path()) is None]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)}); `.ci/run` says which packages have it"
    if importlib.util.find_spec("submitit") is None:
        return "submitit is not installed; it is part of grokinterp[slurm]"
    return None if os.geteuid() == 0 else "Slurm's node daemon has to be started as root"


@dataclass(frozen=True)
class Cluster:
    """A Slurm that runs: the environment its clients need, and what tests ask of it."""

    environment: dict[str, str]

    def ask(self, *command: str) -> str:
        """The output of a client, such as `squeue`."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()


@contextlib.contextmanager
def cluster(root: Path, cpus: int = 2) -> Iterator[Cluster]:
    """Start a Slurm whose files lie in `root`, for as long as the block runs."""
    host = socket.gethostname().partition(".")[0]
    (root / "state").mkdir(parents=True)
    (root / "spool").mkdir()
    (root / "key").write_bytes(secrets.token_bytes(128))
    (root / "key").chmod(0o400)
    ports = _free_ports(2)
    conf = root / "slurm.conf"
    conf.write_text(
        CONF.format(
            host=host, address=socket.gethostbyname(host), controller=ports[0], node=ports[1], user=getpass.getuser(),
            root=root, cpus=cpus, memory=4096,
        )
    )  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SQUEUE"))}
    running = Cluster({**kept, "SLURM_CONF": str(conf), "PATH": _search_path()})
    munge = ["munged", "--foreground", "--force", "--num-threads=2", f"--key-file={root}/key"]
    munge += [f"--{name}-file={root}/munged.{name}" for name in ("pid", "seed", "log")]
    with contextlib.ExitStack() as daemons:
        start = lambda *command: daemons.enter_context(_daemon(command, running.environment, root))
        munged = start(*munge, f"--socket={root}/munge.socket")
        _until(munged, lambda: (root / "munge.socket").exists())
        controller = start("slurmctld", "-D", "-c")
        node = start("slurmd", "-D", "-N", host)
        daemons.callback(_end_jobs, running)
        _until(controller, lambda: "UP" in running.ask("scontrol", "ping"))
        _until(node, lambda: running.ask("sinfo", "-h", "-N", "-p", "debug", "-o", "%T") == "idle")
        yield running


@contextlib.contextmanager
def _daemon(command: tuple[str, ...], environment: dict[str, str], root: Path) -> Iterator["subprocess.Popen[bytes]"]:
    log = root / f"{command[0]}.out"
    with log.open("wb") as output:
        # Should this process be killed, so that nothing is left to end it, a daemon is told by the kernel.
        words = ["setpriv", "--pdeathsig", "TERM", *command]
        process = subprocess.Popen(words, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(daemon: "subprocess.Popen[bytes]", holds: Callable[[], bool]) -> None:
    """Wait for a state that a daemon brings about."""
    end = time.monotonic() + SECONDS_TO_START
    while daemon.poll() is None and time.monotonic() < end:
        with contextlib.suppress(RuntimeError):
            if holds():
                return
        time.sleep(0.05)
    raise RuntimeError(f"{daemon.args} did not start (exit code {daemon.poll()})")


def _end_jobs(running: Cluster) -> None:
    running.ask("scancel", "--signal=KILL", "--full", "--user", getpass.getuser())
    running.ask("scancel", "--user", getpass.getuser())
    end = time.monotonic() + SECONDS_TO_START
    while running.ask("squeue", "-h") and time.monotonic() < end:
        time.sleep(0.1)


def _search_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]
