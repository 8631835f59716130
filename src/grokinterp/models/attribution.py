"""Attribution: a logit's share by component, and what a component carries from one run to another.

Both are TransformerLens' own tools, `ActivationCache` and `transformer_lens.patching`, with these tasks' defaults: the
whole table, the right answers, the position the answer is read at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import ActivationCache, patching

from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.models.answers import answers as right_answers
from grokinterp.models.blocks import Norm
from grokinterp.models.hooked import HookedModule
from grokinterp.models.transformer import HookedTransformer
from grokinterp.tasks import Task

By = Literal["component", "head", "neuron"]
Metric = Callable[[Float[Tensor, "batch position column"]], Float[Tensor, ""]]

PATCHES: dict[str, Callable[..., Tensor]] = {
    "resid_pre": patching.get_act_patch_resid_pre,
    "resid_mid": patching.get_act_patch_resid_mid,
    "attn_out": patching.get_act_patch_attn_out,
    "mlp_out": patching.get_act_patch_mlp_out,
    "head": patching.get_act_patch_attn_head_out_all_pos,
    "head_by_position": patching.get_act_patch_attn_head_out_by_pos,
    "query": patching.get_act_patch_attn_head_q_all_pos,
    "key": patching.get_act_patch_attn_head_k_all_pos,
    "value": patching.get_act_patch_attn_head_v_all_pos,
    "pattern": patching.get_act_patch_attn_head_pattern_all_pos,
}
"""What can be patched: the stream and the sublayers' outputs [layer, position], heads [layer(, position), head]."""

CHUNK = 2**24
"""Numbers held at once while the stream is taken apart."""


class AttributionError(BadRequest):
    """An attribution that this model or these rows do not have."""


@dataclass(frozen=True, eq=False)
class LogitAttribution:
    """A logit, or a difference of two, as a sum over components.

    Attributes:
        labels: the components, in TransformerLens' words: `embed`, `pos_embed`, `0_attn_out`, `L0H1`, `L0N17`, ...
        values: [component, row], what each adds to the logit.
        constant: [row], what no component writes: `b_U`, and LayerNorm's `b @ W_U`. With values.sum(0) it is the logit.
    """

    labels: tuple[str, ...]
    values: Float[Tensor, "component row"]
    constant: Float[Tensor, "row"]

    def __getitem__(self, label: str) -> Float[Tensor, "row"]:
        """[row]: one component's share. Raises `AttributionError` for an unknown label."""
        if label not in self.labels:
            raise AttributionError(f"no component {label!r}.{did_you_mean(label, self.labels)} See .labels")
        return self.values[self.labels.index(label)]


def direct_logit_attribution(
    model: HookedModule,
    tokens: Int[Tensor, "row position"] | None = None,
    answers: Int[Tensor, "row"] | None = None,
    wrong: Int[Tensor, "row"] | None = None,
    by: str = "component",
) -> LogitAttribution:
    """What every component of the residual stream adds to the answer's logit, at the position the answer is read at.

    `tokens` are the task's table by default, `answers` their right answers; with `wrong`, the logit less that of those
    answers. `by="component"`: embeddings, attention and MLP of each layer (`ActivationCache.decompose_resid`);
    `"head"`: heads, MLPs and the sum of biases apart (`get_full_resid_decomposition`); `"neuron"`: neurons as well.
    LayerNorm is held fixed at each row's own scale. Raises `AttributionError` for a model without a residual
    stream or with LayerNorm after its sublayers, whose outputs do not add up.
    """
    transformer = _transformer(model)
    if by not in get_args(By):
        raise AttributionError(
            f"by={by!r} is unknown.{did_you_mean(by, get_args(By))} Choose of {listed(get_args(By))}"
        )
    if transformer.config.normalization == "post":
        raise AttributionError("with LayerNorm after them, outputs do not add up to a logit; use activation patching")
    tokens = cast(Tensor, _task(model).inputs if tokens is None else tokens)
    answers = cast(Tensor, answers_of(_task(model), tokens) if answers is None else answers)
    device = transformer.W_U.device
    tokens, answers = tokens.to(device), answers.to(device)
    directions = transformer.W_U[:, answers]
    constant = transformer.b_U[answers]
    if wrong is not None:
        wrong = wrong.to(answers.device)
        directions, constant = directions - transformer.W_U[:, wrong], constant - transformer.b_U[wrong]
    if isinstance(transformer.ln_final, Norm) and transformer.ln_final.b is not None:
        constant = constant + transformer.ln_final.b @ directions
    config = transformer.config
    n_components = config.n_layers * (config.n_heads + (config.mlp_size if by == "neuron" else 1)) + 3
    size = max(1, CHUNK // (n_components * config.d_model))
    parts, labels = [], list[str]()
    with torch.no_grad():
        for rows in torch.arange(len(tokens), device=tokens.device).split(size):
            _, cache = transformer.run_with_cache(tokens[rows])
            stack, labels = _decomposed(cast(ActivationCache, cache), by, _position(transformer))
            compared = None if wrong is None else wrong[rows]
            parts.append(cache.logit_attrs(stack, answers[rows], compared, pos_slice=_position(transformer)))
    return LogitAttribution(tuple(labels), torch.cat(parts, dim=1), constant.detach())


def _decomposed(cache: ActivationCache, by: str, position: int) -> tuple[Tensor, list[str]]:
    if by == "component":
        return cast(tuple[Tensor, list[str]], cache.decompose_resid(pos_slice=position, return_labels=True))
    return cast(
        tuple[Tensor, list[str]],
        cache.get_full_resid_decomposition(expand_neurons=by == "neuron", pos_slice=position, return_labels=True),
    )


def patch(
    model: HookedModule,
    clean: Int[Tensor, "row position"],
    corrupted: Int[Tensor, "corrupted_row position"],
    what: str = "head",
    metric: Metric | None = None,
) -> Float[Tensor, "layer *place"]:
    """Activation patching: how much of the clean run's answer one of its activations brings back in the corrupted run.

    One activation at a time, `what` of `PATCHES`; [layer, position] or [layer(, position), head]. The `metric` of the
    logits, by default the mean over rows of the clean answer's logit less the corrupted answer's, at the position read,
    is scaled so that 0 is the corrupted run and 1 the clean one. Raises `AttributionError` where these two do not
    differ, or rows do not match.
    """
    transformer = _transformer(model)
    if what not in PATCHES:
        raise AttributionError(f"what={what!r} is unknown.{did_you_mean(what, PATCHES)} Choose of {listed(PATCHES)}")
    for name, rows in (("clean", clean), ("corrupted", corrupted)):
        if not isinstance(rows, Tensor) or rows.ndim != 2:
            raise AttributionError(f"{name}={shown(rows)} must be rows of tokens, as in run.task.inputs[[0, 1]]")
    if not len(clean):
        raise AttributionError("clean and corrupted have no rows; give some, as in run.task.inputs[[0, 1]]")
    if clean.shape != corrupted.shape:
        raise AttributionError(
            f"clean is {[*clean.shape]} and corrupted {[*corrupted.shape]}; pair the rows one to one"
        )
    if metric is not None and not callable(metric):
        raise AttributionError(f"metric={shown(metric)} must be a function of the logits that gives one number")
    if metric is None:
        metric = answer_difference(transformer, clean, corrupted)
    with torch.no_grad():
        logits, cache = transformer.run_with_cache(clean)
        ceiling, floor = metric(logits), metric(transformer(corrupted))
        if not isinstance(ceiling, float) and not (isinstance(ceiling, Tensor) and ceiling.numel() == 1):
            given = f"a tensor of shape {[*ceiling.shape]}" if isinstance(ceiling, Tensor) else shown(ceiling)
            raise AttributionError(f"the metric gives {given}; it must give one number, such as the mean over rows")
        if ceiling == floor:
            raise AttributionError("the metric is the same on clean and corrupted rows; corrupt what it depends on")
        return (PATCHES[what](transformer, corrupted, cache, metric) - floor) / (ceiling - floor)


def answer_difference(
    model: HookedTransformer, clean: Int[Tensor, "row position"], corrupted: Int[Tensor, "row position"]
) -> Metric:
    """Mean over rows of the clean answer's logit less the corrupted answer's, at the position the answer is read at."""
    task, position = _task(model), _position(model)
    right, wrong = answers_of(task, clean).to(clean.device), answers_of(task, corrupted).to(clean.device)
    rows = torch.arange(len(clean), device=clean.device)
    return lambda logits: (logits[rows, position, right] - logits[rows, position, wrong]).mean()


def answers_of(task: Task, tokens: Int[Tensor, "row position"]) -> Int[Tensor, "row"]:
    """[row]: the right answers of rows of the task's table, in any order and number; of several scored the first.

    Raises `BadRequest` for rows that are not in it.
    """
    labels = right_answers(task, tokens)
    return labels if labels.ndim == 1 else labels[:, 0]


def _transformer(model: HookedModule) -> HookedTransformer:
    if not isinstance(model, HookedTransformer):
        raise AttributionError(
            f"an {type(model).__name__} has no residual stream to take apart; its logits are the last "
            "`mlp.hook_post` @ model.W_U + model.b_U"
        )
    return model


def _task(model: HookedModule) -> Task:
    if model.task is None:
        raise AttributionError("this model has no task, so its answers are unknown; give tokens= and answers=")
    return model.task


def _position(model: HookedModule) -> int:
    return -1 if model.task is None else model.task.positions[0]
