"""Run the papers' claims again, and tell how they came out."""

import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.errors import BadRequest
from grokinterp.sweeps import engines

if TYPE_CHECKING:
    Engine: TypeAlias = str
    from grokinterp.reproduction import Bench, Claim, Places, Result

else:
    Engine = Literal[*engines.names()]

ORDER = 70


@dataclass(frozen=True)
class Reproduce:
    """Run claims of the papers again. Without an ID: list them by source, with outcome and time of each."""

    id: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="ID")] = None  # the claim to run
    quick: bool = False  # rehearse on tiny runs that are thrown away: proves nothing, stores nothing
    all: bool = False  # run what fits into --budget: what was never run first, and the cheapest first
    nulls: bool = False  # measure a stored claim (with --all each that lacks it) on untrained weights and a memoriser
    budget: str = "1h"  # of --all: 90s, 30m or 2h, by each claim's estimate
    table: bool = False  # write REPRODUCTION.md and docs/reproduction anew from the stored results, and run nothing
    runs: tuple[Path, ...] = (Path("runs/reproduction"),)  # where to look for runs; missing ones go to the first
    data: Path | None = None  # the third-party files; $GROKINTERP_TEST_DATA or ../shared/data where left out
    results: Path | None = None  # the results; reproduction/results where left out
    threads: int | None = None  # processor cores to train with; all where left out
    workers: int | None = None  # train what is missing side by side first, in so many processes of one thread
    engine: Engine = "local"  # where these are trained, as in sweep


def run(argv: list[str]) -> None:
    """List, run or tabulate claims."""
    given = parse(Reproduce, argv, "reproduce")
    if [given.id is not None, given.all, given.table].count(True) > 1:
        raise BadRequest("reproduce: give an ID, --all or --table, one of them")
    if given.nulls and not (given.id or given.all):
        raise BadRequest("reproduce: --nulls is of one claim; name it, or give --all as well")
    if given.quick and given.id is None:
        raise BadRequest("reproduce: --quick rehearses one claim; name it, as in grokinterp reproduce ID --quick")
    if side_by_side := given.workers is not None or given.engine != "local":
        if given.quick or given.nulls or not (given.id or given.all):
            raise BadRequest("reproduce: --workers and --engine are of runs to train; name a claim, or give --all")
        if given.threads is not None:
            raise BadRequest("reproduce: each of --workers has one thread; leave --threads out")
    budget = minutes(given.budget)
    from grokinterp.reproduction import Bench, Places, find_claim

    places = Places.of(given.results, given.data)
    bench = Bench(given.runs, places.data, given.threads)
    if given.table:
        say(f"{_tabulate(places)} is up to date with {places.results}")
    elif given.nulls:
        _add_nulls([find_claim(given.id)] if given.id else None, bench, places)
    elif given.all:
        start = time.monotonic()
        if side_by_side:
            _train_first(_choose_claims(bench, places, budget, given.workers), bench, given)
        _run_all(bench, places, budget - (time.monotonic() - start) / 60)
    elif given.id is None:
        _list(bench, places)
    elif given.quick:
        _rehearse(find_claim(given.id), bench)
    else:
        claim = find_claim(given.id)
        if side_by_side:
            _train_first([claim], bench, given)
        _run_one(claim, bench, places)


def minutes(text: str) -> float:
    """`90s`, `30m` or `2h` in minutes. Raises `BadRequest` for anything else."""
    time_of = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not time_of:
        raise BadRequest(f"reproduce: --budget={text} is no time; give it as 90s, 30m or 2h")
    return float(time_of[1]) * {"s": 1 / 60, "m": 1, "h": 60}[time_of[2]]


def duration(minutes: float) -> str:
    """Minutes in words: `30 s`, `12 min` or `1.5 h`."""
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 60 else f"{minutes / 60:.1f} h"


def _list(bench: "Bench", places: "Places") -> None:
    """Claims under their sources: outcome of the last run, and the time that one takes here and now."""
    from grokinterp.reproduction import OUTCOMES, by_source, every_claim, outcome_of, stored

    results, claims = stored(places.results), every_claim()
    width = max(len(claim.id) for claim in claims)
    for source, group in by_source(claims).items():
        outcomes = [outcome_of(claim, results.get(claim.id)) for claim in group]
        counts = ", ".join(f"{outcomes.count(each)} {each}" for each in OUTCOMES if each in outcomes)
        say(f"{source}: {counts}")
        for claim, outcome in zip(group, outcomes, strict=True):
            say(f"  {claim.id:<{width}}  {outcome:<18}  {duration(bench.cost(claim)):>6}  {claim.statement}")


def _announce(claim: "Claim", bench: "Bench") -> None:
    """Say what a claim trains and for how long, before it starts."""
    missing = bench.missing(claim)
    say(f"{claim.id}: {len(missing)} of its {len(claim.trainings)} runs to train, {duration(bench.cost(claim))} or so.")
    for each in missing:
        what = f"{each.expression} ({each.preset}), seed {each.seed}, at most {each.steps:,} steps"
        say(f"  {what}, {duration(each.minutes)}{'' if not bench.has_begun(each) else ', continued'}")


def _run_one(claim: "Claim", bench: "Bench", places: "Places") -> None:
    from grokinterp.reproduction import attempt, measure_nulls, store

    _announce(claim, bench)
    result = attempt(claim, bench, measure_nulls(claim, bench))
    path = store(result, places.results)
    _print_result(claim, result)
    say(f"{path} and {_tabulate(places)} are written.")


def _add_nulls(claims: "list[Claim] | None", bench: "Bench", places: "Places") -> None:
    """Measure nulls beside results that are stored; of all claims where none is named, those that lack them."""
    from grokinterp.reproduction import every_claim, measure_nulls, store, stored

    results = stored(places.results)
    for claim in claims or [each for each in every_claim() if each.id in results and not results[each.id].nulls]:
        if claim.id not in results:
            raise BadRequest(f"{claim.id} has no result yet; run it, its nulls are measured with it")
        if reason := bench.why_not(claim):
            say(f"{claim.id}: no nulls. {reason}")
            continue
        nulls, values = measure_nulls(claim, bench), results[claim.id].values
        result = replace(results[claim.id], nulls=nulls, outcome=claim.judge(values, nulls))
        store(result, places.results)
        vacuous = claim.vacuous(result.nulls)
        say(f"{claim.id}: {', '.join(result.nulls) or 'no null is defined'}; vacuous: {', '.join(vacuous) or 'none'}")
    _tabulate(places)


def _rehearse(claim: "Claim", bench: "Bench") -> None:
    from grokinterp.reproduction import attempt

    with bench.rehearsing() as tiny:
        result = attempt(claim, tiny)
    _print_result(claim, result)
    of_runs = " on runs of a few steps" if claim.trainings else ""
    say(f"A rehearsal{of_runs}: it proves nothing, and nothing is stored.")


def _run_all(bench: "Bench", places: "Places", budget: float) -> None:
    """Claims without a result first, then the cheapest. Costs fall on the way, because runs are shared."""
    from grokinterp.reproduction import every_claim, stored

    deadline = time.monotonic() + 60 * budget
    known, late = stored(places.results), []
    in_order = lambda claims: sorted(claims, key=lambda claim: (claim.id in known, bench.cost(claim)))
    left = in_order(every_claim())
    while left:
        claim = left.pop(0)
        if reason := bench.why_not(claim):
            say(f"{claim.id}: not run. {reason}")
        elif bench.cost(claim) > (deadline - time.monotonic()) / 60:
            late.append(claim)
        else:
            try:
                _run_one(claim, bench, places)
            except BadRequest as error:
                print(f"{claim.id}: not run. {error}", file=sys.stderr)
            if claim.trainings:
                left = in_order(left)
    if late:
        say(
            f"{len(late)} claims did not fit into what was left of --budget, the cheapest of them {late[0].id}, about "
            f"{duration(bench.cost(late[0]))}."
        )


def _choose_claims(bench: "Bench", places: "Places", budget: float, workers: int | None) -> "list[Claim]":
    """The claims that `--all` comes to within its budget, where so many runs are trained at once."""
    from grokinterp.evaluation.processes import available_cores
    from grokinterp.reproduction import every_claim, stored

    known, seen, chosen = stored(places.results), set(), []
    workers = workers or available_cores()
    for claim in sorted(every_claim(), key=lambda claim: (claim.id in known, bench.cost(claim))):
        new = {repr(each): each.minutes for each in bench.missing(claim) if repr(each) not in seen}
        cost = claim.minutes + sum(new.values()) / workers
        if bench.why_not(claim) is None and cost <= budget:
            chosen.append(claim)
            seen |= set(new)
            budget -= cost
    return chosen


def _train_first(claims: "list[Claim]", bench: "Bench", given: Reproduce) -> None:
    """Train the runs of several claims on an engine. What fails is tried again, and told, with its claim."""
    wanted = [run for claim in claims for run in claim.trainings]
    missing = {repr(run) for claim in claims for run in bench.missing(claim)}
    say(f"{len(missing)} runs of {len(claims)} claims to train, side by side.")
    try:
        bench.train_together(wanted, given.engine, given.workers)
    except BadRequest as error:
        print(error, file=sys.stderr)


def _print_result(claim: "Claim", result: "Result") -> None:
    from grokinterp.reproduction import entries, shown

    vacuous = claim.vacuous(result.nulls)
    say(f"{claim.id}: {result.outcome}. {claim.statement}")
    for name, part, value in entries(result.values):
        target = claim.targets.get(name)
        judged = "" if target is None else f"   target {target.wording}: {'met' if target.holds(value) else 'missed'}"
        judged += ", vacuous: a null meets it" * (name in vacuous)
        say(f"  {name}{f' ({part})' if part else ''}: {shown(value)}{judged}")


def _tabulate(places: "Places") -> Path:
    from grokinterp.reproduction import every_claim, pages, stored
    from grokinterp.runs.files import make_directory, write_atomic

    texts = {places.pages / path: text for path, text in pages(every_claim(), stored(places.results)).items()}
    for path, text in texts.items():
        make_directory(path.parent)
        write_atomic(path, text.encode())
    return next(iter(texts))
