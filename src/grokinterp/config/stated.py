"""Stated: what a reader says of a model whose weights do not tell it, in the words of `train`."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from grokinterp.config.activation import Activation
from grokinterp.config.validation import check_types
from grokinterp.errors import BadRequest, did_you_mean, listed, require


@dataclass(frozen=True)
class Stated:
    """Fields of the model's config that are stated; None where a file is to tell them, or its weights."""

    activation: Activation | None = None  # what weights do not tell of a file is judged by them where left out
    n_heads: int | None = None  # attention heads a layer
    normalization: Literal["none", "pre", "post"] | None = None  # place of the blocks' norms
    norm_kind: Literal["layer", "rms"] | None = None  # LayerNorm, or RMSNorm
    final_norm: bool | None = None  # a norm before the unembedding
    embedding_scale: float | None = None  # multiplies what the embedding gives
    position_embedding: Literal["learned", "sinusoidal", "none"] | None = None  # learned, computed from sines, or none
    attention_direction: Literal["causal", "bidirectional"] | None = None  # whether a position reads those after it
    attention_rate: float | None = None  # alpha of Zhong et al. 2023
    combine: Literal["concatenate", "add", "project_then_add"] | None = None  # how an MLP takes embeddings together

    def __post_init__(self) -> None:
        check_types(self)
        require(self.n_heads is None or self.n_heads >= 1, f"n_heads={self.n_heads} must be at least 1")

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Stated":
        """Those of keyword arguments. Raises `BadRequest` for a name that is none of them."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                raise BadRequest(
                    f"{name!r} is nothing that can be stated of a file.{did_you_mean(name, known)} "
                    f"These are: {listed(known)}"
                )
        return cls(**fields)

    @property
    def fields(self) -> dict[str, Any]:
        """Name -> value of what is stated."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def refuse_unless(self, config: Any, where: str) -> None:
        """Raise `BadRequest` where the file itself settles something else than is stated."""
        for name, value in self.fields.items():
            if not hasattr(config, name):
                raise BadRequest(f"{where} is a {config.kind}, which has no {name}; leave {name}={value!r} out")
            has = config.has_final_norm if name == "final_norm" else getattr(config, name)
            if has != value:
                raise BadRequest(
                    f"{where} is settled to have {name}={has!r}, so {name}={value!r} is refused; leave it out"
                )
