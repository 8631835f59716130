"""Story: what was trained and what happened, in plain sentences and small tables. No verdicts."""

from dataclasses import dataclass

import pandas as pd

from grokinterp.architecture import EmbeddingMLPConfig, ModelConfig
from grokinterp.config import OptimiserConfig, RunConfig
from grokinterp.reports.readings import Landmarks
from grokinterp.runs import Run
from grokinterp.tasks import Task

_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


@dataclass(frozen=True)
class Fact:
    """A line of a small table: what, how much, and how to read it."""

    name: str
    value: str
    note: str = ""


def task_in_words(task: Task) -> str:
    """`a + b mod 113`, or the task's name."""
    p = task.parameters.get("p")
    text = "; ".join(task.operations)
    return f"{text} mod {p}" if p and task.n_answers == p else text


def title(run: Run) -> str:
    """What the page is about, in one line."""
    if run.has_task:
        return task_in_words(run.task)
    return run.name


def trained(run: Run) -> list[str]:
    """Paragraphs on task, model and optimiser, as far as the run tells."""
    said = []
    if run.has_task:
        said.append(_task_sentence(run.task))
    else:
        said.append("The file does not say which task was learnt, so nothing on this page depends on the task.")
    if not run.has_config:
        said.append("The file does not say which model was trained or how.")
        return said
    size = ""
    if run.steps:
        size = f" It has {sum(weight.numel() for weight in run.final.parameters.values()):,} parameters."
    said.append(f"The model is {model_in_words(run.config.model)}.{size}")
    said.append(_recipe_sentence(run.config))
    return said


def _task_sentence(task: Task) -> str:
    words = (
        f"The task is {task_in_words(task)}, a table of {len(task.inputs):,} questions with {task.n_answers:,} answers."
    )
    if task.is_train is None:
        return f"{words} Which of them were trained on is not known."
    n_train, n = int(task.is_train.sum()), len(task.inputs)
    wrong = int((task.train_labels != task.labels).reshape(n, -1).any(1).sum())
    mislabelled = f" {wrong:,} of the training rows were given a wrong answer on purpose." if wrong else ""
    if n_train == n:
        return f"{words} All of them were trained on, so there is no test set.{mislabelled}"
    return f"{words} {n_train:,} of them ({n_train / n:.1%}) were trained on; the other {n - n_train:,} are the test set.{mislabelled}"


def model_in_words(config: ModelConfig) -> str:
    """A noun phrase, as in `a one-layer transformer of width 128 with 4 heads of 32`."""
    activation = {"relu": "ReLU", "gelu": "GELU", "tanh": "tanh"}[config.activation]
    if isinstance(config, EmbeddingMLPConfig):
        combined = {"concatenate": "concatenated", "add": "added", "project_then_add": "projected and then added"}
        shared = "one embedding" if config.shared_embedding else "two embeddings"
        hidden = " and ".join(f"{size:,}" for size in config.hidden_sizes)
        return (
            f"{shared} of width {config.d_embed}, {combined[config.combine]}, "
            f"and a perceptron with {hidden} {activation} neurons"
        )
    layers = _NUMBERS.get(config.n_layers, str(config.n_layers))
    mlp = (
        "no MLP"
        if config.attn_only
        else f"{config.mlp_size:,} {activation} neurons{' a layer' * (config.n_layers > 1)}"
    )
    norm = {"none": "no LayerNorm", "pre": "LayerNorm before each block", "post": "LayerNorm after each block"}
    rate = "" if config.attention_rate == 1 else f", attention rate {config.attention_rate:.4g}"
    positions = {"learned": "learnt", "sinusoidal": "sinusoidal", "none": "no"}[config.position_embedding]
    return (
        f"a {layers}-layer transformer of width {config.d_model} with {config.n_heads} heads of {config.head_size}, {mlp}, "
        f"{norm[config.normalization]}, {positions} position embeddings and {config.attention_direction} attention{rate}"
    )


def _recipe_sentence(config: RunConfig) -> str:
    schedule, optimiser = config.schedule, config.optimiser
    batch = (
        "on all training rows at once" if schedule.batch_size is None else f"in batches of {schedule.batch_size:,} rows"
    )
    return f"It was trained for up to {schedule.steps:,} steps {batch}, with {optimiser_in_words(optimiser)}, from seed {config.seed}."


def optimiser_in_words(optimiser: OptimiserConfig) -> str:
    """`AdamW, learning rate 0.001, betas 0.9 and 0.98, weight decay 1, ...`."""
    name = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}[optimiser.optimiser]
    parts = [name, f"learning rate {optimiser.lr:g}"]
    if optimiser.optimiser == "sgd":
        parts += [f"momentum {optimiser.momentum:g}"] if optimiser.momentum else []
    else:
        parts.append(f"betas {optimiser.beta1:g} and {optimiser.beta2:g}")
    kind = {
        "to_init": " towards the initial weights",
        "jiggle": " as multiplicative noise",
        "gradient": " in the gradient",
        "to_zero": " apart from the gradient",
    }.get(optimiser.decay_kind, "")
    parts.append(f"weight decay {optimiser.weight_decay:g}{kind}" if optimiser.weight_decay else "no weight decay")
    parts += [f"{optimiser.warmup_steps} warm-up steps"] if optimiser.warmup_steps else []
    parts += ["a cosine schedule"] if optimiser.lr_schedule == "cosine" else []
    parts += ["noise added to updates"] if optimiser.update_noise else []
    parts += ["the weight norm held fixed"] if optimiser.fixed_norm else []
    parts += [f"Grokfast ({optimiser.grokfast.upper()})"] if optimiser.grokfast != "none" else []
    return ", ".join(parts)


def happened(run: Run, metrics: pd.DataFrame, landmarks: Landmarks) -> list[str]:
    """Paragraphs on when training and test rows came to be answered, as recorded."""
    if metrics.empty:
        return ["The file holds no loss or accuracy curves, so when anything happened is not known."]
    last = int(metrics["step"].max())
    if metrics[["train_accuracy", "test_accuracy"]].isna().all(axis=None):
        return [
            f"Losses were recorded up to step {last:,}, accuracies were not, so the steps of memorising and grokking are not known."
        ]
    memorised, grokked = landmarks.memorised_step, landmarks.grokked_step
    spacing = _spacing(metrics)
    said = [
        f"All training rows were first answered at step {memorised:,}."
        if memorised is not None
        else f"Not all training rows were answered at any recorded step up to {last:,}{_best(metrics, 'train_accuracy')}."
    ]
    if metrics["test_accuracy"].notna().any():
        said.append(
            f"Test accuracy first reached 99 % at step {grokked:,}{_ratio(memorised, grokked)}."
            if grokked is not None
            else f"Test accuracy had not reached 99 % by step {last:,}{_best(metrics, 'test_accuracy')}."
        )
    return [" ".join(said) + spacing]


def _ratio(memorised: int | None, grokked: int) -> str:
    if not memorised or grokked < memorised:
        return ""
    return f", {grokked / memorised:.3g} times as many steps"


def _best(metrics: pd.DataFrame, column: str) -> str:
    return f"; the highest was {percent(metrics[column].max())}" if metrics[column].notna().any() else ""


def _spacing(metrics: pd.DataFrame) -> str:
    gaps = metrics.loc[metrics["test_accuracy"].notna(), "step"].diff().dropna()
    return f" Accuracies were recorded every {int(gaps.median()):,} steps." if len(gaps) and gaps.median() > 1 else ""


def numbers(run: Run, metrics: pd.DataFrame) -> list[Fact]:
    """The final losses and accuracies, beside what guessing and swapping reach."""
    facts = []
    for column, name in (("train_loss", "train loss"), ("test_loss", "test loss")):
        facts += [Fact(f"final {name}", f"{value:.4g} nats") for value in _last(metrics, column)]
    for column, name, note in (
        ("train_accuracy", "train accuracy", ""),
        ("test_accuracy", "test accuracy", ""),
        ("test_accuracy_unswapped", "test accuracy, unswapped rows", "test rows whose swapped pair is not trained on"),
    ):
        facts += [Fact(f"final {name}", percent(value), note) for value in _last(metrics, column)]
    return facts + (baselines(run.task) if run.has_task else [])


def baselines(task: Task) -> list[Fact]:
    """What needs no understanding: a uniform guess, the commonest answer, and memorised pairs the other way round."""
    facts = [
        Fact("chance", percent(task.chance), "accuracy of a uniform guess among the answers that occur"),
        Fact("commonest answer", percent(task.majority_rate), "accuracy of always giving it"),
    ]
    if task.is_commutative and task.is_train is not None and not task.is_train.all():
        swapped = 1 - float(task.is_unswapped_test.sum() / (~task.is_train).sum())
        note = "test rows (b, a) with (a, b) trained on: memorising pairs in either order answers these"
        facts.append(Fact("memorised swaps", percent(swapped), note))
    return facts


def _last(metrics: pd.DataFrame, column: str) -> list[float]:
    return metrics[column].dropna().tail(1).tolist() if column in metrics else []


def percent(share: float) -> str:
    """`99.97 %`, and never 100 % for less than all."""
    return "100 %" if share == 1 else f"{min(share, 0.99994):.2%}".replace("%", " %")
