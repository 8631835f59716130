"""Steps to a landmark with censored runs, and shares with intervals, against numbers worked out by hand."""

import itertools

import numpy as np
import pytest

from grokinterp.analysis.proportions import Share, chance_of_spread, corrected
from grokinterp.analysis.survival import Reached, chance_of_delay

NAN = np.nan


def test_kaplan_and_meier_by_hand():
    """Five runs: one at 100, one cut at 150, two at 200, one cut at 400.

    At 100 five are at risk: 4/5 are left. At 200 three are: (4/5)(1/3). Dropping the cut ones would say 0 at 200.
    """
    curve = Reached.of(np.array([100, NAN, 200, 200, NAN]), np.array([500.0, 150, 500, 500, 400]))
    assert curve.steps.tolist() == [100, 150, 200, 400]
    np.testing.assert_allclose(curve.share, [1 / 5, 1 / 5, 1 - 4 / 15, 1 - 4 / 15])
    assert curve.censored.tolist() == [150, 400] and curve.n == 5
    assert curve.median == 200


def test_its_interval_is_greenwoods_on_the_log_log_scale():
    """At 100: S = 4/5, Greenwood's variance of log S is 1/(5 4); of log(-log S) it is that over log(S)^2."""
    curve = Reached.of(np.array([100, NAN, 200, 200, NAN]), np.array([500.0, 150, 500, 500, 400]))
    s = 4 / 5
    error = 1.959964 * np.sqrt(1 / 20) / np.log(s)
    np.testing.assert_allclose([1 - curve.low[0], 1 - curve.high[0]], sorted([s ** np.exp(error), s ** np.exp(-error)])[::-1], rtol=1e-6)  # fmt: skip # noqa: E501
    low, high = curve.median_interval
    assert low is not None and low <= 200 and (high is None or high >= 200)


def test_runs_that_never_reach_it_have_no_median():
    """Half of two runs is one; of all-censored runs the share stays 0."""
    never = Reached.of(np.array([NAN, NAN]), np.array([100.0, 300]))
    assert never.share.tolist() == [0, 0] and never.median is None and never.median_interval == (None, None)
    assert Reached.of(np.array([100, NAN, NAN]), np.array([100.0, 300, 300])).median is None
    with pytest.raises(ValueError, match="last seen"):
        Reached.of(np.array([NAN]), np.array([NAN]))


def test_log_rank_by_hand():
    """One group at 1, 2, 3, the other at 4, 5, 6, nobody censored.

    Observed 3; expected 3/6 + 2/5 + 1/4 = 1.15; variance 1/4 + 6/25 + 3/16 = 0.6775; z^2 = 1.85^2 / 0.6775 = 5.05.
    """
    early, late = (np.arange(3.0) + 1, np.full(3, 9.0)), (np.arange(3.0) + 4, np.full(3, 9.0))
    assert chance_of_delay(early, late) == pytest.approx(0.02461, abs=2e-5)
    assert chance_of_delay(late, early) == pytest.approx(0.02461, abs=2e-5)
    assert chance_of_delay(early, early) == pytest.approx(1)
    nobody = (np.array([NAN, NAN]), np.array([5.0, 5.0]))
    assert np.isnan(chance_of_delay(nobody, nobody))


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(0, 10, 0, 0.27753), (5, 10, 0.23659, 0.76341), (10, 10, 0.72247, 1), (81, 263, 0.25527, 0.36621)],
)
def test_wilsons_interval(count, n, low, high):
    """The last is Newcombe's (1998) example, 81 of 263; the others follow from z^2 = 3.8415 by hand."""
    share = Share.of(count, n)
    assert (share.low, share.high) == pytest.approx((low, high), abs=1e-4)
    assert share.value == count / n and np.isnan(Share.of(0, 0).low)


def test_shares_that_differ_by_chance_and_not():
    """All of one group and none of the other is the rarest of all dealings; a like share in both is the commonest."""
    groups = np.repeat([0, 1], 10)
    apart = chance_of_spread(groups == 1, groups)
    alike = chance_of_spread(np.tile([True, False], 10), groups)
    assert apart <= 0.002 and alike == 1
    assert np.isnan(chance_of_spread(np.ones(20, bool), groups)) and np.isnan(chance_of_spread(groups == 1, groups * 0))


def test_p_values_of_several_tests_are_corrected():
    """Benjamini and Yekutieli: p m (1 + 1/2 + ... + 1/m) / rank, never falling with p."""
    assert corrected([0.01, 0.02, 0.5]) == pytest.approx([0.01 * 3 * 11 / 6, 0.01 * 3 * 11 / 6, 0.5 * 11 / 6])
    assert corrected([]) == []


def test_half_of_the_runs_is_their_median():
    """One of two is a half; of two groups one of which never reaches it there is a chance all the same."""
    half = Reached.of(np.array([100, NAN]), np.array([500.0, 500]))
    assert half.share[0] == 0.5 and half.median == 100
    early, never = (np.arange(3.0) + 1, np.full(3, 9.0)), (np.full(3, NAN), np.full(3, 9.0))
    assert 0 < chance_of_delay(early, never) < 0.05
    for reached in (np.array([]), np.array([1.0, NAN])):
        with pytest.raises(ValueError, match="there must be one"):
            Reached.of(reached, np.full(len(reached), NAN))


def test_the_chance_of_a_spread_is_the_share_of_all_dealings():
    """Six runs in groups of one, two and three: all 720 dealings, each by its own weighted spread."""
    groups, reached = np.array([0, 1, 1, 2, 2, 2]), np.array([False, True, True, False, False, True])

    def spread(outcome):
        shares = [outcome[groups == group].mean() for group in range(3)]
        return sum((groups == g).sum() * (share - outcome.mean()) ** 2 for g, share in enumerate(shares))

    every = [spread(np.array(dealt)) for dealt in itertools.permutations(reached)]
    expected = np.mean([each >= spread(reached) - 1e-12 for each in every])
    assert 0.1 < expected < 0.9 and chance_of_spread(reached, groups) == pytest.approx(expected)


def test_of_many_runs_a_chance_is_counted_in_thousandths():
    """999 draws and what was seen itself."""
    groups = np.repeat([0, 1], 12)
    reached = np.isin(np.arange(24), [0, 1, 2, 3, 4, 5, 12, 13])
    chance = chance_of_spread(reached, groups) * 1000
    assert chance == pytest.approx(round(chance)) and 20 < chance < 400
