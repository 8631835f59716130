"""The parameters a model has: their classic names and shapes."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

from torch import Tensor

from grokinterp.config.architecture import (
    DenseMLPConfig,
    EmbeddingMLPConfig,
    MLPConfig,
    ModelConfig,
    NALUConfig,
    TransformerConfig,
    VisionConfig,
)
from grokinterp.errors import BadRequest, listed, require
from grokinterp.tasks import Task

Shapes: TypeAlias = dict[str, tuple[int, ...]]


class ParameterError(BadRequest):
    """Weights that are not those of the model they are given to."""


def parameter_shapes(config: ModelConfig) -> Shapes:
    """Name -> shape of every trainable parameter, in the order in which `initialise` draws them.

    Transformer, in TransformerLens' classic orientation: `embed.W_E` [d_vocab d_model], `pos_embed.W_pos`
    [n_ctx d_model] (learned positions only), for each block `attn.W_Q W_K W_V` [head d_model d_head], `attn.W_O`
    [head d_head d_model], `attn.b_Q b_K b_V` [head d_head], `attn.b_O` [d_model], `mlp.W_in` [d_model d_mlp],
    `mlp.b_in`, `mlp.W_out` [d_mlp d_model], `mlp.b_out`, `ln1.w ln1.b ln2.w ln2.b` [d_model], then `ln_final.w b`
    (where there is a final norm; RMSNorm has no b), `unembed.W_U` [d_model d_vocab_out] (absent where tied to `W_E`),
    `unembed.b_U`.

    Embedding MLP: `embed.W_E` [d_vocab d_embed], shared by the operands, or a table each (`embed`, `embed_b`,
    `embed_c`, ...); hidden layer i is `blocks.i.mlp.W_in` [input width] and `b_in`; `unembed.W_U` [width d_vocab_out]
    and `b_U`. A dense MLP: the same without tables.

    Vision: the transformer's, `embed.W_E` [numbers of a patch, d_model] reading a patch's pixels or, with inner blocks,
    all that these say of its pixels (`inner_embed.W_E` [1 inner_width], `inner_pos_embed.W_pos`); `pos_embed.W_pos` has
    a last row for the token that is read out. NALU: layer i is `blocks.i.mlp.W_hat`, `M_hat`, `G` [inputs cells].

    Raises `ConfigError` where sizes are still open: `config.resolved(...)` fills them in from a task.
    """
    unfilled = [name for name in config.open_sizes if getattr(config, name) is None]
    require(
        not unfilled,
        f"{listed(unfilled)} of the model not given; give a task, or call config.resolved(n_vocab, n_answers, n_ctx)",
    )
    if isinstance(config, VisionConfig):
        return _vision_shapes(config)
    if isinstance(config, NALUConfig):
        return _nalu_shapes(config)
    if isinstance(config, DenseMLPConfig):
        return _layer_shapes(config, config.d_in or 0)
    return _transformer_shapes(config) if isinstance(config, TransformerConfig) else _mlp_shapes(config)


def _transformer_shapes(config: TransformerConfig) -> Shapes:
    d_vocab, d_vocab_out, n_ctx = _sizes(config)
    require(
        not config.tied_unembed or d_vocab_out <= d_vocab,
        f"tied_unembed needs d_vocab_out={d_vocab_out} rows of W_E and it has {d_vocab}; set tied_unembed=False",
    )
    d = config.d_model
    shapes: Shapes = {"embed.W_E": (d_vocab, d)}
    if config.position_embedding == "learned":
        shapes["pos_embed.W_pos"] = (n_ctx, d)
    for layer in range(config.n_layers):
        shapes |= _block_shapes(config, layer)
    if config.has_final_norm:
        shapes |= _norm_shapes(config, "ln_final")
    if not config.tied_unembed:
        shapes["unembed.W_U"] = (d, d_vocab_out)
    if config.unembed_bias:
        shapes["unembed.b_U"] = (d_vocab_out,)
    return shapes


def _block_shapes(config: TransformerConfig, layer: int) -> Shapes:
    d, heads, d_head, d_mlp = config.d_model, config.n_heads, config.head_size, config.mlp_size
    has_norm = config.normalization != "none"
    block: Shapes = _norm_shapes(config, "ln1") if has_norm else {}
    block |= {f"attn.W_{x}": (heads, d, d_head) for x in "QKV"} | {"attn.W_O": (heads, d_head, d)}
    if config.attention_bias:
        block |= {f"attn.b_{x}": (heads, d_head) for x in "QKV"} | {"attn.b_O": (d,)}
    if not config.attn_only:
        block |= _norm_shapes(config, "ln2") if has_norm else {}
        block |= {"mlp.W_in": (d, d_mlp)} | ({"mlp.b_in": (d_mlp,)} if config.mlp_bias else {})
        block |= {"mlp.W_out": (d_mlp, d)} | ({"mlp.b_out": (d,)} if config.mlp_bias else {})
    return {f"blocks.{layer}.{name}": shape for name, shape in block.items()}


def _norm_shapes(config: TransformerConfig, name: str) -> Shapes:
    return {f"{name}.{leaf}": (config.d_model,) for leaf in ("wb" if config.norm_kind == "layer" else "w")}


def _vision_shapes(config: VisionConfig) -> Shapes:
    assert config.d_vocab_out is not None
    pixels, d = config.patch**2, config.d_model
    shapes: Shapes = {}
    if config.inner_layers:
        shapes["inner_embed.W_E"] = (1, config.inner_width)
        shapes["inner_pos_embed.W_pos"] = (pixels, config.inner_width)
    blocks = [_block_shapes(block, layer) for layer, block in enumerate(config.block_configs)]
    for block in blocks[: config.inner_layers]:
        shapes |= block
    shapes["embed.W_E"] = (pixels * (config.inner_width if config.inner_layers else 1), d)
    shapes["pos_embed.W_pos"] = (config.n_patches + 1, d)
    for block in blocks[config.inner_layers :]:
        shapes |= block
    if config.normalization == "pre":
        shapes |= {"ln_final.w": (d,), "ln_final.b": (d,)}
    return shapes | {"unembed.W_U": (d, config.d_vocab_out), "unembed.b_U": (config.d_vocab_out,)}


def _nalu_shapes(config: NALUConfig) -> Shapes:
    widths = [config.d_in or 0, *config.hidden_sizes, config.d_vocab_out or 0]
    gate = ("G",) if config.cell == "nalu" else ()
    return {
        f"blocks.{layer}.mlp.{name}": size
        for layer, size in enumerate(pairwise(widths))
        for name in ("W_hat", "M_hat", *gate)
    }


def embedding_tables(config: EmbeddingMLPConfig) -> tuple[str, ...]:
    """The names of an MLP's embedding tables: `("embed",)` where shared, else one for each operand position."""
    n_tables = 1 if config.shared_embedding else _sizes(config)[2]
    return ("embed", *(f"embed_{chr(ord('a') + i)}" for i in range(1, n_tables)))


def _mlp_shapes(config: EmbeddingMLPConfig) -> Shapes:
    d_vocab, _, n_ctx = _sizes(config)
    width = config.d_embed * (n_ctx if config.combine == "concatenate" else 1)
    tables: Shapes = {f"{table}.W_E": (d_vocab, config.d_embed) for table in embedding_tables(config)}
    return tables | _layer_shapes(config, width)


def _layer_shapes(config: MLPConfig, width: int) -> Shapes:
    """The hidden layers and the unembedding, the first of which reads `width` numbers."""
    assert config.d_vocab_out is not None
    shapes: Shapes = {}
    for layer, hidden in enumerate(config.hidden_sizes):
        shapes[f"blocks.{layer}.mlp.W_in"] = (width, hidden)
        if config.mlp_bias:
            shapes[f"blocks.{layer}.mlp.b_in"] = (hidden,)
        width = hidden
    shapes["unembed.W_U"] = (width, config.d_vocab_out)
    if config.unembed_bias:
        shapes["unembed.b_U"] = (config.d_vocab_out,)
    return shapes


def _sizes(config: TransformerConfig | EmbeddingMLPConfig) -> tuple[int, int, int]:
    assert config.d_vocab is not None and config.d_vocab_out is not None and config.n_ctx is not None
    return config.d_vocab, config.d_vocab_out, config.n_ctx


def check_parameters(config: ModelConfig, parameters: Mapping[str, Tensor]) -> None:
    """Raise `ParameterError`, with what is missing, left over or of another shape, unless all parameters fit."""
    shapes = parameter_shapes(config)
    misfits = [f"{name} is missing" for name in shapes if name not in parameters]
    misfits += [f"{name} has no place" for name in parameters if name not in shapes]
    misfits += [
        f"{name} is {list(parameters[name].shape)} and should be {list(shape)}"
        for name, shape in shapes.items()
        if name in parameters and tuple(parameters[name].shape) != shape
    ]
    if misfits:
        raise ParameterError(
            f"the weights do not fit this {config.kind}: {'; '.join(misfits)}. Give the config they were trained with"
        )


def why_unreadable(config: ModelConfig, task: Task) -> str | None:
    """Why a model cannot read the rows of a task at all: it wants tokens and they are numbers, or the reverse."""
    if isinstance(config, NALUConfig) and task.has_classes:
        return f"a {config.kind} answers with a number and {task.expression!r} asks for a class"
    if task.has_tokens == (config.reads == "tokens"):
        return None
    rows = "rows of tokens" if task.has_tokens else "rows of numbers without tokens"
    return f"a {config.kind} reads {config.reads} and {task.expression!r} has {rows}"
