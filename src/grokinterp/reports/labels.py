"""Labels: the names of variables, dims, units and parameters as a reader says them."""

import re
from typing import Any

DIMS = {
    "step": "training step",
    "k": "frequency k (turns per cycle)",
    "a": "first operand a",
    "b": "second operand b",
    "c": "third operand c",
    "basis": "Fourier row",
    "basis_a": "Fourier row of a",
    "basis_b": "Fourier row of b",
    "query": "query position",
    "source": "source position",
    "matrix": "matrix",
    "mask": "set of heads",
}
"""Titles of axes; a dim that is not here is called by its own name."""

MATRICES = {"W_E": "embedding", "W_L": "neuron-logit map"}

UNITS = {
    "": "",
    "1": "",
    "share": "",
    "nats": "nats",
    "weights": "units of the weights",
    "weights^2": "squared units of the weights",
}

_PARAMETERS = {
    "W_E": "embedding",
    "W_pos": "positions",
    "W_U": "unembedding",
    "W_Q": "queries",
    "W_K": "keys",
    "W_V": "values",
    "W_O": "head outputs",
    "W_in": "into neurons",
    "W_out": "out of neurons",
}


_NORMS = {"ln1": "the attention's norm", "ln2": "the neurons' norm", "ln_final": "the final norm"}


def spoken(name: str) -> str:
    """`embedding_norm` as `embedding norm`."""
    return re.sub(r"[_\s]+", " ", str(name)).strip()


def axis(dim: str) -> str:
    """The title of the axis of a dim."""
    return DIMS.get(dim, spoken(dim))


def unit(units: str) -> str:
    """Units as they stand in brackets; empty for a pure number."""
    return UNITS.get(units, spoken(units))


def quantity(name: str, units: str) -> str:
    """A quantity with its units, for an axis: `test loss (nats)`."""
    words = unit(units)
    return f"{spoken(name)} ({words})" if words else spoken(name)


def is_share(name: str) -> bool:
    """Whether a quantity is told in percent: accuracies, and shares of variance, of rows or of attention."""
    return name.endswith(("accuracy", "accuracy_unswapped", "_fve", "purity")) or "_accuracy_" in name


def value_axis(names: list[str], units: str) -> dict[str, Any]:
    """The axis of these quantities: the quantity with its unit, or what they have in common; shares in percent."""
    share = all(map(is_share, names))
    if len(names) == 1:
        title = quantity(names[0], units)
    else:
        *_, last = names[0].split("_")
        common = last if all(name.endswith(f"_{last}") for name in names) else "value"
        title = quantity(common, units)
    return dict(title_text=title, **(dict(tickformat=".0%") if share else {}))


def parameter(name: str) -> str:
    """`blocks.0.attn.W_Q` as `queries, layer 0`."""
    *home, last = name.split(".")
    kind, _, which = last.partition("_")
    norm = _NORMS.get(home[-1]) if home else None
    words = (
        f"{'scale' if kind == 'w' else 'offset'} of {norm}" if norm and last in ("w", "b") else _PARAMETERS.get(last)
    )
    if words is None and kind == "b":
        words = f"bias of {_PARAMETERS.get(f'W_{which}', spoken(which))}"
    inner = "inner " if any(part.startswith("inner_") for part in home) else ""
    layer = next((part for part in home if part.isdigit()), None)
    # Embeddings of single operands: embed_a, embed_b.
    which = next((part.rpartition("_")[2] for part in home if part.startswith("embed_")), "")
    of_operand = f" of {which}" if len(which) == 1 else ""
    return inner + (words or spoken(last)) + of_operand + (f", layer {layer}" if layer is not None else "")
