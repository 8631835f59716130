"""The vision transformer: its patches, parameters and activations."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from grokinterp.config.activation import ACTIVATIONS_IN_WORDS, Activation
from grokinterp.config.family import MLP_ACTIVATIONS, NumberConfig
from grokinterp.config.initial import Draw, Shapes, over_fan_in
from grokinterp.config.transformer import ATTENTION_ACTIVATIONS, MOST_LAYERS, TransformerConfig, block_shapes
from grokinterp.config.validation import check_init_scale, check_sizes, check_types
from grokinterp.errors import count_in_words, require


@dataclass(frozen=True)
class VisionConfig(NumberConfig):
    """A transformer on square images: its tokens are patches of pixels, and a last one, of no patch, that is read out.

    `patch=1` makes every pixel a token. With `inner_layers` a smaller transformer runs inside each patch first, on its
    pixels (Han et al. 2021, Transformer in Transformer). Blocks count from the inner ones on.
    """

    kind: ClassVar[str] = "vision"
    module: ClassVar[str] = "grokinterp.models.vision:VisionTransformer"
    patch: int = 4  # pixels along a patch's side
    n_layers: int = 2  # blocks over the patches
    d_model: int = 64  # width of their residual stream
    n_heads: int = 4  # attention heads of every block
    inner_layers: int = 0  # blocks inside each patch
    inner_width: int = 16  # width of their residual stream
    activation: Activation = "gelu"  # of the neurons
    normalization: Literal["none", "pre"] = "pre"  # place of LayerNorm
    initialisation: Literal["fan_in", "waves"] = "fan_in"  # random over the inputs, or waves over the image
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_in: int | None = None  # pixels of an image; the task's where left out
    d_vocab_out: int | None = None  # output columns; the task's answers where left out

    def __post_init__(self) -> None:
        check_types(self)
        check_sizes(self, "patch", "n_layers", "d_model", "n_heads", "inner_width", "d_in", "d_vocab_out")
        most = max(self.n_layers, self.inner_layers)
        require(most <= MOST_LAYERS, f"{most} layers are more than {MOST_LAYERS:,}; lower n_layers or inner_layers")
        require(self.inner_layers >= 0, f"inner_layers={self.inner_layers} must be 0 (none) or more")
        narrowest = min(self.d_model, self.inner_width) if self.inner_layers else self.d_model
        require(narrowest >= self.n_heads, f"n_heads={self.n_heads} is more than the width {narrowest}; lower n_heads")
        check_init_scale(self.init_scale)
        side = math.isqrt(self.d_in or self.patch**2)
        require(
            self.d_in is None or (side**2 == self.d_in and side % self.patch == 0),
            f"patch={self.patch} does not divide images of {self.d_in} pixels into squares; use patch=1 or patch=4",
        )

    @property
    def n_patches(self) -> int:
        return (self.d_in or 0) // self.patch**2

    @property
    def block_configs(self) -> tuple[TransformerConfig, ...]:
        """Each block as one of a transformer, inner ones first: what their parts are built from."""
        inner = self._block_config(self.inner_width, self.patch**2)
        outer = self._block_config(self.d_model, self.n_patches + 1)
        return (inner,) * self.inner_layers + (outer,) * self.n_layers

    def _block_config(self, width: int, n_ctx: int) -> TransformerConfig:
        return TransformerConfig(
            n_layers=self.n_layers,
            d_model=width,
            n_heads=self.n_heads,
            activation=self.activation,
            normalization=self.normalization,
            attention_direction="bidirectional",
            d_vocab=1,  # not read: patches are no tokens
            d_vocab_out=self.d_vocab_out,
            n_ctx=n_ctx,
        )

    @property
    def layer_heads(self) -> tuple[int, ...]:
        return tuple(block.n_heads for block in self.block_configs)

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return tuple(block.mlp_size for block in self.block_configs)

    @property
    def first_read_layer(self) -> int:
        return self.inner_layers

    @property
    def has_norms(self) -> bool:
        return self.normalization != "none"

    @property
    def activation_names(self) -> list[str]:
        """Of the blocks over patches; an inner one has no position that is read."""
        kinds = (*ATTENTION_ACTIVATIONS, *MLP_ACTIVATIONS)
        return [f"blocks.{i}.{kind}" for i in range(self.inner_layers, len(self.block_configs)) for kind in kinds]

    def parameter_shapes(self) -> Shapes:
        """The transformer's names, `embed.W_E` [numbers of a patch, d_model] reading a patch's pixels.

        With inner blocks it reads all that these say of the pixels (`inner_embed.W_E` [1 inner_width],
        `inner_pos_embed.W_pos`). `pos_embed.W_pos` has a last row for the token that is read out.
        """
        assert self.d_vocab_out is not None
        pixels, d = self.patch**2, self.d_model
        shapes: Shapes = {}
        if self.inner_layers:
            shapes["inner_embed.W_E"] = (1, self.inner_width)
            shapes["inner_pos_embed.W_pos"] = (pixels, self.inner_width)
        blocks = [block_shapes(block, layer) for layer, block in enumerate(self.block_configs)]
        for block in blocks[: self.inner_layers]:
            shapes |= block
        shapes["embed.W_E"] = (pixels * (self.inner_width if self.inner_layers else 1), d)
        shapes["pos_embed.W_pos"] = (self.n_patches + 1, d)
        for block in blocks[self.inner_layers :]:
            shapes |= block
        if self.normalization == "pre":
            shapes |= {"ln_final.w": (d,), "ln_final.b": (d,)}
        return shapes | {"unembed.W_U": (d, self.d_vocab_out), "unembed.b_U": (self.d_vocab_out,)}

    def draw(self, name: str, shapes: Shapes) -> Draw:
        """`waves` is our choice where every pixel is a token, few of them lit: these start six times as strong.

        There positions start as plane waves.
        """
        distribution, size = over_fan_in(name, shapes)
        if self.initialisation == "waves" and name == "pos_embed.W_pos":
            return "waves", 2.0
        if self.initialisation == "waves" and name == "embed.W_E":
            return distribution, 6 * size
        return distribution, size

    def n_positions(self, row_width: int) -> int:
        del row_width
        return self.n_patches + 1

    @property
    def has_positions(self) -> bool:
        return True

    @property
    def stream_width(self) -> int:
        return self.d_model

    @property
    def stream_points(self) -> list[str]:
        """Before and after every sublayer over patches."""
        layers, ends = range(self.inner_layers, len(self.block_configs)), ("hook_resid_mid", "hook_resid_post")
        return [f"blocks.{layers[0]}.hook_resid_pre", *(f"blocks.{i}.{end}" for i in layers for end in ends)]

    def in_words(self) -> str:
        tokens = "pixels" if self.patch == 1 else f"patches of {self.patch} x {self.patch} pixels"
        inside = f", behind {self.inner_layers} of width {self.inner_width} inside each patch"
        return (
            f"a {count_in_words(self.n_layers)}-layer transformer of width {self.d_model} with {self.n_heads} heads, "
            f"{ACTIVATIONS_IN_WORDS[self.activation]} neurons, on {tokens}{inside if self.inner_layers else ''}"
        )
