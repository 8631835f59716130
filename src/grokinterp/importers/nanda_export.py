"""A run as Nanda's `full_run_data.pth`: what his notebook of 2022 reads, and `NANDA` reads back."""

from io import BytesIO
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

import torch

from grokinterp.config import RunConfig, TransformerConfig
from grokinterp.config.validation import check_path
from grokinterp.errors import BadRequest, listed
from grokinterp.importers._parameters import to_early
from grokinterp.importers.nanda import FORMULAS
from grokinterp.runs.files import make_directory
from grokinterp.runs.replacing import check_output, write_over
from grokinterp.runs.run import Run

FUNCTIONS = {formula: name for name, formula in FORMULAS.items()}


def write_nanda(run: Run, path: str | PathLike[str]) -> Path:
    """Write a run as his `full_run_data.pth`; returns the path.

    `state_dicts` has a model in his orientation for each of `epochs`, our steps, `model` the last one, `config` what
    his `Config` takes by its names. `train_losses` and `test_losses` have a value for each update (his have; recorded
    with metrics_every=1), or one for each of `epochs`. His loss i is of the weights before update i + 1, our step i.

    Raises `BadRequest` for a model, a task or curves that his format has no place for, before anything is written.
    """
    check_path("path", path)
    target = Path(fspath(path))
    check_output(target, run.path)
    config, parameters = run.config, [run[step].parameters for step in run.steps]
    if reason := _why_not(config):
        raise BadRequest(f"{run.name} cannot be written as Nanda's full_run_data.pth: {reason}")
    curves = _curves(run)
    model = cast(TransformerConfig, config.model)
    n_ctx = model.sizes[2]
    masks = {f"blocks.{i}.attn.mask": torch.tril(torch.ones(n_ctx, n_ctx)) for i in range(model.n_layers)}
    states = [{**to_early(each), **masks} for each in parameters]
    content = {
        "state_dicts": states,
        "epochs": run.steps,
        **curves,
        "model": states[-1],
        "epoch": run.steps[-1],
        "config": _settings(config),
    }
    buffer = BytesIO()
    torch.save(content, buffer)
    make_directory(target.parent)
    write_over(target, buffer.getvalue())
    return target


def _why_not(config: RunConfig) -> str | None:
    model = config.model
    if not isinstance(model, TransformerConfig):
        return f"his code has transformers, and this is a {model.kind}"
    wrong = [
        words
        for is_wrong, words in (
            (model.has_norms, "norms"),
            (model.activation not in ("relu", "gelu"), f"activation={model.activation}"),
            (model.attention_rate != 1, f"attention_rate={model.attention_rate}"),
            (model.attention_direction != "causal", "attention that is not causal"),
            (model.attn_only, "no MLP"),
            (not model.mlp_bias, "no biases"),
            (model.position_embedding != "learned", f"position_embedding={model.position_embedding}"),
            (model.embedding_scale != 1, f"embedding_scale={model.embedding_scale}"),
        )
        if is_wrong
    ]
    if wrong:
        return f"his transformer knows nothing of {listed(wrong)}; train preset='nanda'"
    task = config.task
    if task.expression not in FUNCTIONS or task.parameters.get("layout") != "a b =":
        return f"his tasks are {listed(FUNCTIONS)} in the layout 'a b ='"
    if model.n_ctx is None:
        return "its configuration leaves open how many tokens it reads; give it n_ctx"
    return None


def _curves(run: Run) -> dict[str, list[float]]:
    """His two lists of losses. Raises `BadRequest` where they were not recorded at every checkpoint."""
    metrics = run.metrics.set_index("step")
    every = [*range(run.steps[-1])]
    steps = every if set(every) <= set(metrics.index) else run.steps
    missing = [step for step in steps if step not in metrics.index]
    if missing:
        raise BadRequest(
            f"{run.name} has no losses at its checkpoint {missing[0]}; train it with metrics_every=1, or with the "
            f"metrics_every of its checkpoint_every"
        )
    return {f"{side}_losses": metrics[f"{side}_loss"].loc[steps].tolist() for side in ("train", "test")}


def _settings(config: RunConfig) -> dict[str, Any]:
    """By the names of his `Config`."""
    optimiser, schedule = config.optimiser, config.schedule
    model: Any = config.model  # a transformer, as `_why_not` has it
    d_vocab, _, n_ctx = model.sizes
    seed = config.seed if config.split.split_seed is None else config.split.split_seed
    return {
        "lr": optimiser.lr,
        "weight_decay": optimiser.weight_decay,
        "p": config.task.parameters["p"],
        "d_model": model.d_model,
        "fn_name": FUNCTIONS[config.task.expression],
        "frac_train": config.split.frac,
        "num_epochs": schedule.steps,
        "save_models": True,
        "save_every": schedule.checkpoint_every,
        "stopping_thresh": -1,
        "seed": seed,
        "num_layers": model.n_layers,
        "batch_style": "full",
        "d_vocab": d_vocab,
        "n_ctx": n_ctx,
        "d_mlp": model.d_mlp,
        "num_heads": model.n_heads,
        "d_head": model.d_head,
        "act_type": "ReLU" if model.activation == "relu" else "GeLU",
        "use_ln": False,
    }
