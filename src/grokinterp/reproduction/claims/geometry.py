"""Disc or torus (arXiv 2512.25060, ICLR 2026; 2505.18266): read off models that Zhong et al. saved."""

from pathlib import Path

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.clock_pizza_saved import READ, SAVED, model
from grokinterp.reproduction.reading import last, saved
from grokinterp.reproduction.target import Value, at_least, at_most, near

PAPER = "Geometry of modular addition (arXiv 2512.25060)"
RATES = {"p99zdpze5l": "attention rate 0", "2k4ohj6bhd": "attention rate 0.804", "q9rsl94xlv": "attention rate 1"}
CONCATENATES = "7r4zst7evs"
assert {*RATES, CONCATENATES} <= {*SAVED}


def _shape(path: Path) -> dict[str, Value]:
    end = last(saved(path), "geometry")
    return {
        "share of two components": end.cluster_share_of_two.item(),
        "median R2": end.simple_neuron_r2_median.item(),
        "median phase sum": end.phase_sum_median.item(),
        "median phase difference": end.phase_difference_median.item(),
        "geometry": end.geometry.item(),
    }


@claim(
    "geometry-disc-at-every-rate",
    f"{PAPER}, abstract",
    "Uniform and full attention learn the same geometry, a disc.",
    {
        "share of two components": at_least(0.95),
        "median R2": at_least(0.95),
        "median phase sum": at_most(0.05),
        "median phase difference": at_most(0.02),
    },
    recipe=f"{READ} Three models, by their attention rates. Untrained weights have small differences too, and miss R2.",
    measured="neurons before their activation: principal shares by frequency, and phases of the waves of a and of b",
    files=[model(name) for name in RATES],
)
def disc(*paths: Path) -> Values:
    shapes = {rate: _shape(path) for path, rate in zip(paths, RATES.values(), strict=True)}
    return {name: {rate: shape[name] for rate, shape in shapes.items()} for name in next(iter(shapes.values()))}


@claim(
    "geometry-torus-by-concatenation",
    f"{PAPER}, abstract",
    "An MLP on concatenated embeddings learns a torus instead: four components of about a quarter each.",
    {
        "share of two components": near(0.5, 0.05),
        "median R2": at_least(0.95),
        "median phase sum": at_most(0.05),
        "median phase difference": near(1.57, 0.2),
    },
    recipe=f"{READ} Their model Linear D.",
    measured="as for the disc",
    files=[model(CONCATENATES)],
)
def torus(path: Path) -> Values:
    return _shape(path)
