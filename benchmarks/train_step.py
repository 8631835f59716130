"""One training step of modular addition (p = 113, 30 %): ours, TransformerLens' grokking demo's, and the floor.

The floor is the time of the step's matrix products alone (one token position, forward and both gradients). Each
contender has a process of its own, with the processor settings that it would have in use; they are timed in turn,
round after round, so that the ratios hold on a machine whose speed drifts.

    python benchmarks/train_step.py [--rounds 15] [--json FILE]
"""

import argparse
import contextlib
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from grokinterp.evaluation.processor import processor_settings
from grokinterp.training.planning import plan
from grokinterp.training.timing import fresh_trainer

P, D_MODEL, D_MLP = 113, 128, 512


def our_step(device: str) -> Callable[[], None]:
    """The step of the preset `transformer_lens_demo`: the demo's own task, sizes, split and recipe."""
    return fresh_trainer(*plan("a + b", preset="transformer_lens_demo"), device).update


def demo_step(device: str) -> Callable[[], None]:
    """The demo's training step: the whole model at all positions, float64 loss at the last, AdamW."""
    _, task = plan("a + b", preset="transformer_lens_demo")
    bridge = TransformerBridge.boot_native(
        TransformerBridgeConfig(
            n_layers=1, n_heads=4, d_model=D_MODEL, d_head=32, d_mlp=D_MLP, act_fn="relu", normalization_type=None,
            d_vocab=P + 1, d_vocab_out=P, n_ctx=3, seed=999, architecture="TransformerLensNative",
        ),
        device=device,
    )  # fmt: skip
    for name, parameter in bridge.named_parameters():
        if name.endswith("bias"):
            parameter.requires_grad = False
    optimiser = torch.optim.AdamW(bridge.parameters(), lr=1e-3, weight_decay=1.0, betas=(0.9, 0.98))
    inputs, labels = task.inputs[task.is_train].to(device), task.labels[task.is_train].to(device)

    def step() -> None:
        logits = bridge(inputs)[:, -1].to(torch.float64)
        loss = -logits.log_softmax(-1).gather(-1, labels[:, None])[:, 0].mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def floor_step(device: str) -> Callable[[], None]:
    """W_O, W_in, W_out and W_U on the 3,830 training rows: the product, and those of its two gradients."""
    n = int(0.3 * P * P)
    sizes = [(D_MODEL, D_MODEL), (D_MODEL, D_MLP), (D_MLP, D_MODEL), (D_MODEL, P)]
    layers = [
        (torch.randn(n, i, device=device), torch.randn(i, o, device=device), torch.randn(n, o, device=device))
        for i, o in sizes
    ]

    def step() -> None:
        for x, W, d_out in layers:
            torch.mm(x, W), torch.mm(d_out, W.T), torch.mm(x.T, d_out)

    return step


def contend(name: str, device: str, pipe: Connection) -> None:
    """A contender's process: makes its step, then answers each number of repeats with milliseconds a call."""
    make = {"floor": floor_step, "grokinterp": our_step, "TransformerLens": demo_step}[name]
    settings = contextlib.nullcontext() if name == "TransformerLens" else processor_settings(threads=None)
    with settings:
        step = make(device)
        pipe.send(torch.get_num_threads())
        while repeats := pipe.recv():
            start = time.perf_counter()
            for _ in range(repeats):
                step()
            if device == "cuda":
                torch.cuda.synchronize()
            pipe.send((time.perf_counter() - start) / repeats * 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    context = multiprocessing.get_context("spawn")
    repeats = {"floor": 4, "grokinterp": 4, "TransformerLens": 1}
    pipes = {}
    for name in repeats:
        pipes[name], theirs = context.Pipe()
        context.Process(target=contend, args=(name, device, theirs), daemon=True).start()
    threads = {name: pipe.recv() for name, pipe in pipes.items()}

    def milliseconds(name: str) -> float:
        pipes[name].send(repeats[name])
        return pipes[name].recv()

    for name in repeats:
        milliseconds(name)  # a warm-up
    rounds = [{name: milliseconds(name) for name in repeats} for _ in range(options.rounds)]
    for pipe in pipes.values():
        pipe.send(0)
    ratios = {
        "grokinterp / floor": [r["grokinterp"] / r["floor"] for r in rounds],
        "TransformerLens / grokinterp": [r["TransformerLens"] / r["grokinterp"] for r in rounds],
    }
    figures = {
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine(),
        "threads": threads["grokinterp"],
        "torch": torch.__version__,
        "ms": {name: statistics.median(r[name] for r in rounds) for name in repeats},
        "ratio": {name: statistics.median(values) for name, values in ratios.items()},
        "rounds": len(rounds),
    }
    for name, ms in figures["ms"].items():
        print(f"{name:<32} {ms:8.2f} ms a step (median of {len(rounds)} rounds)")
    for name, ratio in figures["ratio"].items():
        print(f"{name:<32} {ratio:8.2f} (from {min(ratios[name]):.2f} to {max(ratios[name]):.2f})")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
