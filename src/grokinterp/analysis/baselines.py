"""Baselines: scikit-learn's classifiers on the rows of a split task, which a model is compared with.

They need scikit-learn: pip install 'grokinterp[systems]'.
"""

import importlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from grokinterp.errors import BadRequest
from grokinterp.tasks import Task


class Score(NamedTuple):
    """Accuracy on the rows trained on, on all others, and on those of the others whose two operands are equal.

    NaN where there are no such rows.
    """

    train: float
    test: float
    test_equal: float
    n_test_equal: int


def mlp(
    task: Task, hidden_sizes: tuple[int, ...] = (800, 400, 400, 400, 400), iterations: int = 25, seed: int = 0
) -> Score:
    """scikit-learn's `MLPClassifier`, its other settings as they come: relu, Adam at 1e-3, batches of 200.

    Raises `BadRequest` for rows of tokens, a task without a split, or where scikit-learn is missing.
    """
    neural_network = _sklearn("neural_network")
    return _score(task, neural_network.MLPClassifier(hidden_sizes, max_iter=iterations, random_state=seed))


def random_forest(task: Task, trees: int = 100, max_depth: int | None = None, seed: int = 0) -> Score:
    """scikit-learn's `RandomForestClassifier`. Raises `BadRequest` as `mlp` does."""
    ensemble = _sklearn("ensemble")
    return _score(task, ensemble.RandomForestClassifier(trees, max_depth=max_depth, random_state=seed))


def sweep(
    settings: Iterable[Mapping[str, Any]],
    fit: Callable[..., Score] = mlp,
    seeds: Iterable[int] = (0,),
    frac: float = 0.5,
    **options: Any,
) -> pd.DataFrame:
    """Accuracy for each setting of `encoded_sum` and each seed, of split, encoder and classifier: a row each.

    `options` go to `fit`: `sweep([{"winners": 40}, {"winners": 60}], random_forest, trees=50)`.
    """
    seeds, rows = list(seeds), []
    for setting in settings:
        for seed in seeds:
            task = Task("encoded_sum", **_seeded(setting, seed)).split(frac=frac, seed=seed)
            rows.append({**setting, "seed": seed, **fit(task, seed=seed, **options)._asdict()})
    return pd.DataFrame(rows)


def _seeded(setting: Mapping[str, Any], seed: int) -> dict[str, Any]:
    clocks = setting.get("encoder", "cycle") in ("cycle", "var_cycle")
    return {**({"encoder_seed": seed} if clocks else {}), **setting}


def _score(task: Task, classifier: Any) -> Score:
    if task.has_tokens:
        raise BadRequest(f"{task.expression!r} has rows of tokens, not of numbers; give a task such as 'encoded_sum'")
    if task.is_train is None:
        raise BadRequest("the task has no split yet; use task.split(frac=0.5, seed=0) or a run's task")
    x, labels, is_train = task.inputs.numpy(), task.labels, task.is_train
    with warnings.catch_warnings():
        # It warns that so few iterations do not converge: they are asked for.
        warnings.simplefilter("ignore")
        classifier.fit(x[is_train.numpy()], task.train_labels[is_train].numpy())
    right = torch.from_numpy(classifier.predict(x)) == labels
    is_equal = ~is_train & (task.operands[:, 0] == task.operands[:, -1])
    return Score(_mean(right[is_train]), _mean(right[~is_train]), _mean(right[is_equal]), int(is_equal.sum()))


def _mean(right: Tensor) -> float:
    return right.double().mean().item()


def _sklearn(module: str) -> Any:
    """A module of scikit-learn, which takes a second to import."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise BadRequest("this baseline needs scikit-learn; pip install 'grokinterp[systems]'") from None
