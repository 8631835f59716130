"""What a task is where nobody says otherwise: the sizes of its source, the first seed, no noise."""

import inspect
from dataclasses import asdict

import pytest

from grokinterp.tasks import Task
from grokinterp.tasks.encoders import Encoder

TASKS = {
    "digits": {"digits": 5, "data": "infinite", "points": 1000, "table_seed": 0},  # Nanda et al. 2023
    "repeated_subsequence": {"length": 85, "subsequence": 16, "repeats": 3, "vocabulary": 128}
    | {"data": "infinite", "points": 512, "table_seed": 0},
    "skip_trigram": {"answers": 10, "queries": 2, "fillers": 20, "length": 16}
    | {"data": "infinite", "points": 1000, "table_seed": 0},
    "add": {"p": 113, "layout": "a b ="},
    "only_add": {"p": 113, "layout": "a b ="},
    "random": {"p": 113, "layout": "a b =", "table_seed": 0},
    "cyclic": {"n": 113, "operation": "xy", "layout": "a b ="},  # Chughtai et al. 2023, as the next two
    "dihedral": {"n": 59, "operation": "xy", "layout": "a b ="},
    "sym": {"n": 5, "operation": "xy", "layout": "a b ="},
    "alt": {"n": 5, "operation": "xy", "layout": "a b ="},
    "division": {"n": 40, "form": "classes", "layout": "a b ="},
    "encoded_sum": {"p": 97, "encoder": "cycle", "combine": "overlap", "include_equal": False},
    "lines": {"size": 16, "length": 8, "largest": 3, "flips": 0, "outliers": 0, "copies": 1, "noise_seed": 0},
    "slope": {"n": 10, "layout": "a b ="},
}

ENCODERS = {
    "one_hot": {"numbers": 97},
    "cycle": {"bits": 400, "winners": 40, "encoder_seed": 0, "period": 97.0},
    "var_cycle": {"bits": 400, "winners": 40, "encoder_seed": 0, "period_low": 90.0, "period_high": 104.0},
    "grid_cell": {"primes": (2, 3, 5, 7), "numbers": 97},
}
"""Those of the thread "The grokking challenge?"."""


def defaults(function):
    return {name: each.default for name, each in inspect.signature(function).parameters.items() if name != "self"}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_that_of_its_source(name):
    found = defaults(Task.registry[name].tabulate)
    assert {each: found[each] for each in TASKS[name]} == TASKS[name]
    assert all(found[each] is None for each in found.keys() - TASKS[name].keys())


@pytest.mark.parametrize("name", Encoder.registry)
def test_an_encoder_is_that_of_the_thread(name):
    assert asdict(Encoder.registry[name]()) == ENCODERS[name]


def test_a_split_is_nandas_fraction_of_the_right_answers():
    """30 % of the table, seed 0 (Nanda et al. 2023), no label wrong."""
    wanted = {"frac": 0.3, "seed": 0, "split": "randperm", "mislabelled": 0, "train_indices": None, "corrupt": 0.0}
    assert defaults(Task.split) == wanted
