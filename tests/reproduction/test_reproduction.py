"""The table of claims: it is what the claims and the stored results say, and nobody edits it."""

import dataclasses
import json
import math
import re

import pytest

from grokinterp.config import RunConfig
from grokinterp.errors import BadRequest
from grokinterp.reproduction import KINDS, OUTCOMES, Places, every_claim, find_claim, outcome_of, pages, store, stored
from grokinterp.reproduction.claim import SETTINGS, Claim, plain
from grokinterp.reproduction.explanations import EXPLANATIONS
from grokinterp.reproduction.failures import FAILED
from grokinterp.reproduction.index import FAILURES, INDEX, PAGES
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


def row_of(claim, result=None):
    """The cells of a claim's row on its source's page."""
    page = list(pages([claim], {claim.id: result} if result else {}).values())[1]
    line = next(line for line in page.splitlines() if line.startswith(f"| `{claim.id}` |"))
    return line.strip("| ").split(" | ")


@pytest.fixture(scope="module")
def written():
    """The index and all pages, by their places."""
    return pages(CLAIMS, RESULTS)


def test_the_pages_are_generated(written):
    """They equal what the code makes of claims and results, and no other lies beside them: `reproduce --table`."""
    assert {path: (PLACES.pages / path).read_text() for path in written} == written
    beside = {path.relative_to(PLACES.pages) for path in (PLACES.pages / "docs" / "reproduction").iterdir()}
    assert {INDEX, *beside} == set(written)


def test_the_index_is_short_and_adds_up(written):
    """The reproduced by kind and the others by outcome are all claims of a source, and its link leads to a page."""
    text = written[INDEX]
    assert len(text.splitlines()) <= 80
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| [")]
    for link, claims, *counts in rows:
        assert int(claims) == sum(map(int, counts)), link
        assert (PLACES.pages / re.search(r"\]\((.*\.md)\)$", link)[1]).is_file(), link
    assert sum(int(claims) for _, claims, *_ in rows) == len(CLAIMS)


def test_a_claim_is_one_row_with_its_id_first_and_its_outcome_last(written):
    """Of at most 400 characters, its statement whole; kind and settings have columns of their own."""
    texts = "\n".join(written.values()).splitlines()
    rows = [line for line in texts if line.startswith("| `")]
    assert sorted(re.match(r"\| `(.+?)` \|", row)[1] for row in rows) == sorted(claim.id for claim in CLAIMS)
    assert len(rows) == len(CLAIMS) and max(map(len, rows)) <= 400
    for claim in CLAIMS:
        row = next(row for row in rows if row.startswith(f"| `{claim.id}` |"))
        assert claim.statement.replace("|", "\\|") in row
        assert row.strip("| ").split(" | ")[2] == claim.kind and claim.kind in KINDS
        assert row.strip("| ").split(" | ")[-1] == outcome_of(claim, RESULTS.get(claim.id)) in OUTCOMES


def test_failed_claims_stand_first_and_have_a_paragraph(written):
    """In each table; the paragraph has what is said, what was seen, and what we think, which is of a claim."""
    failed = [claim for claim in CLAIMS if outcome_of(claim, RESULTS.get(claim.id)) in FAILED]
    text = written[PAGES / FAILURES]
    assert re.findall(r"^### `(.+)`$", text, re.M) == [
        claim.id for outcome in FAILED for claim in failed if outcome_of(claim, RESULTS[claim.id]) == outcome
    ]
    for claim in failed:
        paragraph = text.partition(f"### `{claim.id}`")[2].partition("###")[0]
        assert claim.statement in paragraph and EXPLANATIONS.get(claim.id, "No reading yet.").strip() in paragraph
    assert set(EXPLANATIONS) <= {claim.id for claim in CLAIMS}
    for path in set(written) - {INDEX, PAGES / FAILURES}:
        outcomes = [row.strip("| ").split(" | ")[-1] for row in written[path].splitlines() if row.startswith("| `")]
        assert outcomes == sorted(outcomes, key=[*FAILED, "not run", "reproduced"].index), path


def test_what_is_no_finite_number_was_never_measured():
    """JSON has neither; `never` is what the table says."""
    assert plain({"x": math.inf, "y": {"a": math.nan, "b": 1.0}}) == {"x": None, "y": {"a": None, "b": 1.0}}


def test_a_kind_is_what_a_claim_is_measured_on():
    """Own runs, the source's own files, or neither of them decides it."""
    assert make().kind == "trained anew"
    assert make(trainings=(), files=("a.pth",)).kind == "checked on saved files"
    assert make(derived=True).kind == "derived"


def test_a_result_comes_back_as_it_was_stored(tmp_path):
    """Also those of before outcomes were called so: in a file it is `verdict`, as ever."""
    result = next(iter(RESULTS.values()))
    path = store(result, tmp_path)
    assert stored(tmp_path) == {result.claim: result}
    assert json.loads(path.read_text())["verdict"] == result.outcome


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
    assert result.outcome == outcome_of(claim, result)
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
    ("values", "outcome"),
    [
        ({"x": 1.2}, "reproduced"),
        ({"x": 2.0}, "not reproduced"),
        ({"x": math.nan}, "not reproduced"),
        ({"x": {}}, "not reproduced"),
        ({"x": {"seed 0": 1.2, "seed 1": 2.0}}, "partly"),
        ({"x": {"seed 0": 1.2, "seed 1": 0.8}, "beside": 99}, "reproduced"),
    ],
)
def test_an_outcome_counts_every_value_with_a_target(values, outcome):
    assert make().judge(values) == outcome


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
    assert "1 not run" in pages([make()], {})[INDEX]
    assert row_of(make()) == [
        "`made`", "It is so.", "trained anew", "1 run of a + b (nanda), seed 0, 10 steps", "x: 1 ± 0.5", "", "not run"
    ]  # fmt: skip


def test_a_claim_that_fails_stays_in_the_table():
    result = dataclasses.replace(next(iter(RESULTS.values())), values={"x": 3.0})
    assert row_of(make(), result)[-2:] == ["x: **3**", "not reproduced"]
    assert "1 not reproduced" in pages([make()], {"made": result})[INDEX]


def test_what_a_row_has_no_room_for_stands_below_the_table():
    """Forty values: the row counts them, the list below has each with its target, and what has no target after them."""
    claim = make(targets={f"value {i}": near(1, 0.5) for i in range(40)})
    values = {**{f"value {i}": 1.0 for i in range(39)}, "value 39": 9.0, "beside": "ours"}
    result = dataclasses.replace(next(iter(RESULTS.values())), values=values)
    assert row_of(claim, result)[-3:] == ["40, below", "39 of 40 met, below", "partly"]
    page = list(pages([claim], {"made": result}).values())[1]
    assert "- value 0: 1; target 1 ± 0.5\n" in page and "- value 39: **9**; target 1 ± 0.5\n" in page
    assert page.endswith("- beside: ours\n")


def test_an_unknown_id_is_answered_with_the_nearest():
    with pytest.raises(BadRequest, match="Did you mean 'nanda-phases'"):
        find_claim("nanda-phase")
