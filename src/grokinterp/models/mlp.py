"""`EmbeddingMLP`, `OneHotMLP`, `DenseMLP`: hidden layers behind embeddings, on one-hots or on numbers.

Hook names are after the transformer's.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TypeAlias, TypeVar

import torch
import torch.nn as nn
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from grokinterp.config.family import NumberConfig
from grokinterp.config.mlp import DenseMLPConfig, EmbeddingMLPConfig, SummedConfig
from grokinterp.config.one_hot import OneHotMLPConfig
from grokinterp.errors import BadRequest
from grokinterp.models.blocks import Embed, Unembed, look_up
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.models.hooked import HookedModule, adopt

HiddenConfig: TypeAlias = EmbeddingMLPConfig | DenseMLPConfig | OneHotMLPConfig
MLP = TypeVar("MLP", EmbeddingMLPConfig, DenseMLPConfig, OneHotMLPConfig)
OperandMLP = TypeVar("OperandMLP", EmbeddingMLPConfig, OneHotMLPConfig)


class HiddenLayer(nn.Module):
    """act(x W_in + n_copies b_in), with `hook_pre` and `hook_post` [batch 1 width]."""

    W_in: nn.Parameter

    def __init__(self, config: HiddenConfig, parameters: Mapping[str, Tensor], prefix: str, n_copies: int = 1):
        super().__init__()
        adopt(self, parameters, prefix)
        self.b_in = getattr(self, "b_in", None)
        self.n_copies = n_copies
        self.activation = ACTIVATIONS[config.activation]
        self.hook_pre = HookPoint()
        self.hook_post = HookPoint()

    def forward(self, x: Float[Tensor, "batch 1 d_in"]) -> Float[Tensor, "batch 1 width"]:
        bias = self.b_in if self.b_in is None or self.n_copies == 1 else self.b_in * self.n_copies
        return self.hook_post(self.activation(self.hook_pre(F.linear(x, self.W_in.T, bias))))


class Layer(nn.Module):
    """What makes a hidden layer's names `blocks.i.mlp.hook_post`, as in a transformer."""

    def __init__(self, mlp: nn.Module):
        super().__init__()
        self.mlp = mlp

    def forward(self, x: Float[Tensor, "batch position d_in"]) -> Float[Tensor, "batch 1 width"]:
        return self.mlp(x)


class HiddenLayers(HookedModule[MLP]):
    """A model of hidden layers, `blocks`, and an unembedding behind them."""

    unembed: Unembed

    def _assemble_layers(self, config: HiddenConfig, parameters: Mapping[str, Tensor], n_copies: int = 1) -> None:
        """Make the layers and the unembedding; the first layer counts its bias `n_copies` times."""
        self.blocks = nn.ModuleList(
            Layer(HiddenLayer(config, parameters, f"blocks.{i}.mlp.", n_copies if i == 0 else 1))
            for i in range(len(config.layer_neurons))
        )
        self.unembed = Unembed(parameters)

    def _through_layers(self, x: Float[Tensor, "batch 1 d_in"]) -> Float[Tensor, "batch 1 d_vocab_out"]:
        """Through all layers and the unembedding."""
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    @property
    def cfg(self) -> SimpleNamespace:
        return SimpleNamespace(**{**vars(super().cfg), "act_fn": self.config.activation})

    @property
    def W_U(self) -> Float[Tensor, "width d_vocab_out"]:
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, "d_vocab_out"]:
        """Zeros where the unembedding has no bias."""
        return self.unembed.bias


def check_operands(config: SummedConfig, tokens: Int[Tensor, "batch operand"]) -> None:
    """Raise `BadRequest` unless there is one token for each operand."""
    if tokens.shape[1] != config.n_ctx:
        raise BadRequest(
            f"the model reads {config.n_ctx} operands and was given {tokens.shape[1]} tokens; "
            "use the layout of its task, such as 'a b'"
        )


def check_numbers(config: NumberConfig, rows: Float[Tensor, "batch number"]) -> None:
    """Raise `BadRequest` unless each row has as many numbers as the model reads."""
    if rows.shape[1] != config.d_in:
        raise BadRequest(
            f"the model reads rows of {config.d_in} numbers and was given {rows.shape[1]}; "
            "give those of its task, task.inputs"
        )


class OperandLayers(HiddenLayers[OperandMLP]):
    """Hidden layers on what stands for each operand's token, added or side by side."""

    hook_embed: HookPoint
    hook_combined: HookPoint

    def forward(self, tokens: Int[Tensor, "batch operand"]) -> Float[Tensor, "batch 1 d_vocab_out"]:
        """Logits, at one position, so that `logits[:, -1]` reads the answer of any model.

        Raises `BadRequest` unless there is one token for each operand.
        """
        check_operands(self.config, tokens)
        x = self.hook_embed(self._embedded(tokens))
        x = x.flatten(1) if self.config.combine == "concatenate" else x.sum(1)
        return self._through_layers(self.hook_combined(x[:, None]))

    def _embedded(self, tokens: Int[Tensor, "batch operand"]) -> Float[Tensor, "batch operand d"]:
        raise NotImplementedError


class EmbeddingMLP(OperandLayers[EmbeddingMLPConfig]):
    """Embeddings of the operands -> combined -> hidden layers -> logits. Arguments as `HookedModule`'s.

    Hooks: `hook_embed` [batch operand d_embed], `hook_combined` [batch 1 d_in] (concatenated in operand order, or
    summed), `blocks.i.mlp.hook_pre` and `hook_post` [batch 1 width]. `combine="project_then_add"` (Zhong et al.'s
    type C) projects each embedding and adds the results: the same function, and gradient, as projecting the sum
    with the bias counted once for each operand, which is how it is computed.
    """

    embed: Embed

    def assemble(self, config: EmbeddingMLPConfig, parameters: Mapping[str, Tensor]) -> None:
        assert config.n_ctx is not None
        for table in config.tables:
            self.add_module(table, Embed(parameters, f"{table}."))
        self.hook_embed, self.hook_combined = HookPoint(), HookPoint()
        n_copies = config.n_ctx if config.combine == "project_then_add" else 1
        self._assemble_layers(config, parameters, n_copies)

    def _embedded(self, tokens: Int[Tensor, "batch operand"]) -> Float[Tensor, "batch operand d"]:
        tables = [self.get_submodule(name) for name in self.config.tables]
        if len(tables) == 1:
            return tables[0](tokens)
        return torch.stack([table(tokens[:, i]) for i, table in enumerate(tables)], dim=1)

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d"]:
        """The shared table, or the first operand's own (the second's is `model.embed_b.W_E`)."""
        return self.embed.W_E


class OneHot(nn.Module):
    """The row of an identity for each token: an embedding that nothing trains, in the place of one."""

    W_E: Tensor
    scale = 1.0

    def __init__(self, like: Tensor, d_vocab: int):
        super().__init__()
        self.register_buffer("W_E", torch.eye(d_vocab, dtype=like.dtype, device=like.device), persistent=False)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch d_vocab"]:
        return look_up(self.W_E, tokens)


class OneHotMLP(OperandLayers[OneHotMLPConfig]):
    """One-hots of the operands -> combined -> neurons -> logits. Arguments as `HookedModule`'s.

    Hooks: `hook_embed` [batch operand d_vocab] (the one-hots), `hook_combined` [batch 1 d_in] (their sum, or side by
    side), `blocks.0.mlp.hook_pre` and `hook_post` [batch 1 d_mlp].
    """

    embed: OneHot

    def assemble(self, config: OneHotMLPConfig, parameters: Mapping[str, Tensor]) -> None:
        self.embed = OneHot(parameters["unembed.W_U"], config.sizes[0])
        self.hook_embed, self.hook_combined = HookPoint(), HookPoint()
        self._assemble_layers(config, parameters)

    def _embedded(self, tokens: Int[Tensor, "batch operand"]) -> Float[Tensor, "batch operand d_vocab"]:
        return self.embed(tokens)


class DenseMLP(HiddenLayers[DenseMLPConfig]):
    """Rows of numbers -> hidden layers -> logits. Arguments as `HookedModule`'s.

    Hooks: `hook_combined` [batch 1 d_in] (the row), `blocks.i.mlp.hook_pre` and `hook_post` [batch 1 width].
    """

    def assemble(self, config: DenseMLPConfig, parameters: Mapping[str, Tensor]) -> None:
        self.hook_combined = HookPoint()
        self._assemble_layers(config, parameters)

    def forward(self, rows: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch 1 d_vocab_out"]:
        """Logits, at one position, so that `logits[:, -1]` reads the answer of any model.

        Raises `BadRequest` unless each row has `d_in` numbers.
        """
        check_numbers(self.config, rows)
        return self._through_layers(self.hook_combined(rows.to(self.W_U.dtype)[:, None]))
