"""`DenseMLP`: hidden layers on rows of numbers as they are; hook names after the embedding MLP's."""

from collections.abc import Mapping
from types import SimpleNamespace

import torch.nn as nn
from jaxtyping import Float
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from grokinterp.architecture import DenseMLPConfig
from grokinterp.models.blocks import Unembed
from grokinterp.models.embedding_mlp import HiddenLayer, Layer
from grokinterp.models.hooked import HookedModule
from grokinterp.refusals import BadRequest


class DenseMLP(HookedModule[DenseMLPConfig]):
    """Rows of numbers -> hidden layers -> logits. Arguments as `HookedModule`'s.

    Hooks: `hook_combined` [batch 1 d_in] (the row), `blocks.i.mlp.hook_pre` and `hook_post` [batch 1 width].
    """

    tables: tuple[str, ...] = ()
    """It has no embeddings."""

    def assemble(self, config: DenseMLPConfig, parameters: Mapping[str, Tensor]) -> None:
        self.hook_combined = HookPoint()
        self.blocks = nn.ModuleList(
            Layer(HiddenLayer(config, parameters, f"blocks.{i}.mlp.")) for i in range(len(config.hidden_sizes))
        )
        self.unembed = Unembed(parameters)

    def forward(self, rows: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch 1 d_vocab_out"]:
        """Logits, at one position, so that `logits[:, -1]` reads the answer of any model.

        Raises `BadRequest` unless each row has `d_in` numbers.
        """
        if rows.shape[1] != self.config.d_in:
            raise BadRequest(
                f"the model reads rows of {self.config.d_in} numbers and was given {rows.shape[1]}; "
                "give those of its task, task.inputs"
            )
        x = self.hook_combined(rows.to(self.W_U.dtype)[:, None])
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    @property
    def cfg(self) -> SimpleNamespace:
        """The sizes that TransformerLens' `ActivationCache` asks for."""
        return SimpleNamespace(
            n_layers=len(self.config.hidden_sizes),
            n_heads=0,
            n_key_value_heads=None,
            d_model=self.config.d_in,
            d_mlp=self.config.hidden_sizes[0],
            attn_only=False,
            normalization_type=None,
            act_fn=self.config.activation,
            d_vocab_out=self.config.d_vocab_out,
            n_ctx=1,
            device=str(self.W_U.device),
            dtype=self.W_U.dtype,
        )

    @property
    def W_U(self) -> Float[Tensor, "width d_vocab_out"]:
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, "d_vocab_out"]:
        """Zeros where the unembedding has no bias."""
        return self.unembed.bias
