"""He et al. 2026 (arXiv 2602.16849): networks on one-hots, trained anew by their recipes."""

import numpy as np

from grokinterp.config.activation import Activation
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.reading import first_reaching, last, recorded
from grokinterp.reproduction.target import at_least, at_most, factor, near
from grokinterp.runs.run import Run

PAPER = "He et al. 2026"
STANDARD = training("a + b", 1, "he-standard", seed=42, checkpoint_every=0)
GROKKING = training("a + b", 2, "he-grokking", seed=42, steps=20_000, checkpoint_every=0)
RECIPE = (
    "Their recipe, seed 42 of our own generator: p = 23, 512 neurons, all rows, AdamW at 5e-5 without decay, 10,000 "
    "steps. Of 5,000 their own log says a loss of .0477 (ours .0453), so the numbers of their table are of 10,000."
)
LOSSES: dict[Activation, float] = {
    "relu": 5.213e-7,
    "abs": 1.94e-11,
    "square": 9.26e-10,
    "fourth": 3.083e-5,
    "eighth": 0.051239,
    "log1p_exp_2x": 0.001288,
    "exp": 0.000654,
}
ODD: tuple[Activation, ...] = ("identity", "cube")
PLATEAU = (2_000, 5_000)
"""Steps between which the training rows are known and none is understood."""


@claim(
    "he-standard-phases",
    f"{PAPER}, their repository: IPR and phases",
    "Each neuron reads and writes one frequency, psi is 2 phi, and all eleven frequencies are used.",
    {
        "IPR, in": near(0.6912, 0.03),
        "IPR, out": near(0.7505, 0.03),
        "same frequency in and out": near(0.988, 0.03),
        "median phase difference": near(0.0683, 0.03),
        "fewest neurons of a frequency": at_least(30),
    },
    recipe=RECIPE,
    measured="activation_swap and geometry at the last checkpoint; their neurons by frequency are 35 to 59",
    trainings=[STANDARD],
)
def phases(run: Run) -> Values:
    end = last(run, "activation_swap", "geometry")
    counts = np.bincount(end.simple_neuron_frequency.values.astype(int), minlength=12)[1:]
    return {
        "IPR, in": end.ipr_in.item(),
        "IPR, out": end.ipr_out.item(),
        "same frequency in and out": end.same_frequency.item(),
        "median phase difference": end.phase_alignment_median.item(),
        "fewest neurons of a frequency": int(counts.min()),
        "neurons by frequency": " ".join(map(str, counts)),
    }


@claim(
    "he-standard-activations",
    f"{PAPER}, their repository: activations swapped",
    "The same weights answer all rows under every activation with an even part, and none under odd ones.",
    {
        "accuracy, with an even part": at_least(1),
        "accuracy, odd": at_most(0.1),
        **{f"loss under {activation}": factor(loss, 3) for activation, loss in LOSSES.items()},
        "loss under identity": near(4.246749, 0.5),
        "loss under cube": near(3.891341, 0.5),
    },
    recipe=RECIPE,
    measured="loss and accuracy on the whole table with the activation in the place of ReLU; their accuracies under x "
    "and x^3 are .0416 and .0359",
    trainings=[STANDARD],
)
def activations(run: Run) -> Values:
    end = last(run, "activation_swap")
    of = lambda variable, activation: end[variable].sel(activation=activation).item()
    return {
        "accuracy, with an even part": {name: of("swapped_accuracy", name) for name in LOSSES},
        "accuracy, odd": {name: of("swapped_accuracy", name) for name in ODD},
        **{f"loss under {name}": of("swapped_loss", name) for name in (*LOSSES, *ODD)},
    }


@claim(
    "he-grokking",
    f"{PAPER}, their repository: grokking",
    "Of three quarters of the rows with decay 2, test accuracy stays at those whose swap is trained on, then rises.",
    {
        "test accuracy less known swaps, on the plateau": near(0, 0.03),
        "train accuracy on the plateau": at_least(0.999),
        "step of 95 % test accuracy": factor(10_400, 2),
    },
    recipe="Their recipe, seed 42: p = 23, 512 neurons, 75 % of the rows, AdamW at 1e-4 with decay 2; 20,000 of their "
    "50,000 steps.",
    measured=f"medians over steps {PLATEAU[0]:,} to {PLATEAU[1]:,}; their first checkpoint above .95 is 10,400 (.9624)",
    trainings=[GROKKING],
)
def grokking(run: Run) -> Values:
    task = run.task
    assert task.is_train is not None
    known = 1 - task.is_unswapped_test.sum().item() / (~task.is_train).sum().item()

    def plateau(curve: str) -> float:
        steps, values = recorded(run, curve)
        return float(np.median(values[(steps >= PLATEAU[0]) & (steps <= PLATEAU[1])]))

    return {
        "test accuracy less known swaps, on the plateau": plateau("test_accuracy") - known,
        "train accuracy on the plateau": plateau("train_accuracy"),
        "known swaps": known,
        "step of 95 % test accuracy": first_reaching(run, "test_accuracy", 0.95),
    }
