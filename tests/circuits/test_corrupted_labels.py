"""Corrupted labels: a network written down that knows the rule, one that remembers rows, and both at once."""

import math

import pytest
import torch

import grokinterp as gi
from grokinterp import circuits
from grokinterp.analysis.cycles import Wave
from grokinterp.circuits.corrupted_labels import RULE, CorruptedLabels
from grokinterp.circuits.ipr_pruning import IPRPruning, neuron_ipr
from grokinterp.config import NALUConfig, OneHotMLPConfig
from grokinterp.evaluation.snapshot import Snapshot

P, PHASES = 11, 7
TASK = gi.Task("a + b", p=P, layout="a b").split(frac=0.5, seed=0, corrupt=0.07)


def rule() -> tuple[torch.Tensor, torch.Tensor]:
    """Neurons (cos(w a + phi) + cos(w b + phi))^2 that write cos(w c + 2 phi), for every frequency: they add."""
    read, write = [], []
    for k in range(1, P // 2 + 1):
        for phase in range(PHASES):
            angle = 2 * math.pi / P * k * torch.arange(P) + 2 * math.pi * phase / PHASES
            read.append(angle.cos().repeat(2))
            write.append((angle + 2 * math.pi * phase / PHASES).cos())
    return torch.stack(read, 1), torch.stack(write)


def memory(strength: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A neuron for each corrupted row, 4 on it and at most 1 elsewhere, that writes the wrong answer taught of it."""
    rows = TASK.is_corrupted.nonzero().flatten()
    read = torch.zeros(2 * P, len(rows))
    for i, row in enumerate(rows):
        read[row // P, i], read[P + row % P, i] = 1, 1
    return read, strength * torch.nn.functional.one_hot(TASK.train_labels[rows], P).float()


def network(*parts: tuple[torch.Tensor, torch.Tensor]) -> Snapshot:
    read, write = torch.cat([part[0] for part in parts], 1), torch.cat([part[1] for part in parts])
    config = OneHotMLPConfig(combine="concatenate", d_mlp=read.shape[1], activation="square")
    return Snapshot(0, config.resolved(TASK.n_vocab, P, 2), TASK, {"blocks.0.mlp.W_in": read, "unembed.W_U": write})


STRENGTH = 6.0
"""Of a memory beside the rule: 24 on its own row, above what the rule says of it, and 6 elsewhere, below."""


def regime(snapshot: Snapshot) -> str:
    return CorruptedLabels().summarise(CorruptedLabels().read(snapshot).expand_dims("step"))["corruption_regime"]


def test_regimes_of_networks_written_down():
    """The rule alone refuses every wrong label; with a memory of them it has both; half of that memory is partial."""
    read, write = memory(STRENGTH)
    assert regime(network(rule())) == "full inversion"
    assert regime(network(rule(), (read, write))) == "coexistence"
    assert regime(network(rule(), (read[:, ::2], write[::2]))) == "partial inversion"
    alone = CorruptedLabels().read(network(rule()))
    assert alone.train_accuracy_corrected == alone.train_accuracy_clean == 1 and alone.train_accuracy_corrupted == 0
    off_by_one = CorruptedLabels().read(network((rule()[0], rule()[1].roll(1, 1))))
    assert alone.test_accuracy_clean == 1 and off_by_one.test_accuracy_clean == 0


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [((0.01, 1.0, 1.0), "memorisation"), ((0.01, 0.01, 0.01), "forgetting"), ((0.5, 1.0, 0.5), "none")],
)
def test_regimes_without_the_rule(accuracies, expected):
    assert RULE.regime(*accuracies) == expected


def test_waves_have_a_ratio_of_one_and_remembered_rows_of_all_waves():
    """One frequency in and out: 1. A single number in and out has every one of the five frequencies alike: 1/5."""
    snapshot = network(rule(), memory(STRENGTH))
    wave = Wave.of(TASK)
    n = rule()[0].shape[1]
    ratios = neuron_ipr(snapshot, wave)
    assert ratios[:n].tolist() == pytest.approx([1.0] * n) and ratios[n:].tolist() == pytest.approx(
        [2 / (P - 1)] * (len(ratios) - n)
    )


def test_a_neuron_that_reads_nothing_counts_what_it_writes_alone():
    """The ratio of a constant is 0, for a and for b: a third of the ratio of a single wave."""
    read, write = rule()
    read[:, 0] = 0
    found = neuron_ipr(network((read, write)), Wave.of(TASK))
    assert found[:2].tolist() == pytest.approx([1 / 3, 1])


def test_pruning_by_ratio_takes_the_memory_or_the_rule():
    """Without as many neurons as remember, lowest first, the rule alone; highest first, the memory lasts."""
    snapshot = network(rule(), memory(STRENGTH))
    n, remembering = rule()[0].shape[1], memory(STRENGTH)[0].shape[1]
    shares = (1.0, n / (n + remembering), remembering / (n + remembering))
    trace = IPRPruning(shares=shares).read(snapshot)
    lowest, highest = (trace.sel(order=f"{name} first") for name in ("lowest", "highest"))
    assert lowest.pruned_accuracy_corrupted.values.tolist()[:2] == [1, 0]
    assert lowest.pruned_accuracy_test.values.tolist()[:2] == [1, 1]
    assert highest.pruned_accuracy_corrupted.values[2] == 1 and highest.pruned_accuracy_test.values[2] < 0.5


def test_without_corrupted_rows_it_does_not_apply():
    """The circuit says so; pruning waits to be asked for."""
    clean = gi.Task("a + b", p=P, layout="a b").split(frac=0.5, seed=0)
    snapshot = network(rule())
    assert "taught a wrong answer" in CorruptedLabels().why_not(
        Snapshot(0, snapshot.config, clean, snapshot.parameters)
    )
    assert circuits.registered()["ipr_pruning"].only_on_request


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ((0.95, 0.95, 0.9), "coexistence"),
        ((0.95, 0.95, 0.899), "partial inversion"),
        ((0.95, 0.95, 0.051), "partial inversion"),
        ((0.95, 0.95, 0.05), "full inversion"),
        ((0.949, 0.95, 0.05), "none"),
        ((0.95, 0.949, 1.0), "none"),
        ((0.949, 0.95, 0.95), "memorisation"),
        ((0.949, 0.95, 0.949), "none"),
        ((0.949, 0.949, 0.95), "none"),
        ((0.1, 0.1, 0.9), "forgetting"),
        ((0.101, 0.1, 0.9), "none"),
        ((0.1, 0.101, 0.9), "none"),
    ],
)
def test_each_regime_turns_at_its_threshold(accuracies, expected):
    """Accuracies on test, clean and corrupted rows, on either side of .95, .9, .05 and .1."""
    assert RULE.regime(*accuracies) == expected


def test_the_random_order_is_the_seeds_and_the_first_neurons_go_first():
    """By hand for one share of each order: what is left of the accuracy without these neurons."""
    snapshot = network(rule(), memory(STRENGTH))
    ratios = neuron_ipr(snapshot, Wave.of(TASK))
    found = IPRPruning(shares=(0.7,), seed=3).read(snapshot)
    orders = {
        "lowest first": ratios.argsort(stable=True),
        "highest first": ratios.argsort(stable=True).flip(0),
        "random": torch.randperm(len(ratios), generator=torch.Generator().manual_seed(3)),
    }
    post, W_U = snapshot["blocks.0.mlp.hook_post"], snapshot.parameters["unembed.W_U"]
    clean = TASK.is_train & ~TASK.is_corrupted
    for name, order in orders.items():
        left = order[len(order) - round(0.7 * len(order)) :]
        guess = (post[:, left] @ W_U[left]).argmax(1)
        for side, rows, labels in (
            ("test", ~TASK.is_train, TASK.labels),
            ("clean", clean, TASK.labels),
            ("corrupted", TASK.is_corrupted, TASK.train_labels),
        ):
            right = (guess == labels)[rows].double().mean().item()
            assert found[f"pruned_accuracy_{side}"].sel(order=name, kept=0.7).item() == pytest.approx(right)


def test_pruning_is_of_the_one_layer_that_is_read_out(planted):
    """Two layers, one without pre-activations, no wave, no split: each has its reason."""
    why = lambda snapshot: IPRPruning().why_not(snapshot) or ""
    task = gi.Task("a + b", p=7).split(0.5)
    assert "the model has 2" in why(planted.noise(task, n_layers=2))
    numbers = gi.Task("division", n=4, form="numbers").split(0.5)
    cells = NALUConfig(hidden_sizes=()).resolved(1, 1, 2)
    assert "the model has 1" in why(Snapshot(0, cells, numbers, {}))
    assert "no sum of operands" in why(planted.untrained(p=7, expression="a^2 + b^2"))
    assert "no split" in why(planted.noise(gi.Task("a + b", p=7)))
    assert not why(planted.noise(task))
