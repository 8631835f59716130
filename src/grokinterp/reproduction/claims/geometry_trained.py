"""Disc and number of frequencies (arXiv 2512.25060, 2505.18266), in small transformers that are trained anew."""

from dataclasses import replace

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.causes import DECAYED, OURS
from grokinterp.reproduction.claims.geometry import PAPER
from grokinterp.reproduction.claims.squared_neurons import simple_frequencies
from grokinterp.reproduction.reading import last, seeds
from grokinterp.reproduction.target import Target, at_least, at_most
from grokinterp.runs.run import Run

RATES = (0.0, 0.5, 1.0)
BY_RATE = [
    *(replace(DECAYED[0], fields={**DECAYED[0].fields, "attention_rate": rate}) for rate in RATES[:-1]),
    DECAYED[0],
]


@claim(
    "geometry-disc-trained",
    f"{PAPER}, abstract",
    "Trained anew, transformers with uniform, half and full attention learn a disc.",
    {"share of two components": at_least(0.9), "median R2": at_least(0.9), "median phase sum": at_most(0.1)},
    recipe=f"{OURS} Seed 0 alone, weight decay 2, 2,000 steps, attention rates 0, .5 and 1.",
    measured="neurons before their activation: principal shares by frequency, R2 of one wave of a and one of b, and "
    "|phi_a + phi_b - psi|",
    trainings=BY_RATE,
)
def disc(*runs: Run) -> Values:
    ends = {f"attention rate {rate:g}": last(run, "geometry") for rate, run in zip(RATES, runs, strict=True)}
    of = lambda variable: {name: end[variable].item() for name, end in ends.items()}
    return {
        "share of two components": of("cluster_share_of_two"),
        "median R2": of("simple_neuron_r2_median"),
        "median phase sum": of("phase_sum_median"),
        "geometry": of("geometry"),
    }


@claim(
    "embeddings-use-few-frequencies",
    f"{PAPER}, its precursor arXiv 2505.18266: number of frequencies",
    "With trained embeddings a network uses a few of its frequencies, 3 to 6.",
    {"frequencies": Target(3, 6, "3 to 6")},
    recipe=f"{OURS} Weight decay 2, 2,000 steps.",
    measured="frequencies, of 15, at which eight neurons or more have R2 of .9 or more",
    trainings=DECAYED,
)
def few(*runs: Run) -> Values:
    return {"frequencies": dict(zip(seeds(runs), map(used_frequencies, runs), strict=True))}


def used_frequencies(run: Run) -> int:
    """At how many frequencies eight neurons or more have an R2 of .9 or more."""
    frequencies = simple_frequencies(run)
    return sum(frequencies.count(k) >= 8 for k in set(frequencies))
