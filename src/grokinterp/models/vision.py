"""`VisionTransformer`: a transformer on the pixels or patches of small images; hook names after the transformer's."""

import math
from collections.abc import Mapping

import torch
import torch.nn as nn
from jaxtyping import Float
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from grokinterp.config import VisionConfig
from grokinterp.errors import BadRequest
from grokinterp.models.blocks import Block, Norm, Unembed
from grokinterp.models.bridge import classic_config
from grokinterp.models.hooked import Switches, adopt


class Project(nn.Module):
    """x W_E: numbers of a patch (or one pixel) to a token's stream."""

    W_E: nn.Parameter

    def __init__(self, parameters: Mapping[str, Tensor], prefix: str):
        super().__init__()
        adopt(self, parameters, prefix)

    def forward(self, x: Float[Tensor, "batch token number"]) -> Float[Tensor, "batch token d"]:
        return x @ self.W_E


class Places(nn.Module):
    """Rows of `W_pos`, one a token, for each image."""

    W_pos: nn.Parameter

    def __init__(self, parameters: Mapping[str, Tensor], prefix: str):
        super().__init__()
        adopt(self, parameters, prefix)

    def forward(self, n: int) -> Float[Tensor, "n token d"]:
        # A copy, since a hook may edit it in place, and an expanded view would carry the edit into the weights.
        return self.W_pos.expand(n, -1, -1).clone()


class VisionTransformer(Switches[VisionConfig]):
    """Square images -> patches -> (a transformer inside each patch ->) a transformer over patches -> logits.

    Tokens are the patches, from the upper left, row by row, and a last token of no patch, whose stream (its position
    embedding, to begin with) is the image's representation: the answer is read there. Hooks: `hook_patches`
    [batch patch number] (a patch's pixels, or what its inner transformer says of them), `hook_embed` [batch patch
    d_model], `hook_pos_embed` [batch token d_model], and those of each block, at all tokens but for the last block,
    which is computed at the last token only. Inner blocks come first; to them a patch is a row of its own:
    `hook_inner_embed`, `hook_inner_pos_embed` and theirs begin with [batch * patch, pixel]. Arguments as
    `HookedModule`'s.
    """

    def assemble(self, config: VisionConfig, parameters: Mapping[str, Tensor]) -> None:
        self._cfg = classic_config(config.block_configs[-1])
        self._cfg.n_layers = len(config.block_configs)
        if config.inner_layers:
            self.inner_embed = Project(parameters, "inner_embed.")
            self.inner_pos_embed = Places(parameters, "inner_pos_embed.")
            self.hook_inner_embed, self.hook_inner_pos_embed = HookPoint(), HookPoint()
        self.hook_patches = HookPoint()
        self.embed = Project(parameters, "embed.")
        self.hook_embed = HookPoint()
        self.pos_embed = Places(parameters, "pos_embed.")
        self.hook_pos_embed = HookPoint()
        self.blocks = nn.ModuleList(
            Block(block, self._cfg, parameters, f"blocks.{layer}.") for layer, block in enumerate(config.block_configs)
        )
        self.ln_final = Norm(parameters, "ln_final.") if config.normalization == "pre" else nn.Identity()
        self.unembed = Unembed(parameters)

    def forward(self, images: Float[Tensor, "batch pixel"]) -> Float[Tensor, "batch 1 d_vocab_out"]:
        """Logits, at one position, so that `logits[:, -1]` reads the answer of any model.

        Raises `BadRequest` for images of another size.
        """
        if images.shape[1] != self.config.d_in:
            raise BadRequest(
                f"the model reads images of {self.config.d_in} pixels and was given {images.shape[1]}; "
                "give those of its task, task.inputs"
            )
        *earlier, last = self.blocks[self.config.inner_layers :]
        patches = self.hook_patches(self._inside(self._patches(images.to(self.W_U.dtype))))
        x = self.hook_embed(self.embed(patches))
        x = torch.cat([x, x.new_zeros(len(x), 1, x.shape[2])], 1) + self.hook_pos_embed(self.pos_embed(len(x)))
        for block in earlier:
            x = block(x)
        return self.unembed(self.ln_final(last(x, (-1,))))

    def _patches(self, images: Float[Tensor, "batch pixel"]) -> Float[Tensor, "batch patch own"]:
        side, patch = math.isqrt(images.shape[1]), self.config.patch
        split = images.unflatten(1, (side // patch, patch, side // patch, patch))
        return split.transpose(2, 3).flatten(3).flatten(1, 2)

    def _inside(self, patches: Float[Tensor, "batch patch pixel"]) -> Float[Tensor, "batch patch number"]:
        """What the inner transformer says of each patch: its pixels' streams side by side; without one, the pixels."""
        if not self.config.inner_layers:
            return patches
        pixels = patches.flatten(0, 1)[..., None]
        x = self.hook_inner_embed(self.inner_embed(pixels))
        x = x + self.hook_inner_pos_embed(self.inner_pos_embed(len(x)))
        for block in self.blocks[: self.config.inner_layers]:
            x = block(x)
        return x.flatten(1).unflatten(0, patches.shape[:2])

    @property
    def W_U(self) -> Float[Tensor, "d d_vocab_out"]:
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, "d_vocab_out"]:
        return self.unembed.bias
