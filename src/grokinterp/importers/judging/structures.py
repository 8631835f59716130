"""Structures: networks of a reading's parts that are wired otherwise than ours, which leaves no weights behind."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from grokinterp.importers.reading.candidates import Candidate

Stream = Float[Tensor, "row *position d"]


@dataclass(frozen=True)
class Structure:
    """A way to wire the parts of a hooked model, in words, and its logits on some rows at all positions."""

    words: str
    forward: Callable[[Any, Int[Tensor, "row token"]], Float[Tensor, "row position column"]]


class Wired(nn.Module):
    """A hooked model under one of them; its parameters are those of the model, behind `model.`."""

    def __init__(self, model: nn.Module, structure: Structure):
        super().__init__()
        self.model, self.structure = model, structure

    def forward(self, rows: Int[Tensor, "row token"]) -> Float[Tensor, "row position column"]:
        return self.structure.forward(self.model, rows)


def structures_of(candidate: Candidate) -> Iterator[Structure]:
    """Those that a reading's weights could have been trained in, as far as their names and shapes tell."""
    if candidate.has_attention:
        yield from _of_transformer(candidate)
    elif "embed.W_E" in candidate.parameters and "blocks.0.mlp.W_in" in candidate.parameters:
        yield from _of_mlp(candidate.parameters)


# -- transformers


def _of_transformer(candidate: Candidate) -> Iterator[Structure]:
    has_mlp = any(".mlp." in name for name in candidate.parameters)
    if has_mlp and getattr(candidate.config, "normalization", "none") != "post":
        yield Structure("a transformer with attention and MLP in parallel", partial(_through_blocks, _parallel))
    around = {"its attention": (False, True)}
    if has_mlp:
        around |= {"its MLP": (True, False), "either attention or MLP": (False, False)}
    for words, (attention, mlp) in around.items():
        block = partial(_sequential, around_attention=attention, around_mlp=mlp)
        yield Structure(f"a transformer without a residual around {words}", partial(_through_blocks, block))


def _through_blocks(block: Callable[[Any, Stream], Stream], model: Any, rows: Tensor) -> Tensor:
    x = model(rows, stop_at_layer=0)
    for each in model.blocks:
        x = block(each, x)
    return model.unembed(model.ln_final(x))


def _parallel(block: Any, x: Stream) -> Stream:
    return x + _attention(block, x) + block.mlp(_before(block, block.ln2, x))


def _sequential(block: Any, x: Stream, around_attention: bool, around_mlp: bool) -> Stream:
    x = _after(block, block.ln1, _attention(block, x) + (x if around_attention else 0))
    if not hasattr(block, "mlp"):
        return x
    return _after(block, block.ln2, block.mlp(_before(block, block.ln2, x)) + (x if around_mlp else 0))


def _attention(block: Any, x: Stream) -> Stream:
    normed = _before(block, block.ln1, x)
    return block.attn(normed, normed, normed)


def _before(block: Any, norm: nn.Module, x: Stream) -> Stream:
    return norm(x) if block.normalization == "pre" else x


def _after(block: Any, norm: nn.Module, x: Stream) -> Stream:
    return norm(x) if block.normalization == "post" else x


# -- networks of layers


def _of_mlp(parameters: Mapping[str, Tensor]) -> Iterator[Structure]:
    """Residuals around single layers or around pairs, from the first layer on or behind one that projects."""
    shapes = [value.shape for name, value in parameters.items() if name.endswith(".mlp.W_in")]
    for first, size in product((0, 1), (1, 2)):
        count = len(shapes) - first
        starts = range(first, len(shapes), size)
        if count < 1 or count % size or any(shapes[i][0] != shapes[i + size - 1][1] for i in starts):
            continue
        for is_linear, is_after in product((False, True)[: first + 1], (False, True)[:size]):
            words = f"an MLP with a residual around {('each layer', 'each two layers')[size - 1]}"
            words += f" behind {'a linear one' if is_linear else 'the first'}" if first else ""
            words += " before its activation" if is_after else ""
            yield Structure(words, partial(_through_layers, first, size, is_after, is_linear))
    if shapes[0][0] == parameters["embed.W_E"].shape[1]:
        yield Structure("an MLP of the product of its embeddings", _of_product)


def _through_layers(first: int, size: int, is_after: bool, is_linear: bool, model: Any, rows: Tensor) -> Tensor:
    x = _combined(model, rows)
    layers = [block.mlp for block in model.blocks]
    for layer in layers[:first]:
        x = _linear(layer, x) if is_linear else layer(x)
    for i in range(first, len(layers), size):
        if size == 1:
            x = x + layers[i](x)
        else:
            x = x + _linear(layers[i + 1], layers[i](x))
            x = layers[i].activation(x) if is_after else x
    return model.unembed(x)


def _linear(layer: Any, x: Float[Tensor, "row 1 d_in"]) -> Float[Tensor, "row 1 d_out"]:
    return nn.functional.linear(x, layer.W_in.T, layer.b_in)


def _combined(model: Any, rows: Tensor) -> Stream:
    """What the first layer reads."""
    x = _embedded(model, rows)
    return x.flatten(1)[:, None] if model.config.combine == "concatenate" else x.sum(1, keepdim=True)


def _embedded(model: Any, rows: Int[Tensor, "row operand"]) -> Float[Tensor, "row operand d"]:
    tables = [model.get_submodule(name) for name in model.config.tables]
    return torch.stack([tables[i % len(tables)](rows[:, i]) for i in range(rows.shape[1])], 1)


def _of_product(model: Any, rows: Tensor) -> Tensor:
    x = _embedded(model, rows).prod(1, keepdim=True)
    for block in model.blocks:
        x = block(x)
    return model.unembed(x)
