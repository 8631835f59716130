"""Stander et al. 2023 (arXiv 2312.06581): cosets in a run three times as long as the first one, which did not hold."""

from dataclasses import replace

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims import groups
from grokinterp.reproduction.claims.groups import OURS, S4, STANDER
from grokinterp.runs.run import Run

LONG = replace(S4, minutes=8.0, fields={**S4.fields, "steps": 60_000, "checkpoint_every": 20_000})


@claim(
    "groups-s4-cosets-longer",
    f"{STANDER}, coset concentration (S5)",
    "More than 99.2 % of the neurons of S4 are concentrated on the cosets of a subgroup (second setting: 60,000 "
    "steps).",
    groups.COSETS_S4.targets,
    recipe=OURS["s4"].replace("20,000", "60,000"),
    measured=groups.COSETS_S4.measured,
    trainings=[LONG],
)
def cosets(run: Run) -> Values:
    return groups.COSETS_S4.measure(run)
