"""Prose: what was trained and what happened, in plain sentences and small tables."""

import numpy as np
import pandas as pd
import xarray as xr

from grokinterp.analysis.outcome import Ending
from grokinterp.config import OptimiserConfig, RunConfig
from grokinterp.errors import listed
from grokinterp.markup import power_of_ten
from grokinterp.reports.figures.curves import Curve
from grokinterp.reports.section import Fact
from grokinterp.reports.subject import Landmarks
from grokinterp.runs.run import Run
from grokinterp.tasks import Task
from grokinterp.tasks.groups import GroupTask

_CURVES = {
    "train_loss": "train loss",
    "test_loss": "test loss",
    "train_accuracy": "train accuracy",
    "test_accuracy": "test accuracy",
    "test_accuracy_unswapped": "unswapped test accuracy",
}
_CURVE_NOTES = {"test_accuracy_unswapped": "on test rows whose swapped pair is not trained on"}
_OPTIMISERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "muon": "Muon"}
_LOSSES = {"stablemax": "the cross-entropy of StableMax", "mse": "the squared error"}

PERCENT = "\N{NO-BREAK SPACE}%"


def title(run: Run) -> str:
    """What the page is about, in one line."""
    return task_in_words(run.task) if run.has_task else run.name


def task_in_words(task: Task) -> str:
    """`a + b mod 113`, or what the task calls itself."""
    text, p = "; ".join(task.operations).replace("_", " "), task.parameters.get("p")
    if isinstance(task, GroupTask):
        return f"{text} in {task.group.name}"
    return f"{text} mod {p}" if p and task.n_values == p else text


def trained(run: Run) -> list[str]:
    """Paragraphs on task, model and recipe, as far as the run tells."""
    if run.has_task:
        said = [task_sentence(run.task, "count as" if run.provenance.formula else "were")]
    else:
        said = ["The file does not say which task was learnt, so nothing on this page depends on the task."]
    if not run.has_config:
        return [*said, "The file does not say which model was trained, or how."]
    size = ""
    if run.steps:
        size = f" It has {sum(weight.numel() for weight in run.final.parameters.values()):,} parameters."
    doubt = ", which does not explain its weights" if run.unexplained else ""
    model = f"The model is {'read as ' if doubt else ''}{run.config.model.in_words()}{doubt}.{size}"
    if run.provenance.formula:
        return [*said, model, f"It was not trained: its weights are those of a formula, {run.provenance.formula}."]
    if not run.is_recipe_known:
        return [*said, model, "The file does not say how it was trained."]
    if is_imported(run) and not run.is_optimiser_known and not any(run.steps):
        return [*said, model, "The file does not say how it was trained."]
    recipe = recipe_sentence(run.config, run.is_seed_known, is_imported(run), run.is_optimiser_known)
    return [*said, model, recipe, *ended(Ending.of(run))]


def ended(ending: Ending | None) -> list[str]:
    """Where a training stopped that did not come to its last step, and why."""
    if ending is None or ending.last >= ending.planned:
        return []
    if ending.diverged:
        return [f"It ended at step {ending.last:,}: the training loss was no finite number any more."]
    if ending.patience is None:
        return [f"It stopped at step {ending.last:,}, before that: it was interrupted, or is still training."]
    reached = f"its test accuracy reached {percent(ending.accuracy)}"
    when = f"as soon as {reached}" if ending.patience == 0 else f"{ending.patience:,} steps after {reached}"
    return [f"It ended at step {ending.last:,}, {when}, as it was set to."]


def is_imported(run: Run) -> bool:
    """Whether the run was trained by other code and read from a file of another format."""
    return run.provenance.trained_elsewhere


def inferred(run: Run) -> list[str]:
    """What the reader of a third-party file had to assume, as it says itself."""
    remarks = [*map(str, run.assumptions), *run.provenance.notes]
    return [f"On reading the file: {'; '.join(remarks)}."] if remarks else []


def task_sentence(task: Task, were: str = "were") -> str:
    """How large the table is, and how much of it was trained on; of weights that were not, what counts as it."""
    n = len(task.inputs)
    if task.is_endless:
        return (
            f"The task is {task_in_words(task)}, with {task.n_values:,} answers and no end of questions: every step "
            f"has fresh ones, and {n:,} others are the test set."
        )
    said = [f"The task is {task_in_words(task)}, a table of {n:,} questions with {task.n_values:,} answers."]
    if task.is_train is None:
        return f"{said[0]} Which of them were trained on is not known."
    n_train = int(task.is_train.sum())
    if n_train == n:
        said.append(f"All of them {were} trained on, so there is no test set.")
    else:
        share = f"{100 * n_train / n:.3g}{PERCENT}"
        said.append(f"{n_train:,} of them ({share}) {were} trained on; the other {n - n_train:,} are the test set.")
    wrong = int((task.train_labels != task.labels).reshape(n, -1).any(1).sum())
    if wrong:
        said.append(f"{wrong:,} of the training rows were given a wrong answer on purpose.")
    return " ".join(said)


def recipe_sentence(
    config: RunConfig, seed_known: bool = True, imported: bool = False, optimiser_known: bool = True
) -> str:
    """How long, on what, and with which optimiser; what was planned is known of a run of our own alone."""
    length = "It was trained for" if imported else "It was set to train for"
    seed = f"from seed {config.seed}" if seed_known else "from a seed that is not recorded"
    size = config.schedule.batch_size
    batch = "on all training rows at once" if size is None else f"in batches of {size:,} rows"
    lowered = "" if config.schedule.loss == "cross_entropy" else f", lowering {_LOSSES[config.schedule.loss]}"
    steps, optimiser = config.schedule.steps, optimiser_in_words(config.optimiser)
    by = f"with {optimiser}" if optimiser_known else f"with an optimiser that is not recorded (assumed: {optimiser})"
    return f"{length} {steps:,} steps {batch}, {seed}{lowered}, {by}."


def optimiser_in_words(optimiser: OptimiserConfig) -> str:
    """`AdamW, learning rate 0.001, betas 0.9 and 0.98, weight decay 1, ...`."""
    parts = [_OPTIMISERS[optimiser.optimiser], f"learning rate {scientific(optimiser.lr, 6)}"]
    if optimiser.optimiser != "sgd":
        parts.append(f"betas {optimiser.beta1:g} and {optimiser.beta2:g}")
    elif optimiser.momentum:
        parts.append(f"momentum {optimiser.momentum:g}")
    kind = {
        "own": "",
        "to_zero": " apart from the gradient",
        "to_init": " towards the initial weights",
        "jiggle": " as multiplicative noise",
        "gradient": " in the gradient",
    }[optimiser.decay_kind]
    decay = f"weight decay {scientific(optimiser.weight_decay, 6)}{kind}"
    parts.append(decay if optimiser.weight_decay else "no weight decay")
    parts += [f"{optimiser.warmup_steps} warm-up steps"] if optimiser.warmup_steps else []
    parts += ["a cosine schedule"] if optimiser.lr_schedule == "cosine" else []
    parts += ["noise added to updates"] if optimiser.update_noise else []
    parts += ["noise on the weights in each forward pass"] if optimiser.weight_noise else []
    parts += ["gradients without their part along the weights"] if optimiser.perpendicular_gradient else []
    parts += ["the weight norm held fixed"] if optimiser.fixed_norm else []
    if optimiser.norm_multiple is not None:
        parts.append(f"the weight norm held at {optimiser.norm_multiple:g} times the initial one")
    parts += [f"Grokfast ({optimiser.grokfast.upper()})"] if optimiser.grokfast != "none" else []
    return ", ".join(parts)


def happened(
    metrics: pd.DataFrame,
    landmarks: Landmarks,
    phases: list[tuple[str, int, int]],
    endless: bool = False,
    ending: Ending | None = None,
) -> list[str]:
    """When training and test rows came to be answered, and in which phases, as far as it was recorded.

    Of `endless` data no row is trained on twice, so that none can be memorised.
    """
    if metrics.empty:
        return ["No loss or accuracy curves were recorded, so when anything happened is not known."]
    last = int(metrics["step"].to_numpy().max())
    train, test = Curve.of(metrics, "train_accuracy"), Curve.of(metrics, "test_accuracy")
    if not len(train) and not len(test):
        return [
            f"Losses were recorded up to step {last:,} and accuracies were not, "
            "so the steps at which rows came to be answered are not known."
        ]
    memorised, grokked = landmarks.memorised_step, landmarks.grokked_step
    said = []
    if endless:
        said.append("No row is trained on twice, so none is memorised.")
    elif memorised is not None:
        said.append(f"All training rows were first answered at step {memorised:,}.")
    elif len(train):
        best = percent(train.values.max())
        said.append(f"By step {last:,} the training rows had not all been answered; the highest accuracy was {best}.")
    if grokked is not None:
        later = f", {scientific(grokked / memorised)} times as late" if memorised and grokked > memorised else ""
        said.append(f"Test accuracy first reached 99{PERCENT} at step {grokked:,}{later}.")
    elif len(test):
        best = percent(test.values.max())
        said.append(f"By step {last:,} test accuracy had not reached 99{PERCENT}; the highest was {best}.")
    recorded = test if len(test) else train
    if len(recorded) > 1 and (gap := np.median(np.diff(recorded.steps))) > 1:
        said.append(f"Accuracies were recorded every {gap:,.0f} steps.")
    if phases:
        ends = listed(f"{name} to step {end:,}" for name, _, end in phases)
        said.append(f"By its restricted and excluded losses it went through {ends} (Nanda et al. 2023).")
        if ending is not None and ending.last < ending.planned:
            said.append("Its schedule was longer; in the rest of it a phase might have ended later than here.")
    return [" ".join(said)]


def numbers(metrics: pd.DataFrame) -> list[Fact]:
    """The last losses and accuracies recorded; where they are no finite numbers at the end, those before."""
    facts = []
    for column in _CURVES:
        curve = Curve.of(metrics, column)
        if len(curve):
            step, last = int(curve.steps[-1]), int(metrics["step"].to_numpy().max())
            is_nan = last > step and bool(metrics[column].iloc[-1:].isna().all()) and "diverged" in metrics
            facts.append(_final(column, float(curve.values[-1]), f"at step {step:,}, the last finite one" * is_nan))
    return facts


def measured(trace: xr.Dataset, metrics: pd.DataFrame, is_commutative: bool) -> list[Fact]:
    """The losses and accuracies that were not recorded, as measured at the last checkpoint."""
    last = trace.isel(step=-1)
    # Where operands don't commute, or there is but one, no test row is the swap of another.
    told = [column for column in _CURVES if is_commutative or column != "test_accuracy_unswapped"]
    missing = [column for column in told if column in last and not len(Curve.of(metrics, column))]
    values = {column: float(last[column]) for column in missing}
    return [
        _final(column, value, "measured at the last checkpoint") for column, value in values.items() if value == value
    ]


def _final(column: str, value: float, note: str = "") -> Fact:
    text = f"{scientific(value)} nats" if column.endswith("loss") else percent(value)
    return Fact(f"final {_CURVES[column]}", text, note or _CURVE_NOTES.get(column, ""))


def baselines(task: Task) -> list[Fact]:
    """What needs no understanding: a uniform guess, the commonest answer, and memorised pairs the other way round."""
    first = " for the answer's first token" if task.labels.ndim == 2 else ""
    facts = [
        Fact("chance", percent(task.chance), f"accuracy of a uniform guess among the answers that occur{first}"),
        Fact("commonest answer", percent(task.majority_rate), f"accuracy of always giving it{first}"),
    ]
    if task.is_commutative and task.is_train is not None and not task.is_train.all():
        swapped = 1 - float(task.is_unswapped_test.sum() / (~task.is_train).sum())
        note = "share of the test rows (b, a) with (a, b) trained on, which memorised pairs answer"
        facts.append(Fact("memorised swaps", percent(swapped), note))
    return facts


def checkpoints(steps: list[int]) -> str:
    """`100 checkpoints from step 0 to 9,900`, or the one there is."""
    if len(steps) == 1:
        return f"the checkpoint at step {steps[0]:,}"
    return f"{len(steps)} checkpoints from step {steps[0]:,} to {steps[-1]:,}"


def source(run: Run, what: str, steps: list[int] | None = None) -> str:
    """What a figure's numbers were read off: of which run, at which checkpoints, all of them where not given."""
    return f"{what} of {run.name}, {checkpoints(run.steps if steps is None else steps)}."


def scientific(value: float, digits: int = 3) -> str:
    """Some digits: `0.0371`, or a power of ten where that is shorter."""
    return power_of_ten(f"{value:.{digits}g}")


def percent(share: float) -> str:
    """`99.97 %`: two decimals, and never 100 % for less than all."""
    return f"100{PERCENT}" if share == 1 else f"{min(100 * share, 99.99):.2f}{PERCENT}"
