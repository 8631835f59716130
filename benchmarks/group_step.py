"""One training step of S_5 (40 % of 14,400 rows) with the MLP of Chughtai et al. 2023: ours, and its floor.

The floor is the time of the matrix products of the model as it is written down, embeddings concatenated (512) to 128
neurons to 120 answers, forward and both gradients. Folding the embeddings through the first layer leaves most of them
out. Both are timed in turn, round after round, so that the ratio holds on a machine whose speed drifts.

    python benchmarks/group_step.py [--rounds 15] [--json FILE]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from grokinterp.evaluation.processor import processor_settings
from grokinterp.training.planning import plan
from grokinterp.training.timing import fresh_trainer

REPEATS = 10


def our_step() -> Callable[[], None]:
    """The step of `gi.train("s5", preset="chughtai", frac=0.4)`: float64 loss, AdamW."""
    return fresh_trainer(*plan("s5", preset="chughtai", frac=0.4)).update


def floor_step() -> Callable[[], None]:
    """W and W_U on the 5,760 training rows: the product, and those of its two gradients."""
    n = int(0.4 * 120**2)
    layers = [(torch.randn(n, i), torch.randn(i, o), torch.randn(n, o)) for i, o in [(512, 128), (128, 120)]]

    def step() -> None:
        for x, W, d_out in layers:
            torch.mm(x, W), torch.mm(d_out, W.T), torch.mm(x.T, d_out)

    return step


def milliseconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    for _ in range(REPEATS):
        step()
    return (time.perf_counter() - start) / REPEATS * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with processor_settings(threads=None):
        steps = {"floor": floor_step(), "grokinterp": our_step()}
        for step in steps.values():
            milliseconds(step)  # a warm-up
        rounds = [{name: milliseconds(step) for name, step in steps.items()} for _ in range(options.rounds)]
        threads = torch.get_num_threads()
    ratios = [r["grokinterp"] / r["floor"] for r in rounds]
    figures = {
        "threads": threads,
        "torch": torch.__version__,
        "ms": {name: statistics.median(r[name] for r in rounds) for name in steps},
        "ratio": statistics.median(ratios),
        "rounds": len(rounds),
    }
    for name, ms in figures["ms"].items():
        print(f"{name:<20} {ms:8.2f} ms a step (median of {len(rounds)} rounds)")
    print(f"{'grokinterp / floor':<20} {figures['ratio']:8.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
