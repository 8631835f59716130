"""Make a run like Nanda's mainline, as the full_run_data.pth that his notebook reads."""

from dataclasses import dataclass
from pathlib import Path

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read_one

ORDER = 86


@dataclass(frozen=True)
class Nanda:
    """Train Nanda et al.'s mainline and write it as their full_run_data.pth, whose original cannot be found.

    p = 113, 30 % of the table, one layer, 25,000 steps with a checkpoint every 100 and losses at every step. An
    interrupted training goes on where it stopped.
    """

    out: Path | None = None  # the file; full_run_data.pth in the run's directory where left out
    run: Path | None = None  # write this run instead of training one
    directory: Path = Path("runs/full-run-data")  # of the run that is trained
    p: int = 113  # modulus
    seed: int = 0  # of the weights and of the split
    steps: int = 25_000  # updates; his notebook reads its epoch 40,000
    save_every: int = 100  # steps between two models


def run(argv: list[str]) -> None:
    """Train unless a run is named, write the file and say where it is."""
    given = parse(Nanda, argv, "nanda")
    from grokinterp.importers.nanda_export import write_nanda
    from grokinterp.runs.files import default_place, make_directory
    from grokinterp.runs.replacing import check_output
    from grokinterp.training.trainer import train

    name = "full_run_data.pth"
    source = given.run or given.directory
    out = given.out or (source / name if given.run is None else default_place(source, name, f"-{name}"))
    check_output(out)  # before hours of training
    make_directory(out.parent)
    if given.run is None:
        one = train(
            "a + b", preset="nanda", p=given.p, seed=given.seed, steps=given.steps, metrics_every=1,
            checkpoint_every=given.save_every, out=given.directory, resume=True,
        )  # fmt: skip
    else:
        one = read_one(Source(given.run))
    written = write_nanda(one, out)
    say(f"{written}: {len(one)} models to step {one.steps[-1]}, {written.stat().st_size / 1e6:.1f} MB")
