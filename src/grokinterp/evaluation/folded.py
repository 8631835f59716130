"""The exact evaluation of an MLP on tokens with its embeddings, or its one-hots, folded through the first layer.

Before the first activation nothing is nonlinear: E W_in is a table of one row a token, computed once a call, and a
row of the task costs a sum of gathered rows in place of a matrix product. This is the hooked model's function, to
float rounding, in value and gradient.

Parameters carry the classic names and shapes, without batch dimensions.
"""

from collections.abc import Mapping
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config import ModelConfig
from grokinterp.config.mlp import SummedConfig
from grokinterp.errors import BadRequest
from grokinterp.models.functional import ACTIVATIONS, affine
from grokinterp.tasks import Task


class Activations(NamedTuple):
    """What the hooked model computes: the activations of every hidden layer, before and after, and the logits."""

    pre: list[Float[Tensor, "n width"]]
    post: list[Float[Tensor, "n width"]]
    logits: Float[Tensor, "n answer"]


def folding(config: ModelConfig) -> SummedConfig:
    """The config of a model that is folded. Raises `BadRequest` where `config.why_not_folded` has a reason."""
    # What is computed here is this one kind, so that which it is cannot be its own method.
    if (reason := config.why_not_folded()) or not isinstance(config, SummedConfig):
        raise BadRequest(f"the fast path does not take this model: {reason}; run the hooked model instead")
    return config


def first_layer(config: SummedConfig, parameters: Mapping[str, Tensor]) -> list[Float[Tensor, "d_vocab width"]]:
    """What each token adds to the first layer's pre-activations, for each operand position; without bias."""
    assert config.n_ctx is not None
    W_in = parameters["blocks.0.mlp.W_in"]
    tables = [parameters[f"{name}.W_E"] for name in config.tables if f"{name}.W_E" in parameters]
    parts = W_in.chunk(config.n_ctx) if config.combine == "concatenate" else (W_in,)
    if tables:
        folded = [tables[i % len(tables)] @ parts[i % len(parts)] for i in range(max(len(tables), len(parts)))]
    else:
        folded = [*parts]  # a one-hot times a matrix is a row of it
    return folded * (config.n_ctx // len(folded))


def bias(config: ModelConfig, parameters: Mapping[str, Tensor]) -> Tensor | float:
    """What the first layer adds to every row: its bias, once for each operand where each is projected; 0 without."""
    config = folding(config)
    if "blocks.0.mlp.b_in" not in parameters:
        return 0.0
    assert config.n_ctx is not None
    return parameters["blocks.0.mlp.b_in"] * (config.n_ctx if config.combine == "project_then_add" else 1)


def operand_tables(
    config: ModelConfig, parameters: Mapping[str, Tensor], task: Task
) -> list[Float[Tensor, "number width"]]:
    """What each value of each operand of a task adds to the first layer's pre-activations: W_x W of Chughtai et al."""
    tables = first_layer(folding(config), parameters)
    stands = zip(task.operand_columns, task.zero_tokens, task.sizes, strict=True)
    return [tables[at][zero : zero + size] for at, zero, size in stands if at is not None and zero is not None]


def activations(config: ModelConfig, parameters: Mapping[str, Tensor], tokens: Int[Tensor, "n operand"]) -> Activations:
    """Everything the model computes on rows of tokens, differentiable. Raises `BadRequest` as `folding` does."""
    config = folding(config)
    pre = _gather_sum(first_layer(config, parameters), tokens)
    if "blocks.0.mlp.b_in" in parameters:
        pre = pre + bias(config, parameters)
    act = ACTIVATIONS[config.activation]
    pres, posts = [pre], [act(pre)]
    for layer in range(1, len(config.layer_neurons)):
        block = f"blocks.{layer}.mlp."
        pres.append(affine(posts[-1], parameters[block + "W_in"], parameters.get(block + "b_in")))
        posts.append(act(pres[-1]))
    return Activations(pres, posts, affine(posts[-1], parameters["unembed.W_U"], parameters.get("unembed.b_U")))


def logits(
    config: ModelConfig, parameters: Mapping[str, Tensor], tokens: Int[Tensor, "n operand"]
) -> Float[Tensor, "n answer"]:
    """The logits on rows of tokens, [n, d_vocab_out]; differentiable."""
    return activations(config, parameters, tokens).logits


def _gather_sum(tables: list[Float[Tensor, "d_vocab width"]], tokens: Int[Tensor, "n operand"]) -> Tensor:
    # F.embedding: its gather and its scatter are several times faster than indexing and its gradient.
    columns = tokens.unbind(1)
    total = F.embedding(columns[0], tables[0])
    for table, column in zip(tables[1:], columns[1:], strict=True):
        total = total + F.embedding(column, table)
    return total
