"""Contest and evidence: thresholds by which readings are left, chosen and told, from both sides, by given scores."""

from typing import Any

import pytest

import grokinterp as gi
from grokinterp.importers.judging import judgement, weightless
from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.contest import Contest
from grokinterp.importers.judging.evidence import Evidence
from grokinterp.importers.judging.scores import Score
from grokinterp.importers.judging.screening import ROWS, screen
from grokinterp.importers.judging.trial import Trial
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.runs.provenance import Assumption

TASK = gi.Task("a + b", p=11, layout="a b =")  # a guess loses ln 11 = 2.398
SOLVES = {"loss": 0.002, "capped": 0.002, "accuracy": 1.0, "known": 1.0, "chance": 1 / 11, "spread": 0.2}
PART = {"accuracy": 0.9, "known": 0.8}


def reading(place: int = 0, **open_fields: Any) -> Candidate:
    return Candidate({"slope": 1.0, "along": 0.0, "score": Score(**SOLVES)}, {}, {"place": place, **open_fields})


def trial(activation: str, place: int = 0, slope: float = 1.0, along: float = 0.0, scale: float = 1.0, **score: float):
    """A reading with these numbers; `score` differs from that of one that solves the task."""
    mine = Score(**{**SOLVES, **score})
    open_fields = {"activation": activation, "embedding_scale": scale}
    config: Any = {"slope": slope, "along": along, "score": mine}
    return Trial(place, Candidate(config, {".attn.": 0}, open_fields), mine)


class Given(Answers):
    """Answers that know each reading's numbers."""

    def __init__(self):
        super().__init__(TASK)

    def slope(self, candidate: Any) -> float:
        return candidate.config["slope"]

    def alignment(self, candidate: Any) -> float:
        return candidate.config["along"]

    def score(self, candidate: Any, rows: Any) -> Score:
        return candidate.config["score"]

    def rows(self, count: int) -> Any:
        return range(min(count, 121))


def contest(*trials: Trial) -> Contest:
    return Contest.of(list(trials), Given())


def left(*trials: Trial) -> list[str]:
    return [each.activation for each in contest(*trials).near]


def chosen(*trials: Trial) -> str:
    winner = contest(*trials).winner
    assert winner is not None
    return winner.activation


# -- which are left


@pytest.mark.parametrize(
    ("smallest", "inside", "outside"),
    [(0.5, 0.99, 1.01), (0.002, 0.0239, 0.0241), (1e-5, 9.9e-4, 1.01e-3)],
    ids=["twice the smallest", "1 % of a guess", "a hundred times the smallest"],
)
def test_readings_are_near_up_to_a_bound_of_loss(smallest, inside, outside):
    assert left(trial("tanh", capped=smallest), trial("gelu", capped=inside)) == ["tanh", "gelu"]
    assert left(trial("tanh", capped=smallest), trial("gelu", capped=outside)) == ["tanh"]


@pytest.mark.parametrize(
    ("smallest", "inside", "outside"), [(0.2, 0.299, 0.301), (0.01, 0.0749, 0.0751)], ids=["spread", "all alike"]
)
def test_activations_are_even_within_one_and_a_half_of_the_smallest_spread(smallest, inside, outside):
    """Of readings alike in all else; and only readings that know most of what any does are compared with."""
    assert left(trial("tanh", spread=smallest), trial("gelu", spread=inside)) == ["tanh", "gelu"]
    assert left(trial("tanh", spread=smallest), trial("gelu", spread=outside)) == ["tanh"]
    assert left(trial("tanh", spread=smallest, scale=2.0), trial("gelu", spread=outside)) == ["tanh", "gelu"]
    knows = lambda share: trial("tanh", spread=smallest, known=share, accuracy=0.8)
    most = trial("gelu", spread=outside, known=0.8, accuracy=0.8)
    assert left(knows(0.601), most) == ["tanh"] and left(knows(0.599), most) == ["tanh", "gelu"]
    assert left(trial("tanh", known=0.0, accuracy=0.5)) == []


def test_copies_are_named_where_the_other_has_at_most_twice_their_loss():
    """Leaky ReLU beside ReLU; quick GELU is another way to write the same, and not named."""
    leaky, relu = trial("leaky_relu", 1, capped=0.0011), trial("relu", 0, capped=0.0021)
    found = contest(leaky, relu)
    assert found.near == [relu] and found.likenesses == {leaky: relu}
    assert found.slopes.keys() == {relu, leaky} and found.named_beside(relu) == [relu, leaky]
    assert left(trial("leaky_relu", capped=0.001), relu) == ["leaky_relu", "relu"]
    other = trial("leaky_relu", 1, capped=0.0011, scale=2.0)
    found = contest(other, relu)
    assert found.near == [other, relu] and not found.likenesses and found.named_beside(relu) == [other, relu]
    found = contest(trial("quick_gelu"), trial("gelu"), trial("tanh"))
    assert [each.activation for each in found.near] == ["gelu", "tanh"] and not found.likenesses
    assert found.named_beside(found.near[0]) == found.near


def test_gradients_are_asked_where_several_readings_are_left_and_one_solves_the_task():
    two = [trial("tanh", accuracy=0.989), trial("gelu", 1, accuracy=0.99)]
    assert set(contest(*two).slopes) == set(two)
    assert not contest(two[0], trial("gelu", 1, accuracy=0.989)).slopes and not contest(two[1]).slopes


@pytest.mark.parametrize(
    ("alignments", "near"),
    [
        ({"relu": 0.71, "square": 0.1}, ["relu"]),
        ({"relu": 0.449, "square": 0.6}, ["square"]),
        ({"relu": 0.451, "square": 0.6}, ["relu", "square"]),
        ({"relu": 0.6, "abs": 0.449}, ["relu"]),
        ({"relu": 0.6, "relu_squared": 0.451}, ["relu", "relu_squared"]),
        ({"elu": 0.3, "relu": 0.71, "square": 0.1}, ["elu", "relu"]),
        ({"relu": 0.01, "square": 0.05}, ["square"]),
        ({"relu": 0.01, "square": 0.049}, ["relu", "square"]),
    ],
)
def test_larger_functions_are_told_by_where_weights_lie(alignments, near):
    """Three quarters of the most; where a larger one leads the others go by it too; below .05 nothing is told."""
    assert left(*(trial(name, place, along=x) for place, (name, x) in enumerate(alignments.items()))) == near


def test_where_no_larger_function_is_left_gradients_tell():
    """A square that is out has no say, and neither has where the weights of others lie."""
    relu, elu = trial("relu", 0, along=0.71, slope=9.0), trial("elu", 1, along=0.3)
    found = contest(relu, elu, trial("square", 2, along=0.1))
    assert found.alignments == {} and found.near == [relu, elu] and found.winner is elu


def test_where_weights_lie_goes_before_loss_and_spread():
    """A square with 2,000 times the loss of ReLU's reading, and ten times its spread, is left and is chosen."""
    relu, square = trial("relu", along=0.46, spread=0.02), trial("square", 1, along=0.6, capped=4.0, spread=0.2)
    assert contest(relu, square).winner is square and contest(relu, square).alignments == {relu: 0.46, square: 0.6}
    # Readings that differ in more are compared apart, by their spread.
    assert not contest(trial("relu", along=0.4, scale=2.0), trial("tanh", along=0.6)).alignments
    apart = trial("relu", 2, along=0.1, scale=2.0)
    assert apart not in contest(apart, relu, square).alignments and apart in contest(apart, relu, square).near
    # A part of the table: of the function that leads the smallest loss is chosen.
    both = [trial("square", place, along=0.6, capped=loss, **PART) for place, loss in enumerate((0.4, 0.3))]
    assert contest(*both, trial("relu", 2, along=0.5, capped=0.1, **PART)).winner is both[1]
    flat = [trial("square", place, along=0.6, capped=loss, slope=s) for place, (loss, s) in enumerate(((3, 9), (4, 1)))]
    assert contest(*flat, trial("relu", 2, along=0.5)).winner is flat[1]


# -- which is chosen


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ({"capped": 0.002, "slope": 1.99}, {"capped": 0.003}, "first"),  # the smallest loss, less than twice the slope
        ({"capped": 0.002, "slope": 2.01}, {"capped": 0.003}, "second"),
        ({"capped": 0.0041, "slope": 1.49}, {"capped": 0.0021}, "first"),  # tied, and less than twice the loss
        ({"capped": 0.0043, "slope": 1.49}, {"capped": 0.0021}, "second"),
        ({"capped": 0.0041, "slope": 1.51}, {"capped": 0.0021}, "second"),
        ({"spread": 0.2099, **PART}, {"spread": 0.2, **PART}, "first"),  # a part: alike within 5 %
        ({"spread": 0.2101, **PART}, {"spread": 0.2, **PART}, "second"),
        ({"spread": 0.052, **PART}, {"spread": 0.04, **PART}, "first"),
        # surer of fewer rows: of less than three quarters of them that tells nothing
        ({"spread": 12.0, **PART}, {"spread": 3.0, **PART, "known": 0.59}, "first"),
        ({"spread": 12.0, **PART}, {"spread": 3.0, **PART, "known": 0.61}, "second"),
    ],
)
def test_the_likeliest_is_chosen_of_those_that_nothing_tells_apart(first, second, name):
    assert chosen(trial("second", 1, **second), trial("first", 0, **first)) == name


def test_a_loss_of_nothing_is_the_smallest():
    assert left(trial("tanh", loss=0.0, capped=0.0), trial("gelu", 1, capped=1e-9)) == ["tanh"]
    assert chosen(trial("tanh", loss=0.0, capped=0.0)) == "tanh"


def test_where_nothing_is_left_nothing_is_chosen():
    assert contest(trial("relu", accuracy=0.3, known=0.01)).winner is None and contest().winner is None
    assert chosen(trial("relu", 3, spread=0.3)) == "relu"


# -- what is said of it


def said(winner: Trial, *others: Trial, name: str = "activation", rivals: tuple[Trial, ...] = ()):
    whole = contest(winner, *others)
    return Evidence(winner, whole, rivals, "on all 121 rows of the table").of(name)


@pytest.mark.parametrize(
    ("score", "how"),
    [
        ({}, "inferred"),
        ({"accuracy": 0.1, "known": 0.0, "loss": 2.0}, "assumed"),  # fresh weights
        ({"accuracy": 0.6, "known": 0.0, "loss": 2.0}, "not explained"),
        ({**PART, "spread": 0.349}, "inferred"),
        ({**PART, "spread": 0.351}, "assumed"),
        ({"spread": 0.351}, "inferred"),
    ],
)
def test_a_field_is_inferred_where_the_weights_bear_the_reading_out(score, how):
    """A part of the table must be alike; and no reading that is not on the page is next."""
    one = said(trial("relu", **score), rivals=(trial("tanh", 1, loss=3.0, capped=2.0, accuracy=0.1, known=0.0),))
    assert one.how == how and one.what == "activation=relu"
    assert ("next tanh (loss 3" in one.evidence) == ("fresh" not in one.evidence and "nothing yet" not in one.evidence)


@pytest.mark.parametrize(
    ("other", "how"),
    [
        ({"slope": 1.49}, "tied"),
        ({"slope": 1.51}, "inferred"),
        ({"capped": 0.0199}, "tied"),
        ({"capped": 0.0201}, "inferred"),
    ],
)
def test_readings_are_tied_up_to_a_margin_of_slope_and_of_loss(other, how):
    one = said(trial("relu"), trial("gelu", 1, loss=0.125, **other))
    assert one.how == how and "gelu (loss 0.125" in one.evidence
    assert f"{other.get('slope', 1.0):.3g} times the relative gradient" in one.evidence


def test_the_next_reading_is_told_with_what_tells_it_apart():
    """How far weights lie along its gradient; or, of a smaller loss that is not near, its spread."""
    larger = said(trial("square", along=0.6), trial("relu", 1, along=0.5))
    assert larger.how == "tied" and "whose weights lie 0.83 times as much along its gradient" in larger.evidence
    loose = {"capped": 0.001, "loss": 0.001, "spread": 2.0}
    assert "0.001 with 10 times the spread of what it knows" in said(trial("relu"), trial("tanh", 1, **loose)).evidence
    equal = said(trial("relu"), trial("tanh", 1, **{**loose, "capped": 0.002}))
    assert equal.evidence.endswith("next tanh (loss 0.001)")
    scale = said(trial("relu", scale=1.0), trial("relu", 1, scale=2.5, slope=9.0), name="embedding_scale")
    assert scale.what == "embedding_scale=1" and scale.how == "inferred" and "2.5 " in scale.evidence


# -- what is tried on the whole table, and what stands where nothing is borne out


def test_those_that_come_near_on_few_rows_are_tried_on_all():
    """Within twice the best loss, or 2 % of a guess's: the eight best; and all activations of the best."""
    best = trial("relu", 0, capped=0.001)
    inside, outside = (trial("relu", 1, capped=loss, scale=2.0) for loss in (0.0479, 0.0481))
    sibling = trial("gelu", 2, capped=2.0)
    likely = lambda *trials: judgement._likely([*trials], TASK)
    assert likely(inside, outside, sibling, best) == [best, inside, sibling]
    many = [trial("relu", i, capped=0.01 - i / 1000, scale=2.0 + i) for i in range(9)]
    assert likely(*many) == many[:0:-1]
    lost = trial("relu", accuracy=0.3, known=0.0)
    assert likely(trial("gelu", 1, capped=3.0), lost) == [lost]


def test_the_likeliest_stands_where_none_answers_half_of_the_rows():
    first = reading(place=7)
    for accuracy, place in ((0.5, 3), (0.499, 0)):
        assert judgement._best_of_none([trial("relu", 3, accuracy=accuracy)], first, Given()).place == place


@pytest.mark.parametrize(
    ("chosen_scale", "accuracy", "known", "is_read"),
    [(4.0, 0.901, 0.9, True), (4.0, 0.899, 0.8, False), (4.0, 0.95, 0.0, False), (1.0, 1.0, 1.0, False)],
)
def test_a_plain_embedding_is_read_where_it_does_nearly_as_well(chosen_scale, accuracy, known, is_read):
    plain = trial("relu", 0, accuracy=accuracy, known=known)
    rival = judgement._plain_rival(trial("relu", 1, scale=chosen_scale), [trial("relu", 1, scale=4.0), plain], Given())
    assert (rival is not None) == is_read and (rival is None or rival.candidate is plain.candidate)
    assert judgement._plain_rival(trial("relu", scale=4.0), [trial("relu", 1, scale=2.0)], Given()) is None


def test_what_was_trained_on_is_assumed_of_a_part_where_no_split_is_known():
    part, split = Score(**{**SOLVES, **PART}), TASK.split(frac=0.5, seed=0)
    (one,) = judgement._partly_known(part, TASK)
    assert one.how == "assumed" and "90% of the table" in one.what
    assert not [*judgement._partly_known(part, split), *judgement._partly_known(Score(**SOLVES), TASK)]


def test_all_rows_are_told_from_some():
    assert judgement._rows_in_words(Given()) == "on all 121 rows of the table"
    some = type("Some", (Given,), {"rows": lambda self, count: range(100)})()
    assert judgement._rows_in_words(some) == "on 100 rows of the table"


def test_few_readings_are_screened_until_one_solves_the_task():
    """Activations that stand for all, of the first norms; all activations of the leaders; other norms of the best."""
    activations, norms = ("relu", "gelu", "square", "elu"), ("none", "pre")
    readings = [
        Candidate(
            {"score": Score(**{**SOLVES, "capped": 1 - (a == "elu") - i / 10, "accuracy": 0.99 * (a == "elu")})},
            {},
            {"activation": a, "normalization": n, "norm_kind": "layer", "final_norm": False},
        )
        for n in norms
        for i, a in enumerate(activations)
    ]
    places = lambda given: [each.place for each in screen(given, Given())]
    # gelu and square stand; then relu and elu; then the best one's other norms; never pre-norms of the others.
    assert places(readings) == [1, 2, 0, 3, 7] and ROWS == 96
    unsolved = [Candidate({"score": Score(**{**SOLVES, "accuracy": 0.98})}, {}, dict(each.open)) for each in readings]
    assert sorted(places(unsolved)) == [*range(8)]


# -- what leaves no weights


@pytest.mark.parametrize(
    ("score", "capped", "read", "how"),
    [
        ({}, 0.0039, {"capped": 0.002}, "tied"),  # as good: it solves the task with at most twice the loss
        ({}, 0.0041, {"capped": 0.002}, None),
        ({"accuracy": 0.98, "known": 0.9}, 0.0039, {"capped": 0.002}, None),
        ({}, 0.99, {"capped": 2.0}, "not explained"),  # less than half
        ({}, 1.01, {"capped": 2.0, "accuracy": 0.98}, "not explained"),  # as good as a reading that solves nothing
        ({}, 1.01, {"capped": 2.0}, "tied"),
        ({"accuracy": 0.5, "known": 0.0}, 0.1, {"capped": 2.0}, None),
        # rows that were never learnt have a guess's loss in every way: twice as many known ones tell
        ({"accuracy": 0.4, "known": 0.4}, 1.6, {"capped": 2.0, "accuracy": 0.2, "known": 0.19}, "not explained"),
        ({"accuracy": 0.4, "known": 0.4}, 1.6, {"capped": 2.0, "accuracy": 0.3, "known": 0.21}, None),
        # or no fewer, with two thirds of the spread
        ({"accuracy": 0.4, "known": 0.4, "spread": 0.13}, 2.0, {"accuracy": 0.4, "known": 0.4}, "not explained"),
        ({"accuracy": 0.4, "known": 0.4, "spread": 0.14}, 2.0, {"accuracy": 0.4, "known": 0.4}, None),
        ({"accuracy": 0.4, "known": 0.39, "spread": 0.13}, 2.0, {"accuracy": 0.4, "known": 0.4}, None),
        ({"accuracy": 0.4, "known": 0.4, "spread": 0.13}, 2.0, {"accuracy": 0.99, "known": 0.4}, None),
    ],
)
def test_a_mean_over_positions_is_told_by_its_loss(monkeypatch, score, capped, read, how):
    one = Score(**{**SOLVES, **score, "capped": capped})
    monkeypatch.setattr(weightless, "_best", lambda tried, answers, logits: one)
    answers = Given()
    told = weightless.pooled([], answers, Score(**{**SOLVES, **read}))
    assert (None if told is None else told.how) == how
    mine = Score(**{**SOLVES, **read})
    is_evener = mine.accuracy < 0.99 and one.known >= mine.known and 1.5 * one.spread < mine.spread
    is_ahead = one.is_borne_out and (capped < mine.capped / 2 or one.known > 2 * mine.known or is_evener)
    other = weightless.normalised([], answers, Score(**{**SOLVES, **read}))
    assert (other is not None) == is_ahead == weightless.is_unscaled([], answers, Score(**{**SOLVES, **read}))
    monkeypatch.setattr(weightless, "_best", lambda tried, answers, logits: None)
    assert weightless.pooled([], answers, one) is None and weightless.normalised([], answers, one) is None
    assert not weightless.is_unscaled([], answers, one)


def test_what_leaves_no_weights_goes_before_what_they_say(monkeypatch):
    """Not explained, it is all that is told; tied, it is told beside the fields."""
    readings = [reading(place) for place in range(2)]
    told = lambda: [(each.what, each.how) for each in judgement._judged(readings, Given()).assumptions]
    plain = told()
    assert [what for what, _ in plain] == ["place=0"]
    for name in ("pooled", "normalised"):
        for how in ("not explained", "tied"):
            with monkeypatch.context() as patched:
                one = Assumption("it", how, "because")
                patched.setattr(judgement, name, lambda tried, answers, read, one=one: one)
                beside = [*plain, ("it", "tied")] if name == "pooled" else plain
                assert told() == ([("it", "not explained")] if how == "not explained" else beside)
