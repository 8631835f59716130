"""Ablating: an ablation put on a hooked model for the length of a block."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, SupportsIndex

import torch
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike
from torch import Tensor, nn

from grokinterp import models
from grokinterp.config import ModelConfig
from grokinterp.evaluation.snapshot import rows_at_once
from grokinterp.interventions.arguments import AblationError
from grokinterp.interventions.edits import Call, DirectPath, EmbeddingWaves, Part, Replace, TableWaves
from grokinterp.interventions.request import Ablation

LOGITS = "unembed"
"""Where logits are edited. It is a module, not a hook point: `model.hook_dict` does not have it."""


def ablate(
    model: Any,
    heads: Iterable[Any] = (),
    neurons: Iterable[Any] = (),
    frequencies: Iterable[Any] = (),
    directions: Float[Tensor, "*direction width"] | ArrayLike | None = None,
    layers: Iterable[Any] = (),
    positions: Iterable[Any] = (),
    where: str = "embedding",
    how: str = "zero",
    data: Shaped[Tensor, "n width"] | ArrayLike | None = None,
    seed: SupportsIndex = 0,
    components: Iterable[str] = (),
    irreps: Iterable[Any] = (),
) -> AbstractContextManager[Any]:
    """Take parts out of a hooked model for a block: `with gi.ablate(model, heads=[(0, 1)]): logits = model(inputs)`.

    Args:
        model: any hooked model of this package (`run.final.model()`).
        heads: (layer, head) pairs; a head's z at every position. What is left of attention is `b_O`, if any.
        neurons: (layer, neuron) pairs; activations after the nonlinearity, at every position.
        frequencies: k from 1 to half the cycle of the task's numbers: p, or p - 1 places of the multiplicative group
            for a * b and a / b. `interventions.all_frequencies_but(task, kept)` lists those to remove to keep some.
        where: what `frequencies` are taken from. `"embedding"`: cos k and sin k over the number tokens, of each
            operand's own where it has its own; constant and other tokens stay; any batch. `"mlp"` and `"logits"`:
            P_k x, the part of the neurons' activations or the logits that turns with the answer over the table,
            cos and sin of w_k(a + b) for a sum, at every layer and position (for the logits Nanda et al. 2023's
            excluded loss; for the MLP that of TransformerLens' demo); the model must then be called on `task.inputs`.
        irreps: of a task of a group, by their names (`task.group.irreps`), as in `["standard", "sign"]`: the functions
            on the group that span their matrix entries, in the place of cos k and sin k; `where` as for frequencies, on
            the table of the answer, x y. `interventions.all_irreps_but(task, kept)` lists those to remove to keep some.
        directions: [n, width] or [width], whose span is projected out: at `where="embedding"` out of the residual
            stream (width d_model) before and after every sublayer, so that it never holds them (of an
            `EmbeddingMLP`, out of the embeddings; of a `DenseMLP` or `NALU`, out of the rows; of a `VisionTransformer`,
            out of the stream over patches); at `"mlp"` out of the neurons of the layers of that width; at `"logits"`
            out of the output columns (width d_vocab_out). Any batch.
        layers: all that these layers' attention and MLP write, biases included; of a model without attention, all
            their neurons. The residual stream goes on past them. A `VisionTransformer` counts its inner layers first.
        positions: the position embedding at these positions. Every row has the same, so `mean` and `resample` leave it.
        components: of all layers at once: `"attention"` and `"mlp"` (all they write), `"positions"` (the position
            embedding everywhere), `"direct_path"` (what goes from the embeddings, token and position, along the
            residual stream straight to the unembedding, while attention and MLPs still read it).
        how: `"zero"`; `"mean"`, over `data`, position by position (inside patches, over all patches as well);
            `"resample"`: row i of a batch is given the value of row shuffle[i] of `data`, the same row for every part,
            each once before any twice. A frequency's mean is zero; resampled, its part is dealt out anew among the
            numbers or rows.
        data: rows of tokens [n, position] for `mean` and `resample`; the task's whole table by default. Their
            activations are those of the model without any ablation or hook, taken when the block is entered.
        seed: of `resample`.

    Blocks nest and add up; where two replace the same part, the inner one's value holds. Hooks of the caller stay,
    and nothing of ours is left after the block, also after an error. Gradients flow.

    Raises `AblationError`, a `BadRequest`, when called and before anything is changed, for what the model does not
    have; and when the model is called on another batch than the block can take. Where no part is named nothing is taken
    out: the baseline of a loop over parts.
    """
    if not hasattr(model, "hook_dict") or not hasattr(model, "config"):
        raise AblationError(f"ablate takes a hooked model, such as run.final.model(), not a {type(model).__name__}")
    ablation = Ablation.of(
        model.config,
        model.task,
        heads=heads,
        neurons=neurons,
        frequencies=frequencies,
        directions=directions,
        layers=layers,
        positions=positions,
        components=components,
        where=where,
        how=how,
        data=data,
        seed=seed,
        irreps=irreps,
    )
    return applied(model, ablation)


@contextmanager
def applied(model: Any, ablation: Ablation) -> Iterator[Any]:
    """The block of `ablate`, for a request that has been checked already against this model."""
    call = Call()
    edits = _edits(model, ablation, call)
    _take_references(model, ablation, [edit for _, edit in edits if isinstance(edit, Replace)])
    with ExitStack() as stack:
        for column, table in enumerate(_tables(model)):
            stack.callback(table.register_forward_pre_hook(call.seeing_tokens(column)).remove)
        if ablation.config.answers_at_positions:
            stack.callback(model.blocks[-1].register_forward_pre_hook(call.seeing_queries, with_kwargs=True).remove)
        for point, edit in edits:
            if point == LOGITS:
                handle = model.unembed.register_forward_hook(lambda module, _, x, edit=edit: edit(x, module))
                stack.callback(handle.remove)
            else:
                _add(stack, model.hook_dict[point], edit)
        yield model


def _add(stack: ExitStack, point: Any, edit: Callable[..., Tensor | None]) -> None:
    """Add a hook that the stack takes away again; it alone, unlike `reset_hooks`."""
    handle = point.add_hook(edit)

    def remove() -> None:
        handle.hook.remove()
        point.fwd_hooks = [other for other in point.fwd_hooks if other is not handle]

    stack.callback(remove)


def _tables(model: Any) -> list[nn.Module]:
    """The embedding modules: one, or one for each operand."""
    return [model.get_submodule(name) for name in model.config.tables]


# -- which edits an ablation is


def _edits(model: Any, ablation: Ablation, call: Call) -> list[tuple[str, Any]]:
    """(hook point, hook), in the order in which hooks of the same point are to run."""
    edits: list[tuple[str, Any]] = []

    def replace(point: str, **part: Any) -> None:
        edits.append((point, Replace(Part(point, **part), ablation, call)))

    config, where = ablation.config, ablation.where
    if ablation.waves and where == "embedding":
        edits.append(("hook_embed", EmbeddingWaves(ablation, call, _tables(model))))
    if ablation.waves and where == "logits":
        edits.append((LOGITS, TableWaves(ablation, call)))
    if ablation.waves and where == "mlp":
        edits += [(name, TableWaves(ablation, call)) for name in model.hook_dict if name.endswith("mlp.hook_post")]
    if config.has_positions and ablation.how == "zero":
        if "positions" in ablation.components:
            replace("hook_pos_embed")
        elif ablation.positions:
            replace("hook_pos_embed", entries=torch.tensor(ablation.positions), axis=1)
    if ablation.directions is not None:
        for point in _points_of_directions(ablation):
            last = point == LOGITS or _is_read_at_queries(point, config)
            replace(point, directions=ablation.directions, at_queries=last)
    for layer in range(len(model.blocks)):
        _edit_layer(layer, ablation, replace)
    if "direct_path" in ablation.components:
        edit = DirectPath(Part("blocks.0.hook_resid_pre"), ablation, call)
        edits.append(("blocks.0.hook_resid_pre", edit.keep_start))
        edits.append((f"blocks.{len(model.blocks) - 1}.hook_resid_post", edit))
    return edits


def _edit_layer(layer: int, ablation: Ablation, replace: Callable[..., None]) -> None:
    block, config = f"blocks.{layer}.", ablation.config
    neurons = ablation.of_layer(ablation.neurons, layer)
    if not config.layer_heads:
        if ablation.whole_mlp(layer):
            replace(block + "mlp.hook_post")
        elif neurons:
            replace(block + "mlp.hook_post", entries=torch.tensor(neurons))
        return
    last = layer == len(config.layer_heads) - 1
    if heads := ablation.of_layer(ablation.heads, layer):
        replace(block + "attn.hook_z", entries=torch.tensor(heads), at_queries=last)
    if neurons:
        replace(block + "mlp.hook_post", entries=torch.tensor(neurons), at_queries=last)
    if ablation.whole_attention(layer):
        replace(block + "hook_attn_out", at_queries=last)
    if ablation.whole_mlp(layer) and config.layer_neurons:
        replace(block + "hook_mlp_out", at_queries=last)


def _points_of_directions(ablation: Ablation) -> list[str]:
    assert ablation.directions is not None
    config = ablation.config
    if ablation.where == "logits":
        return [LOGITS]
    if ablation.where == "mlp":
        width = ablation.directions.shape[1]
        return [f"blocks.{layer}.mlp.hook_post" for layer, size in enumerate(config.layer_neurons) if size == width]
    return config.stream_points


def _is_read_at_queries(point: str, config: ModelConfig) -> bool:
    """Whether a point comes after the last block's queries: it sees only the positions that logits are asked for at."""
    last = f"blocks.{len(config.layer_heads) - 1}."
    return config.answers_at_positions and point.startswith(last) and not point.endswith("hook_resid_pre")


# -- references


def _take_references(model: Any, ablation: Ablation, edits: list[Replace]) -> None:
    """Give the edits the mean [1, position, ...] or all rows' values [n, position, ...], of the model without hooks."""
    if ablation.how == "zero" or not edits:
        return
    assert ablation.data is not None
    weights = next(model.parameters())
    # A copy, which has no hooks: not ours of an outer block, so that order does not matter, and not the caller's.
    clean = models.build(model.config, dict(model.named_parameters()), task=model.task)
    names = sorted({edit.part.point for edit in edits} - {LOGITS})
    taken: list[list[Tensor]] = [[] for _ in edits]
    with torch.no_grad():
        for rows in ablation.data.to(weights.device).split(rows_at_once(ablation.data)):
            logits, cache = clean.run_with_cache(rows, names_filter=names, return_cache_object=False)
            for edit, values in zip(edits, taken, strict=True):
                value = edit.part.take(logits if edit.part.point == LOGITS else cache[edit.part.point])
                # In float64, so that the mean of equal values is that value.
                share = len(rows) / len(ablation.data)
                values.append(value.double().mean(0, keepdim=True) * share if ablation.how == "mean" else value)
    for edit, values in zip(edits, taken, strict=True):
        if ablation.how == "resample":
            edit.reference = torch.cat(values)
        else:
            edit.reference = torch.cat(values).sum(0, keepdim=True).to(weights.dtype)
