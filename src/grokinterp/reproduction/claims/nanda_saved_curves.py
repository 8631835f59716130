"""Nanda et al. 2023: the loss curves saved in the authors' repository, read again."""

from pathlib import Path

from grokinterp.importers import load
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.nanda_needs import EPOCHS
from grokinterp.reproduction.claims.nanda_saved import DECAY, WHERE
from grokinterp.reproduction.reading import first, recorded, saved
from grokinterp.reproduction.target import at_most, near, share_of

SWEEP = "nanda/mod_addition_frac_train_sweep.pth"
DIGITS = "nanda/5_digit_addition_infinite.pth"
INDUCTION = "nanda/induction_head_infinite.pth"


@claim(
    "nanda-saved-curve",
    WHERE,
    "With weight decay 0.1 the test loss peaks at 40.4 near epoch 1,550, and falls below 1 at 90,900, 0.1 at 95,500.",
    {
        "peak": share_of(40.4, 0.01),
        "its epoch": near(1_550, 50),
        "below 1": near(90_900, 100),
        "below 0.1": near(95_500, 100),
        "below 0.001": near(100_900, 100),
    },
    recipe="The file's recorded losses, every tenth epoch; nothing is trained.",
    measured="the largest recorded test loss, and the first epochs below after it",
    files=[DECAY],
)
def curve(path: Path) -> Values:
    steps, test = recorded(saved(path), "test_loss")
    at = int(test.argmax())
    below = {f"below {t:g}": first(steps[at:], test[at:] < t) for t in (1, 0.1, 0.001)}
    return {"peak": float(test[at]), "its epoch": float(steps[at]), **below}


@claim(
    "nanda-saved-first-step",
    WHERE,
    "The learning rate of the first step is 0, so the first two losses are the same number.",
    {"difference of the first two losses": at_most(0)},
    recipe="The file's recorded losses; nothing is trained.",
    measured="absolute difference",
    files=[DECAY],
)
def first_step(path: Path) -> Values:
    train = recorded(saved(path), "train_loss")[1]
    return {"difference of the first two losses": float(abs(train[1] - train[0]))}


@claim(
    "nanda-saved-fractions",
    "Nanda et al. 2023 (saved runs), `mod_addition_frac_train_sweep`",
    "Test loss falls below 0.1 at epoch 157 with 95 % of the table, 7,930 with 30 % and 21,848 with 25 %.",
    {f"epochs at {frac:g}": near(epochs, 0) for frac, epochs in EPOCHS.items()},
    recipe="The file's recorded losses; nothing is trained.",
    measured="first epoch with test loss below 0.1 after its peak",
    files=[SWEEP],
)
def fractions(path: Path) -> Values:
    values = {}
    for frac in EPOCHS:
        steps, test = recorded(load(path)[f"frac_{frac:g}"], "test_loss")  # type: ignore[index]
        at = int(test.argmax())
        values[f"epochs at {frac:g}"] = first(steps[at:], test[at:] < 0.1)
    return values


AT = {0: 5.05, 700: 4.46, 900: 2.03, 1_000: 1.26, 1_500: 0.55}


@claim(
    "nanda-saved-induction",
    "Nanda et al. 2023 (saved runs), `induction_head_infinite`",
    "Learning a repeated subsequence is a phase change: loss 4.46 at step 700, 2.03 at 900, and 0.302 at the end.",
    {**{f"loss at {step}": share_of(loss, 0.03) for step, loss in AT.items()}, "last 100": share_of(0.302, 0.01)},
    recipe="The file's recorded losses; nothing is trained.",
    measured="recorded losses, and the mean of the last hundred",
    files=[INDUCTION],
)
def induction(path: Path) -> Values:
    loss = recorded(saved(path), "train_loss")[1]
    return {**{f"loss at {step}": float(loss[step]) for step in AT}, "last 100": float(loss[-100:].mean())}


@claim(
    "nanda-saved-digits",
    "Nanda et al. 2023 (saved runs), `5_digit_addition_infinite`",
    "Five-digit addition is learnt from fresh data to a loss of 0.0122.",
    {"last 100": share_of(0.0122, 0.01)},
    recipe="The file's recorded losses; nothing is trained.",
    measured="mean of the last hundred losses",
    files=[DIGITS],
)
def digits(path: Path) -> Values:
    return {"last 100": float(recorded(saved(path), "train_loss")[1][-100:].mean())}
