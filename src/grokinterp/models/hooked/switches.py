"""What the models of blocks share: TransformerLens' switches of hooks that cost memory."""

import torch.nn as nn
from transformer_lens.config import TransformerBridgeConfig

from grokinterp.config.validation import checks_switches
from grokinterp.models.hooked.module import Config, HookedModule


class Switches(HookedModule[Config]):
    """A model of blocks that share one TransformerLens config, `_cfg`, whose `use_*` flags take effect at once."""

    _cfg: TransformerBridgeConfig
    blocks: nn.ModuleList

    @property
    def cfg(self) -> TransformerBridgeConfig:
        """The sizes of the blocks in TransformerLens' own words; `device` and `dtype` follow the weights."""
        weights = next(self.parameters())
        self._cfg.device, self._cfg.dtype = str(weights.device), weights.dtype
        return self._cfg

    @checks_switches
    def set_use_attn_result(self, use: bool) -> None:
        """Compute `attn.hook_result` [batch pos head d_model], each head's own output (memory!)."""
        self._cfg.use_attn_result = use

    @checks_switches
    def set_use_attn_in(self, use: bool) -> None:
        """Give each head its own copy of the residual stream, `hook_attn_in` [batch pos head d_model]."""
        self._cfg.use_attn_in = use

    @checks_switches
    def set_use_split_qkv_input(self, use: bool) -> None:
        """Give each head's queries, keys and values a copy of their own: `hook_q_input` [batch pos head d_model], ...

        As `blocks.i.hook_q_input` (classic) and `blocks.i.attn.hook_q_input` (TransformerLens 4), before LayerNorm.
        """
        self._cfg.use_split_qkv_input = use

    @checks_switches
    def set_use_hook_mlp_in(self, use: bool) -> None:
        """Give the MLP its own copy of the residual stream, `hook_mlp_in`, before LayerNorm."""
        self._cfg.use_hook_mlp_in = use

    def idle_hooks(self) -> dict[str, str]:
        switches = {
            "use_attn_result": ("attn.hook_result",),
            "use_attn_in": ("hook_attn_in",),
            "use_hook_mlp_in": () if self._cfg.attn_only else ("hook_mlp_in",),
            "use_split_qkv_input": [f"{where}hook_{x}_input" for where in ("", "attn.") for x in "qkv"],
        }
        return {
            f"blocks.{layer}.{name}": f"set_{switch}(True)"
            for switch, names in switches.items()
            if not getattr(self._cfg, switch)
            for layer in range(len(self.blocks))
            for name in names
        }
