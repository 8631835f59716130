"""Squaring neurons on one-hots side by side: Gromov 2023 (arXiv 2301.02679), and their geometry (2512.25060)."""

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.doshi import COEXISTENCE, FULL
from grokinterp.reproduction.claims.doshi import PAPER as DOSHI
from grokinterp.reproduction.claims.geometry import PAPER as GEOMETRY
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.reading import last
from grokinterp.reproduction.target import at_least, at_most, near
from grokinterp.runs.run import Run

CLEAN = training(
    "a + b", 0.6, "doshi", p=97, seed=0, corrupt=0.0, weight_decay=5.0, steps=300, metrics_every=50, checkpoint_every=0
)
RECIPE = (
    "Preset doshi without corrupted labels: p = 97, half of the rows, 500 squaring neurons, squared error, AdamW at "
    ".01 with decay 5, 300 steps, seed 0."
)
ONE_WAVE = 0.5
"""The inverse participation ratio from which on a neuron counts as one of few waves: two equal ones have .5."""


@claim(
    "gromov-phases",
    "Gromov 2023 (arXiv 2301.02679), solution by periodic weights",
    "A neuron reads one wave of a and one of b, and writes the wave of their sum: its phases add up.",
    {"median R2": at_least(0.9), "median phase sum": at_most(0.1), "same frequency in and out": at_least(0.95)},
    recipe=f"{RECIPE} His optimiser and rate are other ones.",
    measured="R2 of one wave of a and one of b in what a neuron squares; |phi_a + phi_b - psi|, with psi the phase of "
    "what it writes, pi / 2 for phases without order; the share of neurons that write the frequency which they read",
    trainings=[CLEAN],
)
def phases(run: Run) -> Values:
    end = last(run, "geometry", "latent_circuit")
    return {
        "median R2": end.simple_neuron_r2_median.item(),
        "median phase sum": end.phase_sum_median.item(),
        "same frequency in and out": end.latent_same_frequency.item(),
    }


@claim(
    "geometry-torus-trained",
    f"{GEOMETRY}, abstract",
    "Trained anew, an MLP that sees its operands apart learns a torus: four components of about a quarter each.",
    {
        "share of two components": near(0.5, 0.1),
        "share of four components": at_least(0.9),
        "median phase difference": near(1.57, 0.3),
    },
    recipe=f"{RECIPE} Theirs concatenates trained embeddings, ours one-hots.",
    measured="principal shares of a frequency's neurons before their square, the mean over frequencies; "
    "|phi_a - phi_b|, pi / 2 where they are independent",
    trainings=[CLEAN],
)
def torus(run: Run) -> Values:
    end = last(run, "geometry")
    return {
        "share of two components": end.cluster_share_of_two.item(),
        "share of four components": end.cluster_share_of_four.item(),
        "median phase difference": end.phase_difference_median.item(),
        "geometry": end.geometry.item(),
    }


@claim(
    "one-hots-use-every-frequency",
    f"{GEOMETRY}, its precursor arXiv 2505.18266: number of frequencies",
    "On one-hots a network uses nearly all frequencies, not a few as with trained embeddings.",
    {"share of frequencies that are used": at_least(0.9)},
    recipe=RECIPE,
    measured="the share of the 48 frequencies at which some neuron has R2 of .9 or more",
    trainings=[CLEAN],
)
def every_frequency(run: Run) -> Values:
    used = set(simple_frequencies(run))
    return {"share of frequencies that are used": len(used) / (run.task.n_answers // 2), "frequencies": len(used)}


def simple_frequencies(run: Run) -> list[int]:
    """The frequency of each neuron that one wave of a and one of b explain by 90 %."""
    end = last(run, "geometry")
    simple = (end.simple_neuron_r2.values >= 0.9) & end.neuron_is_counted.values
    return end.simple_neuron_frequency.values[simple].astype(int).tolist()


@claim(
    "doshi-ratio-by-decay",
    f"{DOSHI}, distributions of the inverse participation ratio",
    "With weight decay the neurons of many waves, which remember wrong labels, go.",
    {"share of many waves, less": at_least(0.1)},
    recipe="The runs of doshi-coexistence (no decay) and of doshi-full-inversion (decay 15). The source draws "
    "distributions and names no number: .1 is ours.",
    measured=f"the share of neurons whose ratio is below {ONE_WAVE}, without decay, less that with decay",
    trainings=[COEXISTENCE, FULL],
)
def ratio_by_decay(plain: Run, decayed: Run) -> Values:
    shares = {
        name: float((last(run, "ipr_pruning").neuron_ipr < ONE_WAVE).mean())
        for name, run in (("no decay", plain), ("decay 15", decayed))
    }
    return {"share of many waves, less": shares["no decay"] - shares["decay 15"], "share of many waves": shares}
