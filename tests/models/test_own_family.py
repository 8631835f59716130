"""A family in a package of one's own: two files and an entry point, and all that reads the contract works on it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import grokinterp as gi
from grokinterp.config import MODEL_CONFIGS

CONFIG = '''"""Hadamard: embeddings multiplied with each other, read through a matrix."""

from dataclasses import dataclass
from typing import ClassVar

from grokinterp.config.family import Output, TokenConfig


@dataclass(frozen=True)
class HadamardConfig(TokenConfig):
    kind: ClassVar[str] = "hadamard"
    module: ClassVar[str] = "hadamard.model:Hadamard"
    width: int = 16
    output: Output = "answers"
    init_scale: float = 1.0
    d_vocab: int | None = None
    d_vocab_out: int | None = None
    n_ctx: int | None = None
    layer_neurons = property(lambda self: (self.width,))
    activation_names = property(lambda self: ["blocks.0.mlp.hook_post"])

    def parameter_shapes(self):
        return {"embed.W_E": (self.d_vocab, self.width), "unembed.W_U": (self.width, self.d_vocab_out)}
'''

MODULE = '''"""Its hooks: `hook_embed`, and the products as neurons."""

from torch import nn
from transformer_lens.hook_points import HookPoint

from grokinterp.models.blocks import Embed, Unembed
from grokinterp.models.hooked import HookedModule
from grokinterp.models.mlp import Layer


class Product(nn.Module):
    def __init__(self):
        super().__init__()
        self.hook_post = HookPoint()

    def forward(self, x):
        return self.hook_post(x.prod(1, keepdim=True))


class Hadamard(HookedModule):
    def assemble(self, config, parameters):
        self.embed, self.hook_embed, self.unembed = Embed(parameters), HookPoint(), Unembed(parameters)
        self.blocks = nn.ModuleList([Layer(Product())])

    def forward(self, tokens):
        return self.unembed(self.blocks[0](self.hook_embed(self.embed(tokens))))
'''


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder on the path that holds the package and, as an installer would leave it, its entry point."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "hadamard").mkdir()
    (folder / "hadamard/config.py").write_text(CONFIG)
    (folder / "hadamard/model.py").write_text(MODULE)
    meta = folder / "hadamard-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: hadamard\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[grokinterp.families]\nhadamard = hadamard.config:HadamardConfig\n")
    return folder


@pytest.fixture(scope="module")
def run(installed):
    """200 steps of it on a + b mod 7."""
    before = set(MODEL_CONFIGS)
    sys.path.insert(0, str(installed))
    try:
        from hadamard.config import HadamardConfig  # type: ignore[import-not-found]

        task = gi.Task("a + b", p=7, layout="a b")
        schedule = {"steps": 200, "checkpoint_every": 100, "metrics_every": 50, "batch_size": None, "progress": False}
        yield gi.train(task, model=HadamardConfig(width=8), out=installed / "run", frac=0.8, **schedule)
    finally:
        sys.path.remove(str(installed))
        for kind in set(MODEL_CONFIGS) - before:
            del MODEL_CONFIGS[kind]


def logits(run, *without: int) -> torch.Tensor:
    """By the formula (E_a * E_b) U, some of the products left out."""
    W_E, W_U = run.final.parameters["embed.W_E"], run.final.parameters["unembed.W_U"]
    a, b = run.task.operands.T
    products = W_E[a] * W_E[b]
    products[:, list(without)] = 0
    return products @ W_U


def test_it_trains(run):
    """The loss falls below that of a guess, ln 7; two runs' identities tell the widths apart."""
    losses = run.metrics["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0] and losses.iloc[-1] < 1.9
    assert run.config.replace(width=4).identity != run.config.identity


def test_it_is_evaluated_and_measured(run):
    """Logits and what circuits read off them are those of its formula; what needs attention is left out by name."""
    torch.testing.assert_close(run.final.model()(run.task.inputs)[:, -1], logits(run))
    trace = gi.measure(run)
    assert trace.sizes["step"] == 3 and "attention_pattern" not in trace
    right = logits(run).argmax(1) == run.task.answer_labels
    recorded = run.metrics["train_accuracy"].iloc[-1]
    assert recorded == pytest.approx(right[run.task.is_train].double().mean().item())
    assert trace["neuron_frequency"].sizes["neuron"] == 8


def test_parts_of_it_are_taken_out(run):
    """With hooks, and as the ablation circuit does; parts that it does not have are refused."""
    model = run.final.model()
    with gi.ablate(model, neurons=[(0, 3)]):
        torch.testing.assert_close(model(run.task.inputs)[:, -1], logits(run, 3))
    trace = gi.measure(run, circuits=["ablation"], steps=[200])
    assert trace["component"].values.tolist() == ["none", "mlp"]
    assert trace["loss_without_component"].sel(component="mlp").item() == pytest.approx(torch.tensor(7.0).log().item())
    with pytest.raises(ValueError, match="this hadamard has no attention heads"):
        gi.ablate(model, heads=[(0, 0)])


def test_it_is_reported(run, tmp_path):
    """The page says what it is."""
    gi.report(run, tmp_path / "page.html")
    assert "The model is a hadamard." in (tmp_path / "page.html").read_text()


def test_another_process_loads_it(run, installed):
    """It finds the family by its entry point, without an import of its own."""
    program = "import grokinterp as gi, sys; run = gi.load(sys.argv[1]); print(run.final.model().config)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(installed / "run")],
        env={"PYTHONPATH": str(installed), "PATH": "", "HOME": str(installed)},
        capture_output=True,
        text=True,
    )
    assert "HadamardConfig(width=8" in done.stdout, done.stderr
