"""Shuffling: the first entries of Python's own shuffle of a long range, without moving all the others."""

import random

import numpy as np
from jaxtyping import Bool, Int

BLOCK = 2**14
"""Draws that are looked at together."""

SMALL = 2**10
"""Ranges so short that draws are looked at one by one."""


def first_shuffled(n: int, count: int, seed: int) -> Int[np.ndarray, "count"]:
    """The first `count` entries of `list(range(n))` after `random.Random(seed).shuffle`, for n up to 2^32.

    That exchanges the entry at i, from the last down to 1, with the one at a drawn place j(i) <= i. So entry i ends as
    what stood at j(i) when its turn came: what the last exchange before had put there, and so on back to the start.
    """
    place = _places(n, seed)
    count = min(count, n)
    # Which exchange put something into each place last: in their order, so that the last one written stays.
    order = np.arange(n - 1, 0, -1)
    last_into = np.full(n, -1)
    moved = place[order] != order
    last_into[place[order[moved]]] = order[moved]
    # Of the wanted entries' own exchanges, the one before that had the same place.
    near = order[(place[order] < count) & moved]
    by_place = near[np.lexsort((near, place[near]))]
    same = place[by_place[1:]] == place[by_place[:-1]]
    before = np.full(n, -1)
    before[by_place[:-1][same]] = by_place[1:][same]
    # An entry whose place is its own stays what it had become.
    is_own = place[:count] == np.arange(count)
    entry = np.where(is_own, last_into[:count], before[:count])
    origin = np.where(entry < 0, place[:count], entry)
    waiting = entry >= 0
    while waiting.any():
        further = last_into[origin]
        waiting &= further >= 0
        origin = np.where(waiting, further, origin)
    return origin


def _places(n: int, seed: int) -> Int[np.ndarray, "n"]:
    """j(i) of every i; of 0 it is 0."""
    place, draws, i = np.zeros(n, dtype=np.int64), _Draws(seed), n - 1
    while i >= SMALL:
        m = i + 1
        bits = m.bit_length()
        size = min(BLOCK, m - 2 ** (bits - 1) + 1)
        values = draws.take(size) >> (32 - bits)
        accepted = values[_are_accepted(values, m)]
        place[i - np.arange(len(accepted))] = accepted
        i -= len(accepted)
    while i > 0:
        bits = (i + 1).bit_length()
        value = int(draws.take(1)[0]) >> (32 - bits)
        if value <= i:
            place[i] = value
            i -= 1
    return place


def _are_accepted(values: Int[np.ndarray, "draw"], m: int) -> Bool[np.ndarray, "draw"]:
    """Which are below m, which falls by one with each."""
    accepted = values < m
    while True:
        # Right up to the first that was wrong, and so right in the end: few lie where m passes by.
        again = values < m - (np.cumsum(accepted) - accepted)
        if (again == accepted).all():
            return accepted
        accepted = again


class _Draws:
    """The numbers of 32 bits that `random.Random(seed)` draws, in order."""

    def __init__(self, seed: int):
        *key, position = random.Random(seed).getstate()[1]
        self._source = np.random.MT19937()
        self._source.state = {"bit_generator": "MT19937", "state": {"key": np.array(key, np.uint32), "pos": position}}
        self._ahead = np.zeros(0, dtype=np.int64)

    def take(self, count: int) -> Int[np.ndarray, "count"]:
        if len(self._ahead) < count:
            fresh = self._source.random_raw(max(4 * BLOCK, count)).astype(np.int64)
            self._ahead = np.concatenate([self._ahead, fresh])
        taken, self._ahead = self._ahead[:count], self._ahead[count:]
        return taken
