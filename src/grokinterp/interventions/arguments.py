"""Arguments of an ablation, each read on its own; `AblationError` names what would have fitted."""

from collections.abc import Iterable
from typing import Any, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.config.family import Component
from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest, as_whole, did_you_mean, listed
from grokinterp.interventions.irreps import numbered
from grokinterp.tasks import Task, as_tensor


class AblationError(BadRequest):
    """An ablation of something the model does not have, or that this batch does not allow."""


def n_positions(config: ModelConfig, task: Task | None) -> int:
    """How many positions a model has on the rows of its task."""
    return config.n_positions(task.inputs.shape[1] if task is not None else 0)


def refuse_absent(config: ModelConfig, component: Component) -> None:
    """Refuse a component that the model does not have, with the remedy."""
    if reason := config.why_not_ablated(component):
        raise AblationError(reason)


def whole_numbers(given: Iterable[Any], name: str, example: str) -> list[int]:
    """Whole numbers as Python's."""
    try:
        return [as_whole(item) for item in given]
    except TypeError:
        raise AblationError(f"{name}={shown(given)} must be whole numbers, as in {name}={example}") from None


def layer_pairs(
    noun: str, given: Iterable[Any], config: ModelConfig, sizes: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """(layer, head) or (layer, neuron) pairs, each of them once; `sizes` is how many each layer has."""
    try:
        asked = list(given)
    except TypeError:
        raise AblationError(f"{noun}s={shown(given)} must be (layer, {noun}) pairs, as in {noun}s=[(0, 1)]") from None
    try:
        pairs = [(as_whole(layer), as_whole(index)) for layer, index in asked]
    except (TypeError, ValueError):
        raise AblationError(f"{noun}s={shown(asked)} must be (layer, {noun}) pairs, as in {noun}s=[(0, 1)]") from None
    if pairs and not sizes:
        refuse_absent(config, "attention" if noun == "head" else "mlp")
    for layer, index in pairs:
        if not 0 <= layer < len(sizes):
            raise AblationError(f"{noun} {(layer, index)} names layer {layer}; the layers are 0 to {len(sizes) - 1}")
        if not 0 <= index < sizes[layer]:
            raise AblationError(f"layer {layer} has no {noun} {index}; its {noun}s are 0 to {sizes[layer] - 1}")
    return tuple(dict.fromkeys(pairs))


def irrep_numbers(task: Task | None, given: Iterable[Any]) -> tuple[int, ...]:
    """The numbers of irreps of the task's group, given by name or number."""
    try:
        asked = [given] if isinstance(given, str | int) else list(given)
        return numbered(task, asked) if asked else ()
    except TypeError:
        raise AblationError(f"irreps={shown(given)} must be names, as in irreps=['sign']") from None
    except BadRequest as refused:
        raise AblationError(str(refused)) from None


def numbers_within(noun: str, given: Iterable[Any], n: int) -> tuple[int, ...]:
    """Numbers from 0 to n - 1, each of them once."""
    numbers = whole_numbers(given, f"{noun}s", "(0, 1)")
    for number in numbers:
        if not 0 <= number < n:
            raise AblationError(f"there is no {noun} {number}; the {noun}s are 0 to {n - 1}")
    return tuple(dict.fromkeys(numbers))


def one_of(name: str, given: str, options: Any) -> Any:
    """One of the words of a `Literal`."""
    known = get_args(options)
    if not isinstance(given, str) or given not in known:
        raise AblationError(f"{name}={shown(given)} is unknown.{did_you_mean(given, known)} Choose of {listed(known)}")
    return given


def orthonormal(given: Any) -> Float[Tensor, "direction width"] | None:
    """Orthonormal float64 directions that span those given."""
    if given is None:
        return None
    directions = as_tensor(given, "directions", "vectors [n, width]").detach()
    if directions.is_complex():
        raise AblationError("directions must be real vectors [n, width]; give the real and the imaginary part as two")
    rows = torch.atleast_2d(directions.to(torch.float64))
    if not rows.numel() or rows.ndim != 2 or not rows.isfinite().all() or not (rows.norm(dim=1) > 0).all():
        raise AblationError(
            f"directions must be finite vectors [n, width], none of them zero; not {_shown(directions)}"
        )
    _, singular, right = torch.linalg.svd(rows, full_matrices=False)
    # Directions that depend on others span nothing more.
    return right[singular > 1e-10 * singular[0]]


def batch_rows(
    given: Any, config: ModelConfig, task: Task | None
) -> Int[Tensor, "n position"] | Float[Tensor, "n feature"] | None:
    """Rows such as the model reads: of tokens, or of features."""
    if given is None:
        return None
    data = as_tensor(given, "data", "rows such as task.inputs")
    if config.reads == "features":
        if data.ndim != 2 or not len(data) or not data.is_floating_point() or data.shape[1] != config.row_width:
            raise AblationError(f"data must be rows [n, {config.row_width}], as in task.inputs; not {_shown(data)}")
        return data
    width, n_tokens = n_positions(config, task), config.n_tokens
    whole = not (data.is_floating_point() or data.is_complex() or data.dtype == torch.bool)
    if data.ndim != 2 or not len(data) or not whole or data.shape[1] > width:
        raise AblationError(f"data must be rows of tokens [n, {width}], as in task.inputs; not {_shown(data)}")
    if n_tokens is not None and not (0 <= int(data.min()) and int(data.max()) < n_tokens):
        raise AblationError(f"data holds tokens outside 0 to {n_tokens - 1}; give rows such as task.inputs")
    return data


def _shown(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
