"""`NALU`: neural arithmetic logic units (Trask et al. 2018), which extrapolate where neurons do not."""

from collections.abc import Mapping

import torch.nn as nn
from jaxtyping import Float
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from grokinterp.config import NALUConfig
from grokinterp.models.hooked import HookedModule, adopt
from grokinterp.models.mlp import Layer, check_numbers


class Cells(nn.Module):
    """One layer: W = tanh(W_hat) sigmoid(M_hat), which rests near -1, 0 and 1 (Trask et al. 2018, eq. 1-2).

    NAC: x W. NALU: g (x W) + (1 - g) exp(log(|x| + epsilon) W), g = sigmoid(x G). Our orientation: [inputs cells].
    Hooks: `hook_add` and `hook_multiply` [batch 1 cell], the two halves, `hook_gate` g, `hook_post` the output.
    """

    W_hat: nn.Parameter
    M_hat: nn.Parameter
    G: nn.Parameter

    def __init__(self, config: NALUConfig, parameters: Mapping[str, Tensor], prefix: str):
        super().__init__()
        adopt(self, parameters, prefix)
        self.eps = config.cell_eps
        self.is_nac = config.cell == "nac"
        self.hook_add, self.hook_post = HookPoint(), HookPoint()
        if not self.is_nac:
            self.hook_multiply, self.hook_gate = HookPoint(), HookPoint()

    @property
    def W(self) -> Float[Tensor, "number cell"]:
        """The weights as they act, between -1 and 1."""
        return self.W_hat.tanh() * self.M_hat.sigmoid()

    def forward(self, x: Float[Tensor, "batch 1 number"]) -> Float[Tensor, "batch 1 cell"]:
        added = self.hook_add(x @ self.W)
        if self.is_nac:
            return self.hook_post(added)
        multiplied = self.hook_multiply(((x.abs() + self.eps).log() @ self.W).exp())
        gate = self.hook_gate((x @ self.G).sigmoid())
        return self.hook_post(gate * added + (1 - gate) * multiplied)


class NALU(HookedModule[NALUConfig]):
    """Numbers -> layers of cells -> numbers. Arguments as `HookedModule`'s.

    Hooks: `hook_combined` [batch 1 d_in] (the row), `blocks.i.mlp.hook_post` [batch 1 cell] and those of `Cells`.
    """

    def assemble(self, config: NALUConfig, parameters: Mapping[str, Tensor]) -> None:
        self.hook_combined = HookPoint()
        self.blocks = nn.ModuleList(
            Layer(Cells(config, parameters, f"blocks.{i}.mlp.")) for i in range(len(config.layer_neurons))
        )

    def forward(self, rows: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch 1 d_vocab_out"]:
        """The numbers it answers, at one position. Raises `BadRequest` unless each row has `d_in` numbers."""
        check_numbers(self.config, rows)
        x = self.hook_combined(rows.to(next(self.parameters()).dtype)[:, None])
        for block in self.blocks:
            x = block(x)
        return x
