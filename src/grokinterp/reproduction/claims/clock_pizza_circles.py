"""Zhong et al. 2023: what single circles of their saved models compute, and which frequencies a model lives on."""

from collections.abc import Callable
from pathlib import Path

import torch

from grokinterp import fourier
from grokinterp.analysis import circle_formulas
from grokinterp.circuits.clock_pizza import correct_logits
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.clock_pizza_saved import BETA, PAPER, READ, A
from grokinterp.reproduction.reading import edited, final, saved, wrong_share
from grokinterp.reproduction.target import Target, at_least, near


def circle(snapshot: Snapshot, number: int) -> tuple[torch.Tensor, int]:
    """Logits [a, b, answer] of principal components 2u and 2u + 1 alone, and the frequency told by their distances."""
    components = (2 * number, 2 * number + 1)
    one = edited(
        snapshot, "embed.W_E", circle_formulas.isolate_components(snapshot.parameters["embed.W_E"], components)
    )
    n = snapshot.n_numbers
    correct = correct_logits(one.columns, snapshot.labels).unflatten(0, (n, n))
    frequency = circle_formulas.frequency_of_step(circle_formulas.distance_step(correct), n)
    return one.logits.unflatten(0, (n, n)), frequency


def _explained(path: Path, formulas: dict[str, Callable[..., torch.Tensor]], circles: range) -> Values:
    snapshot = final(saved(path))
    found: dict[str, dict[str, float]] = {name: {} for name in formulas}
    for number in circles:
        logits, frequency = circle(snapshot, number)
        for name, formula in formulas.items():
            r = circle_formulas.correlation(logits, formula, frequency)
            found[name][f"circle {number + 1}"] = 100 * circle_formulas.explained_as_published(r)
    return {f"{name}, {part}": value for name, parts in found.items() for part, value in parts.items()}


FORMULAS = {
    "clock": circle_formulas.clock,
    "pizza": circle_formulas.pizza,
    "pizza of four": circle_formulas.pizza_of_four,
}


def _said(printed: dict[str, tuple[float, ...]]) -> dict[str, Target]:
    return {
        f"{name}, circle {i + 1}": near(value, 0.02)
        for name, values in printed.items()
        for i, value in enumerate(values)
    }


ALONE = "Their circle isolation: all of the embedding but two principal components is taken away. FVE as coded, 2r - 1."


@claim(
    "pizza-saved-circles-a",
    f"{PAPER}, notebook eval-main (six FVE)",
    "Each of Model A's first three circles alone computes a pizza (98 %), not a clock (75 %).",
    _said({"clock": (75.41, 75.62, 75.38), "pizza": (98.31, 98.31, 98.41), "pizza of four": (98.36, 98.30, 98.61)}),
    recipe=f"{READ} {ALONE}",
    measured="percent of the isolated logits explained by each formula, over all 59^3",
    files=[A],
)
def circles_a(path: Path) -> Values:
    return _explained(path, FORMULAS, range(3))


@claim(
    "pizza-saved-circles-beta",
    f"{PAPER}, notebook eval-linear",
    "Each of Model beta's first three circles alone computes a pizza (98 %), not a clock (75 %).",
    _said({"clock": (75.27, 74.71, 75.46), "pizza": (97.99, 97.48, 98.22), "pizza of four": (98.03, 97.57, 98.13)}),
    recipe=f"{READ} {ALONE}",
    measured="percent of the isolated logits explained by each formula, over all 59^3",
    files=[BETA],
)
def circles_beta(path: Path) -> Values:
    return _explained(path, FORMULAS, range(3))


@claim(
    "pizza-saved-smooth",
    f"{PAPER}, models A and beta (an independent reading)",
    "A smooth pizza, |cos(w(a - b)/2)| cos w(a + b - c), explains the circles better still.",
    _said({"A": (99.18, 99.18, 99.28), "beta": (98.85, 98.33, 98.98)}),
    recipe=f"{READ} {ALONE}",
    measured="percent of the isolated logits explained, over all 59^3",
    files=[A, BETA],
)
def smooth(*paths: Path) -> Values:
    formula = circle_formulas.pizza_smooth
    both = [_explained(path, {name: formula}, range(3)) for name, path in zip(("A", "beta"), paths, strict=True)]
    return {**both[0], **both[1]}


@claim(
    "pizza-saved-accompanying",
    f"{PAPER}, notebook eval-main (accompanying pizza)",
    "Model A's circles 4 to 6 have twice the frequency of 1 to 3 and compute the accompanying pizza: 97.56, 97.23, "
    "97.69 %.",
    {
        "accompanying, circle 4": near(97.56, 0.02),
        "accompanying, circle 5": near(97.23, 0.02),
        "accompanying, circle 6": near(97.69, 0.02),
    },
    recipe=f"{READ} {ALONE}",
    measured="percent of the isolated logits explained at the frequency of the circle that is accompanied",
    files=[A],
)
def accompanying(path: Path) -> Values:
    snapshot = final(saved(path))
    main = [circle(snapshot, number)[1] for number in range(3)]
    values: dict[str, float] = {}
    for number in range(3, 6):
        logits, _ = circle(snapshot, number)
        fits = [circle_formulas.correlation(logits, circle_formulas.accompanying_pizza, k) for k in main]
        values[f"accompanying, circle {number + 1}"] = 100 * circle_formulas.explained_as_published(max(fits))
    return {**values, "frequencies": " ".join(map(str, main))}


KEPT = {"six": (17, 3, 15, 25, 6, 29), "three": (17, 3, 15)}
DROPPED = {17: 0.492, 3: 0.542, 15: 0.529, 25: 1.0, 6: 1.0, 29: 1.0}


@claim(
    "pizza-saved-ablation",
    f"{PAPER}, Model A (an independent reading)",
    "Model A lives on frequencies 17, 3 and 15: dropping one of them halves its accuracy, dropping an accompanying one "
    "costs nothing.",
    {
        "six kept": at_least(1),
        "three kept": near(0.9968, 0.0005),
        **{f"without {k}": near(value, 0.0006) for k, value in DROPPED.items()},
        "without six": near(0.014, 0.002),
    },
    recipe=f"{READ} Cosine and sine rows of the embedding are taken away; its mean stays.",
    measured="accuracy over all 3,481 rows",
    files=[A],
)
def ablation(path: Path) -> Values:
    snapshot = final(saved(path))
    score = lambda keep, of: 1 - wrong_share(edited(snapshot, "embed.W_E", _filtered(snapshot.W_E, keep, of)))
    return {
        **{f"{name} kept": score(True, of) for name, of in KEPT.items()},
        **{f"without {k}": score(False, (k,)) for k in DROPPED},
        "without six": score(False, KEPT["six"]),
    }


def _filtered(W_E: torch.Tensor, keep: bool, frequencies: tuple[int, ...]) -> torch.Tensor:
    of = fourier.basis_frequencies(len(W_E))
    chosen = (torch.isin(of, torch.tensor(frequencies)) == keep) | (of == 0)
    rows = fourier.basis(len(W_E))[chosen].to(W_E)
    return rows.T @ (rows @ W_E)
