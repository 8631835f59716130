"""The TransformerLens demo's progress measures over a run's checkpoints: ours, and as the demo computes them.

The list is fixed: restricted and excluded loss (from MLP activations), the 56 coefficients of cos(w(a+b-c)), and every
neuron's share in one frequency. The demo's way is `run_with_cache` of TransformerLens' own model at every checkpoint
for every measure (its `get_metrics`), one projection a frequency and chunks of the cos cube; the second figure lets
one evaluation serve all its measures. Neither side keeps anything on disk, and both must give the same numbers. Then
the time of `measure` with all default variables, its peak memory, and the processor's milliseconds by circuit on one
thread, beside those of the one product that no evaluation is without: the neurons of all rows through W_out W_U.

    python benchmarks/measure_run.py runs/add [--sample 8] [--json FILE]
"""

import argparse
import json
import math
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

import grokinterp as gi
from grokinterp import fourier
from grokinterp.evaluation.lazy import padded
from grokinterp.evaluation.processor import processor_settings
from grokinterp.measuring.choosing import choose
from grokinterp.measuring.reading import snapshot_of
from grokinterp.runs.run import Run


def demo_measures(run: Run, bridge: Any, weights: Any, key: list[int], share: bool = False) -> dict[str, Any]:
    """The demo's measures on one checkpoint, with its shapes and its order of work.

    `bridge` is the checkpoint as TransformerLens' own model, which the demo runs, and `weights` the same as ours. The
    demo's `get_metrics` evaluates the model once for each measure; with `share` a single evaluation serves all.
    """
    p = run.task.parameters["p"]
    labels, train = run.task.labels, run.task.is_train
    W_L = weights.W_out[0] @ weights.W_U[:, :p]
    a, b, c = torch.arange(p)[:, None], torch.arange(p)[None], torch.arange(p)

    def evaluate() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        logits, cache = bridge.run_with_cache(run.task.inputs)
        neurons, resid_mid = cache["blocks.0.mlp.hook_post"], cache["blocks.0.hook_resid_mid"]
        return logits[:, -1, :p], neurons[:, -1], resid_mid[:, -1]

    def key_waves(neurons: torch.Tensor) -> torch.Tensor:
        kept = torch.zeros_like(neurons)
        for k in key:
            for wave in (torch.cos, torch.sin):
                direction = wave(2 * math.pi * k * (a + b) / p).reshape(-1, 1)
                direction = direction / direction.norm()
                kept += (neurons * direction).sum(0) * direction
        return kept

    def restricted_loss() -> float:
        logits, neurons, _ = read()
        restricted = (neurons.mean(0) + key_waves(neurons)) @ W_L
        restricted = restricted + (logits - restricted).mean(0)
        return F.cross_entropy(restricted[~train].double(), labels[~train]).item()

    def excluded_loss() -> float:
        _, neurons, resid_mid = read()
        left = (neurons - key_waves(neurons)) @ W_L + (resid_mid + weights.b_out[0]) @ weights.W_U[:, :p]
        return F.cross_entropy(left[train].double(), labels[train]).item()

    def coefficients() -> np.ndarray:
        logits, found = read()[0], []
        for k in range(1, p // 2 + 1):
            cube = torch.cos(2 * math.pi * k * ((a + b).flatten()[:, None] - c) / p)
            found.append((cube * logits).sum() / cube.norm())
        return torch.stack(found).numpy()

    def shares() -> np.ndarray:
        neurons, rows = read()[1], fourier.basis(p).float()
        grid = torch.einsum("abm,fa,gb->fgm", neurons.reshape(p, p, -1), rows, rows)
        grid[0, 0] = 0
        total, found = grid.square().sum((0, 1)), []
        for k in range(1, p // 2 + 1):
            block = grid[[0, 2 * k - 1, 2 * k]][:, [0, 2 * k - 1, 2 * k]]
            found.append(block.square().sum((0, 1)) / total)
        return torch.stack(found).amax(0).nan_to_num(0).numpy()  # dead neurons

    with torch.no_grad():
        once = evaluate() if share else None
        read = evaluate if once is None else lambda: once
        return {
            "restricted_loss_mlp": restricted_loss(),
            "excluded_loss_mlp": excluded_loss(),
            "logit_coefficient": coefficients(),
            "neuron_fve": shares(),
        }


def by_circuit(run: Run, steps: list[int], rounds: int) -> dict[str, float]:
    """Milliseconds of processor time a checkpoint on one thread, medians: floor, evaluation, each default circuit."""
    times: dict[str, list[float]] = {}

    def timed(name: str, compute: Callable[[], object]) -> None:
        start = time.process_time()
        compute()
        times.setdefault(name, []).append((time.process_time() - start) * 1e3)

    final = snapshot_of(run, run.final.step)
    circuits = [circuit.fit(final) for circuit in choose(None, frozenset()) if not circuit.why_not(final)]
    neurons, W_L = final["blocks.0.mlp.hook_post"], padded(final.W_L)
    with processor_settings(threads=1):
        for step in steps * (rounds + 1):
            snapshot = snapshot_of(run, step)
            timed("floor: neurons through W_out W_U", lambda: neurons @ W_L)
            timed("evaluation", lambda snapshot=snapshot: snapshot.columns)
            for circuit in circuits:
                timed(circuit.name, lambda snapshot=snapshot, circuit=circuit: circuit.read(snapshot))
    return {name: statistics.median(each[len(steps) :]) for name, each in times.items()}  # the first round warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run of a + b (one-layer transformer), p = 113 to be comparable")
    parser.add_argument("--sample", type=int, default=8, help="checkpoints on which the two are compared")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side measures them")
    parser.add_argument("--skip-whole", action="store_true", help="leave out the run of all checkpoints")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    run = gi.load(options.run)
    assert isinstance(run, Run)
    steps = [run.steps[round(i)] for i in np.linspace(0, len(run) - 1, options.sample)]
    key = gi.measure(run, ["progress"], steps=[run.steps[-1]], cache=False, progress=False).attrs["key_frequencies"]
    key = [int(k) for k in np.atleast_1d(key)]
    # The key frequencies are given to both sides.
    fixed = [gi.circuits.progress.Progress(frequencies=tuple(key)), "logits", "neurons"]
    models = [run[step].model() for step in steps]
    bridges = [model.to_bridge() for model in models]
    gi.measure(run, fixed, steps=steps, cache=False, progress=False)
    demo_measures(run, bridges[0], models[0], key)

    ours, theirs, shared = [], [], []
    for _ in range(options.rounds):  # in turn, so that the ratio holds on a machine whose speed drifts
        start = time.perf_counter()
        mine = gi.measure(run, fixed, steps=steps, cache=False, progress=False)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        demo = [demo_measures(run, *models, key) for models in zip(bridges, models, strict=True)]
        theirs.append(time.perf_counter() - start)
        start = time.perf_counter()
        for models_of_step in zip(bridges, models, strict=True):
            demo_measures(run, *models_of_step, key, share=True)
        shared.append(time.perf_counter() - start)
    for i, measured in enumerate(demo):
        for name, value in measured.items():
            # The demo adds up 1.4 million float32 terms: what cancels is left with their rounding.
            rounding = 1e-4 * (1 + np.abs(value).max())
            found = mine[name].isel(step=i).values.squeeze()
            np.testing.assert_allclose(found, value, rtol=1e-3, atol=rounding, err_msg=name)
    figures: dict[str, Any] = {
        "checkpoints compared": len(steps),
        "ms a checkpoint, the demo's way": statistics.median(theirs) / len(steps) * 1e3,
        "ms a checkpoint, the demo's way with one evaluation": statistics.median(shared) / len(steps) * 1e3,
        "ms a checkpoint, grokinterp": statistics.median(ours) / len(steps) * 1e3,
        "ratio": statistics.median(theirs[i] / ours[i] for i in range(options.rounds)),
        "ratio, with one evaluation": statistics.median(shared[i] / ours[i] for i in range(options.rounds)),
        "threads": torch.get_num_threads(),
    }
    alone = by_circuit(run, steps, options.rounds)
    figures |= {f"one thread, processor ms: {name}": ms for name, ms in alone.items()}
    figures["one thread, processor ms: all circuits"] = sum(alone.values()) - alone["floor: neurons through W_out W_U"]
    if not options.skip_whole:
        start = time.perf_counter()
        trace = gi.measure(run, cache=False)
        figures["checkpoints, all default variables"] = len(run)
        figures["seconds, all default variables"] = time.perf_counter() - start
        figures["variables"] = len(trace.data_vars)
        figures["peak memory GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    for name, value in figures.items():
        print(f"{name:<60} {value:.4g}" if isinstance(value, float) else f"{name:<60} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
