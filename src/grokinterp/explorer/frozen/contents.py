"""Contents: what a page holds of a run, as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from grokinterp.analysis.cycles import Cycle, Wave
from grokinterp.explorer.checkpoint import scored_labels
from grokinterp.explorer.frozen.packing import text_of_bits, text_of_numbers
from grokinterp.importers import opening_call
from grokinterp.interventions import cycle_length
from grokinterp.interventions.frequencies import number_blocks
from grokinterp.models.functional import sinusoids
from grokinterp.runs.run import Run
from grokinterp.tasks import Task

POINTS = 400
"""Points of a curve: more than a screen is wide tell nothing further."""

CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def weights_at(run: Run, step: int) -> dict[str, Float[Tensor, "*shape"]]:
    """All that the forward pass reads: the parameters, and positions that are computed rather than learnt."""
    # In one order, whichever order the files have.
    parameters = dict(sorted(run[step].parameters.items()))
    config: Any = run.model_config
    if config.has_positions and "pos_embed.W_pos" not in parameters:
        parameters["pos_embed.W_pos"] = sinusoids(config.n_ctx, config.d_model).float()
    return parameters


def model_data(run: Run) -> dict[str, Any]:
    """The family's fields, and the sizes that follow from them."""
    config, shapes = run.model_config, run.model_config.parameter_shapes()
    heads = config.layer_heads
    return {
        **asdict(config),
        "kind": config.kind,
        "layers": len(heads or config.layer_neurons),
        "heads": heads[0] if heads else 0,
        "head_size": shapes["blocks.0.attn.W_Q"][2] if heads else 0,
        "neurons": config.layer_neurons,
        "width": config.stream_width,
        "columns": config.d_vocab_out,
        "tables": config.tables,
        "has_norms": config.has_norms,
    }


def table_data(run: Run) -> dict[str, Any]:
    """The rows, what is right in each, which were trained on, and the waves that can be taken out."""
    task = run.task
    width = task.inputs.shape[1]
    is_grid = task.operands.shape[1] == 2 and len(task.operations) == 1
    return {
        "rows": len(task.inputs),
        "width": width,
        "inputs": text_of_numbers(task.inputs),
        "labels": text_of_numbers(scored_labels(task)),
        "train": None if task.is_train is None else text_of_bits(task.is_train),
        "answers": task.n_answers,
        "position": task.positions[0] % width,
        "operands": text_of_numbers(task.operands) if is_grid else None,
        "sizes": task.sizes,
        **_waves(task, len(run.model_config.tables)),
    }


def _waves(task: Task, n_tables: int) -> dict[str, Any]:
    cycle = cycle_length(task)
    if not cycle:
        return {"waves": None, "why_no_waves": Cycle.why_not(task)}
    wave = Wave.of(task)
    waves = {
        "cycle": cycle,
        "tokens": list(range(cycle)) if wave is None else wave.tokens.tolist(),
        "blocks": [number_blocks(task, None if n_tables == 1 else column) for column in range(n_tables)],
        # One more than the place, so that a row off the cycle is 0.
        "index": None if wave is None else text_of_numbers(wave.index + 1),
    }
    return {"waves": waves, "why_no_waves": ""}


def example_row(task: Task) -> int:
    """The middle one of the rows that were not trained on: what is looked at before another is asked for."""
    rows = task.rows_held_out
    return int(rows[len(rows) // 2])


def curves_data(run: Run) -> dict[str, dict[str, Sequence[float]]]:
    """Loss and accuracy by step, where recorded; as many points as can be seen."""
    metrics, curves = run.metrics, {}
    for name in CURVES:
        if name not in metrics.columns:
            continue
        known = metrics[["step", name]].to_numpy(dtype=np.float64)
        known = known[np.isfinite(known).all(1)]
        if len(known) > 1:
            kept = np.unique(np.linspace(0, len(known) - 1, min(POINTS, len(known))).round().astype(int))
            points = known[kept]
            curves[name] = {"steps": points[:, 0].tolist(), "values": [float(f"{v:.4g}") for v in points[:, 1]]}
    return curves


def opening_of(run: Run) -> str:
    """The Python that opens the run, by its name alone: whoever is given the page has it elsewhere."""
    call = opening_call(run)
    return call if run.path is None else call.replace(repr(str(run.path)), repr(run.path.name))
