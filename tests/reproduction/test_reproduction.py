"""The table of claims: it is what the claims and the stored results say, and nobody edits it."""

import dataclasses
import math
import re

import pytest

from grokinterp.config import RunConfig
from grokinterp.errors import BadRequest
from grokinterp.reproduction import Places, every_claim, find_claim, page, stored, verdict_of
from grokinterp.reproduction.claim import SETTINGS, Claim
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.target import Target, at_least, at_most, factor, near, share_of, yes

PLACES = Places.of()
CLAIMS = every_claim()
RESULTS = stored(PLACES.results)
TINY = training("a + b", 0.1, p=5, steps=10)


def make(**changes):
    """A claim of one target, on runs that nobody trains."""
    fields = {
        "id": "made",
        "source": "Nobody 2000, table 1",
        "statement": "It is so.",
        "recipe": "As it was.",
        "measured": "how it is",
        "targets": {"x": near(1, 0.5)},
        "measure": lambda run: {"x": 1.0},
        "trainings": (TINY,),
    }
    return Claim(**{**fields, **changes})


def test_the_table_is_generated():
    """REPRODUCTION.md equals what the code makes of claims and results: `grokinterp reproduce --table` writes it."""
    assert PLACES.table.read_text() == page(CLAIMS, RESULTS)


def test_ids_are_unique_and_can_be_typed():
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id) for id in ids)
    assert all(find_claim(claim.id) is claim for claim in CLAIMS)


def test_every_claim_says_what_it_is():
    """A row of the table needs a paper and a place in it, and sentences that end."""
    for claim in CLAIMS:
        assert claim.source.partition(",")[2].strip(), claim.id
        assert claim.statement.endswith((".", ".)")) and claim.recipe.endswith("."), claim.id
        assert "\n" not in claim.statement + claim.recipe + claim.measured, claim.id


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_a_stored_result_is_of_a_claim_as_it_stands(name):
    """Neither its targets nor the configurations of its runs have been changed since it was measured."""
    result, claim = RESULTS[name], find_claim(name)
    assert result.claim == name
    assert result.command == f"grokinterp reproduce {name}"
    assert result.verdict == verdict_of(claim, result)
    assert [file["name"] for file in result.files] == list(claim.files)
    assert [_identity(RunConfig.from_json(run["config"])) for run in result.runs] == [
        _identity(wanted.config()) for wanted in claim.trainings
    ]


def _identity(config: RunConfig) -> str:
    # Where the run lay that it starts from is nobody's business.
    return config.replace(pretrained="somewhere" if config.schedule.pretrained else None).identity


def test_results_name_no_machine():
    """Cores and processor, and nothing under which the machine or its directories could be found."""
    for result in RESULTS.values():
        assert set(result.machine) == {"cores", "processor", "threads", "accelerator"}
        pretrained = [run["config"]["schedule"]["pretrained"] for run in result.runs]
        assert all(path is None or "/" not in path for path in pretrained)


@pytest.mark.parametrize(
    ("target", "inside", "outside"),
    [
        (near(2.0, 0.5), [1.5, 2.0, 2.5], [1.4, 2.6]),
        (near(6, 0), [6, 6.0], [5, 7]),
        (factor(100, 2), [50, 200], [49, 201]),
        (share_of(-10, 0.1), [-11, -9], [-12, -8, 10]),
        (at_least(0.9), [0.9, 1.0, True], [0.89, False]),
        (at_most(0.1), [0.1, -5], [0.11]),
        (yes(), [True, 1.0], [False, 0.5]),
    ],
)
def test_a_target_holds_within_its_bounds(target, inside, outside):
    assert all(target.holds(value) for value in inside)
    assert not any(target.holds(value) for value in outside)


@pytest.mark.parametrize("value", [None, math.nan, "6"])
def test_what_was_not_measured_meets_nothing(value):
    assert not Target(-math.inf, math.inf, "anything").holds(value)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"x": 1.2}, "reproduced"),
        ({"x": 2.0}, "not reproduced"),
        ({"x": math.nan}, "not reproduced"),
        ({"x": {}}, "not reproduced"),
        ({"x": {"seed 0": 1.2, "seed 1": 2.0}}, "partly"),
        ({"x": {"seed 0": 1.2, "seed 1": 0.8}, "beside": 99}, "reproduced"),
    ],
)
def test_a_verdict_counts_every_value_with_a_target(values, verdict):
    assert make().judge(values) == verdict


def test_a_claim_must_measure_its_targets():
    with pytest.raises(BadRequest, match="does not measure \\['x'\\]"):
        make().judge({"y": 1.0})


def test_a_negative_claim_needs_three_settings():
    """What never happens may only have been tried badly."""
    with pytest.raises(BadRequest, match=f"tries 2 settings; try {SETTINGS}"):
        make(negative=True, trainings=(TINY, TINY))
    assert make(negative=True, trainings=(TINY,) * SETTINGS).negative


@pytest.mark.parametrize("changes", [{"targets": {}}, {"trainings": (), "files": ()}], ids=["targets", "evidence"])
def test_a_claim_that_can_be_no_claim_is_refused(changes):
    with pytest.raises(BadRequest, match="claim made"):
        make(**changes)


def test_a_claim_without_result_stands_in_the_table_as_not_run():
    text = page([make()], {})
    assert "1 not run" in text
    assert "| `made`: It is so. | table 1 | x: 1 ± 0.5 |  | not run |" in text


def test_a_claim_that_fails_stays_in_the_table():
    result = next(iter(RESULTS.values()))
    text = page([make()], {"made": dataclasses.replace(result, values={"x": 3.0})})
    assert "**3**" in text and "**not reproduced**" in text


def test_an_unknown_id_is_answered_with_the_nearest():
    with pytest.raises(BadRequest, match="Did you mean 'nanda-phases'"):
        find_claim("nanda-phase")
