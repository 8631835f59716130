"""Repeated subsequences (Nanda et al. 2023): induction heads, and the phase change with which they form."""

import math
from pathlib import Path

import numpy as np
import torch

from grokinterp.circuits.induction import previous_token_score
from grokinterp.importers import load
from grokinterp.reproduction.claim import Claim, Values, claim
from grokinterp.reproduction.claims.nanda_saved_curves import INDUCTION as FILE
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.phase import steepest
from grokinterp.reproduction.reading import end_of, final, first, last, recorded, trace
from grokinterp.reproduction.target import Target, at_least, at_most, factor, near, yes
from grokinterp.runs.run import Run
from grokinterp.tasks import Task

PAPER = "Nanda et al. 2023 (phase changes)"
WHERE = "Nanda et al. 2023 (saved runs), `induction_head_infinite`"
OURS = (
    "Their generator is not known: ours, all tokens of a row different but for the copies, and shrunk to 25 tokens of "
    "32 with a passage of 6 twice, rate 3e-3, decay 0.1; width, heads and attention-only layers are theirs, one seed."
)


def _layers(n_layers: int, **fields: object) -> Training:
    return training("repeated_subsequence", 1, "induction_small", n_layers=n_layers, **fields)


TWO, THREE = _layers(2), _layers(3)
LONG = {"steps": 6_000, "metrics_every": 50, "checkpoint_every": 50}
ONE = (_layers(1, **LONG), _layers(1, seed=1), _layers(1, d_model=96, lr=1e-3, weight_decay=1.0))
FINITE = training(
    "repeated_subsequence", 1, "induction_small", data="finite", points=1_536, frac=0.3334, batch_size=128,
    steps=4_000, metrics_every=50, checkpoint_every=500,
)  # fmt: skip


@claim(
    "induction-saved-heads",
    WHERE,
    "Head 2 of the saved model's first layer attends to the previous token (.89), and heads 1 to 3 of its second copy: "
    "a token raises its own logit by 2.1 to 2.9.",
    {"previous token, head 0.2": near(0.89, 0.03), "copying": Target(2.05, 2.95, "2.1 to 2.9, rounded")},
    recipe="The file's weights on 512 rows of our generator at its sizes; nothing is trained. The targets are an "
    "independent reading of the same weights.",
    measured="attention from the queries up to position 27 to the token before; mean diagonal of W_E OV W_U over the "
    "127 tokens",
    files=[FILE],
)
def saved_heads(path: Path) -> Values:
    run = load(path, task=Task("repeated_subsequence"))
    assert isinstance(run, Run)
    before = previous_token_score(final(run).mean_patterns[0], before=28)
    weights = run.final.parameters
    embed, unembed = weights["embed.W_E"][1:], weights["unembed.W_U"][:, 1:]  # token 0 stands in front alone
    values, out = (weights[f"blocks.1.attn.{name}"] for name in ("W_V", "W_O"))
    copying = torch.einsum("td,hdk,hke,et->h", embed, values, out, unembed) / len(embed)
    return {
        "previous token, head 0.2": float(before[2]),
        "previous token, the others": float(before[[0, 1, 3]].max()),
        "copying": {f"head 1.{head}": float(copying[head]) for head in (1, 2, 3)},
        "copying, head 1.0": float(copying[0]),
    }


def _changes(words: str, run: Training) -> Claim:
    @claim(
        f"induction-{words}-layers",
        f"{PAPER}, repeated subsequences",
        f"A model of {words} attention-only layers learns repeated subsequences in a phase change, by a head that "
        "attends to the previous token and an induction head in a later layer.",
        {
            "share of the fall in a tenth of the run": at_least(0.5),
            "loss at the end": at_most(0.302),
            "previous-token score before the last layer": at_least(0.5),
            "induction score after the first": at_least(0.5),
        },
        recipe=f"{OURS} The saved run ends at 0.302, with chance hits in its data that ours does not have.",
        measured="held-out loss over steps, and the largest score of any head at the end",
        trainings=[run],
        minutes=0.5,
    )
    def changes(found: Run) -> Values:
        steps, losses = recorded(found, "test_loss")
        fall, end = steepest(steps, losses), last(found, "induction")
        return {
            "share of the fall in a tenth of the run": fall.share,
            "fall from step": fall.start,
            "loss at the end": float(losses[-1]),
            "previous-token score before the last layer": float(end.previous_token_score[:-1].max()),
            "induction score after the first": float(end.induction_score[1:].max()),
            "induction score in the first": float(end.induction_score[0].max()),
        }

    return changes


TWO_LAYERS = _changes("two", TWO)
THREE_LAYERS = _changes("three", THREE)


@claim(
    "induction-one-layer",
    f"{PAPER}, repeated subsequences",
    "One layer has no phase change: without a head that composes with an earlier one there is no induction.",
    {
        "loss at the end": Target(math.log(32) / 2, math.log(32), "between half of ln 32 and ln 32, a guess"),
        "induction score": at_most(0.3),
        "share of the fall in a tenth of the run": at_most(0.5),
    },
    recipe=f"{OURS} Three settings: 6,000 steps; another seed, 2,000 steps; twice the width with a third of the rate "
    "and decay 1, 2,000 steps.",
    measured="held-out loss at the end, the largest induction score of a head, and the steepest fall, which two layers "
    "have to have by the same number",
    trainings=ONE,
    minutes=0.5,
    negative=True,
)
def one_layer(*runs: Run) -> Values:
    name = lambda run: (
        f"width {run.config.model.d_model}, seed {run.config.seed}, {run.config.schedule.steps:,} steps"  # type: ignore[union-attr]
    )
    return {
        "loss at the end": {name(run): end_of(run, "test_loss") for run in runs},
        "induction score": {name(run): float(last(run, "induction").induction_score.max()) for run in runs},
        "share of the fall in a tenth of the run": {
            name(run): steepest(*recorded(run, "test_loss")).share for run in runs
        },
    }


@claim(
    "induction-forms-in-the-fall",
    f"{PAPER}, repeated subsequences",
    "The phase change is the forming of the induction head: its score rises as the loss falls.",
    {"step of the head over that of the fall": factor(1, 1.5)},
    recipe=OURS,
    measured="first checkpoint of every 20 with a head of induction score 0.5, over the step at which half of the "
    "steepest fall of the loss is done",
    trainings=[TWO, THREE],
    minutes=2,
)
def forms_in_the_fall(*runs: Run) -> Values:
    heads, falls = {}, {}
    for run in runs:
        name, over = f"{run.config.model.n_layers} layers", trace(run, "induction")  # type: ignore[union-attr]
        heads[name] = first(over.step.values, over.best_induction_score.values >= 0.5)
        falls[name] = steepest(*recorded(run, "test_loss")).middle
    return {
        "step of the head over that of the fall": {name: heads[name] / (falls[name] or math.nan) for name in heads},
        "step of the head": heads,
    }


@claim(
    "induction-finite",
    f"{PAPER}, repeated subsequences with 512 points",
    "With 512 rows it memorises first: the test loss rises far above a uniform guess while these are learnt.",
    {"largest test loss over ln 32": at_least(1.5), "least train loss": at_most(0.1), "train falls before test": yes()},
    recipe=f"{OURS} 512 of 1,536 rows, 4,000 steps; of their 285,820 the beginning, where the test loss peaks at 16 "
    "and more, before induction is found after all.",
    measured="the largest recorded test loss over that of a uniform guess, the least train loss, and whether the train "
    "loss is below 0.1 before the test loss is",
    trainings=[FINITE],
    minutes=0.1,
    by_heart=True,
)
def finite(run: Run) -> Values:
    test_steps, test = recorded(run, "test_loss")
    train_steps, train = recorded(run, "train_loss")
    learnt, known = first(train_steps, train < 0.1), first(test_steps, test < 0.1)
    return {
        "largest test loss over ln 32": float(test.max()) / math.log(32),
        "least train loss": float(train.min()),
        "train falls before test": bool(learnt < np.nan_to_num(known, nan=np.inf)),
        "last test loss": float(test[-1]),
    }
