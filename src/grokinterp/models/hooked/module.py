"""What every model of the project shares: TransformerLens' hooks, made strict, and its task's vocabulary."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from inspect import CO_VARKEYWORDS, signature
from types import SimpleNamespace
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

import torch
import torch.nn as nn
from jaxtyping import Int
from numpy.typing import ArrayLike
from torch import Tensor
from transformer_lens import ActivationCache, HookedRootModule

from grokinterp.config import ModelConfig
from grokinterp.config.validation import check_function, checks_switches, shown
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.models.answers import answer_loss, check_whole, read_rows
from grokinterp.models.initialisation import checked_or_fresh
from grokinterp.models.parameters import check_state
from grokinterp.tasks import as_tensor

Names: TypeAlias = str | Iterable[str] | Callable[[str], bool]
Hooks: TypeAlias = Iterable[tuple[str | Callable[[str], bool], Callable[..., Any]]]
ReturnType: TypeAlias = Literal["logits", "loss", "both"] | None
Config = TypeVar("Config", bound=ModelConfig)


class UnknownHookError(BadRequest):
    """A hook name that this model does not have, or does not compute as it is set."""


def adopt(module: nn.Module, parameters: Mapping[str, Tensor], prefix: str) -> None:
    """Register the parameters named `prefix` + one word on a module, under that word."""
    for name, value in parameters.items():
        if name.startswith(prefix) and "." not in name[len(prefix) :]:
            module.register_parameter(
                name[len(prefix) :], nn.Parameter(value.detach().clone(memory_format=torch.contiguous_format))
            )


def completed(config: Config, task: Any) -> Config:
    """The config with the sizes it leaves open taken from the task, where there is one."""
    if task is None:
        return config
    return cast(Config, config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1]))


@cache
def _parameters_of_forward(model: type[nn.Module]) -> tuple[str, ...]:
    """The names of what a model is called with, the rows' first."""
    return tuple(signature(model.forward).parameters)[1:]


def check_device(device: Any) -> None:
    """Refuse what torch knows no device by."""
    try:
        torch.device("cpu" if device is None else device)
    except (RuntimeError, TypeError):
        raise BadRequest(f"device={shown(device)} is none; give 'cpu' or 'cuda', or leave it out") from None


def _pairs(hooks: Any) -> list[tuple[Any, Any]]:
    """Hooks as pairs of name and function. Raises `BadRequest` for anything else."""
    given = hooks if isinstance(hooks, str | Mapping) or not isinstance(hooks, Iterable) else list(hooks)
    if not isinstance(given, list) or not all(isinstance(each, list | tuple) and len(each) == 2 for each in given):
        raise BadRequest(f"hooks are pairs, as in fwd_hooks=[('blocks.0.mlp.hook_post', function)], not {shown(given)}")
    return [(name, hook) for name, hook in given]


class HookedModule(HookedRootModule, Generic[Config]):
    """`HookedRootModule` that refuses unknown hook names instead of doing nothing, and knows its task's tokens.

    It is built in evaluation mode, which TransformerLens requires (nothing in it differs in training mode).

    Args:
        config: what it looks like; sizes left open are taken from `task`, and `model.config` has them all.
        parameters: its weights by classic name (`parameters.parameter_shapes`), copied; fresh ones by default.
        seed: of fresh weights.
        task: what it was made for, kept as `model.task`.

    Raises `ConfigError` where sizes are open without a task, `ParameterError` where the weights do not fit.
    """

    config: Config
    task: Any

    def __init__(self, config: Config, parameters: Mapping[str, Tensor] | None = None, seed: int = 0, task: Any = None):
        super().__init__()
        if not isinstance(config, ModelConfig) or not (task is None or hasattr(task, "inputs")):
            wrong = f"task={shown(task)}" if isinstance(config, ModelConfig) else f"config={shown(config)}"
            raise BadRequest(f"{wrong} is none; a model is built of such as gi.RunConfig().model and gi.Task('a + b')")
        self.config = completed(config, task)
        self.task = task
        self.assemble(self.config, checked_or_fresh(self.config, parameters, seed))
        self.setup()
        self.eval()

    def assemble(self, config: Config, parameters: Mapping[str, Tensor]) -> None:
        """Make the modules, from parameters that fit; `__init__` calls it once."""
        raise NotImplementedError

    @checks_switches
    def __call__(
        self, *rows: Any, return_type: ReturnType = "logits", loss_per_token: bool = False, **options: Any
    ) -> Any:
        """Call the model on rows: a tensor, an array, lists, or text such as `"3 5 ="`; of one row a batch of one.

        `return_type` is `"logits"`, `"loss"`, `"both"` (logits, loss) or None, as in TransformerLens. The loss is the
        mean cross-entropy of the task's answers at the positions that are scored, in nats (the mean square where
        answers are numbers); `loss_per_token` gives it [batch, t] for each. `options` are those of the model's
        `forward`. Raises `BadRequest` for rows or options that it does not take, and for the loss of rows that are
        none of its task's.
        """
        if return_type not in ("logits", "loss", "both", None):
            raise BadRequest(f"return_type={shown(return_type)} is none; choose one of 'logits', 'loss', 'both', None")
        first, *known = _parameters_of_forward(type(self))
        given = rows or tuple(options.pop(name) for name in (first, "input") if name in options)
        unknown = [name for name in options if name not in known]
        if not given or unknown:
            wrong = f"it takes no {listed(unknown)}" if unknown else "it was given no rows"
            raise BadRequest(
                f"a {type(self).__name__} is called as model(task.inputs): {wrong}; "
                f"its options are {listed(('return_type', 'loss_per_token', *known))}"
            )
        if loss_per_token and return_type not in ("loss", "both"):
            raise BadRequest("loss_per_token is of a loss; give return_type='loss' or 'both', or leave it out")
        read = given[0] if options.get("start_at_layer") is not None else read_rows(self, given[0])
        output = super().__call__(read, *given[1:], **options)
        if return_type is None and options.get("stop_at_layer") is None:
            return None
        if return_type in ("logits", None):
            return output
        if len(given) > 1 or any(value is not None for value in options.values()):
            raise BadRequest(f"a loss is of whole rows; leave {listed(options) or known[0]} out, or return_type out")
        loss = answer_loss(self.config, self.task, output, read, loss_per_token)
        return loss if return_type == "loss" else (output, loss)

    def idle_hooks(self) -> dict[str, str]:
        """Hook points that exist but are not computed as the model is set -> the call that switches them on."""
        return {}

    @property
    def cfg(self) -> Any:
        """The sizes that TransformerLens' `ActivationCache` asks for; here those of a model without attention."""
        weights, config = next(self.parameters()), self.config
        return SimpleNamespace(
            n_layers=len(config.layer_neurons),
            n_heads=0,
            n_key_value_heads=None,
            d_model=config.stream_width,
            d_mlp=next(iter(config.layer_neurons), None),
            attn_only=False,
            normalization_type=None,
            act_fn=None,
            d_vocab=config.n_tokens,
            d_vocab_out=config.d_vocab_out,
            n_ctx=config.n_positions(config.row_width or 0),
            device=str(weights.device),
            dtype=weights.dtype,
        )

    # -- names are checked wherever TransformerLens takes them

    def _check_names(self, wanted: Names) -> None:
        """Raise `UnknownHookError` unless every name, or a name that a predicate accepts, is computed."""
        idle = self.idle_hooks()
        if callable(wanted):
            matched = [name for name in self.hook_dict if wanted(name)]
            if matched and all(name in idle for name in matched):
                self._check_names(matched[0])
            if not matched:
                raise UnknownHookError(
                    f"the filter accepts no hook point; this {type(self).__name__} has {listed(self.hook_dict)}"
                )
            return
        for name in [wanted] if isinstance(wanted, str) else wanted:
            if name not in self.hook_dict:
                endings = dict.fromkeys(known.rsplit(".", 1)[-1] for known in self.hook_dict)
                near = did_you_mean(name, (*self.hook_dict, *endings))
                raise UnknownHookError(
                    f"no hook point {name!r}.{near} This {type(self).__name__} has {listed(self.hook_dict)}"
                )
            if name in idle:
                raise UnknownHookError(f"{name!r} is not computed unless asked for: call model.{idle[name]} first")

    def _check_hook(self, name: str | Callable[[str], bool], hook: Any) -> None:
        """Raise `BadRequest` for what is no name or cannot be called, which would fail in the middle of a call."""
        if not isinstance(name, str) and not callable(name):
            raise UnknownHookError(
                f"a hook point is named by text or a filter, not by {shown(name)}; see model.hook_dict"
            )
        self._check_names(name)
        check_function("hook", hook, example := "lambda activation, hook: 0 * activation")
        # By its code, which is there at once where the whole signature is put together from it.
        code = getattr(hook, "__code__", None)
        if code is not None and not code.co_flags & CO_VARKEYWORDS:
            if "hook" not in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
                raise BadRequest(f"a hook is called as function(activation, hook=...); give it that, as in {example}")

    def hooks(self, fwd_hooks: Hooks = (), bwd_hooks: Hooks = (), *args: Any, **kwargs: Any) -> Any:
        """A context manager that adds hooks for its block only.

        Raises `UnknownHookError` for a name not computed, and `BadRequest` for what are no pairs of name and function.
        """
        forward, backward = _pairs(fwd_hooks), _pairs(bwd_hooks)
        for name, hook in (*forward, *backward):
            self._check_hook(name, hook)
        return super().hooks(forward, backward, *args, **kwargs)

    @checks_switches
    def run_with_hooks(
        self,
        *inputs: Any,
        fwd_hooks: Hooks = (),
        bwd_hooks: Hooks = (),
        reset_hooks_end: bool = True,
        clear_contexts: bool = False,
        **kwargs: Any,
    ) -> Any:
        """What a call gives, of all rows and with all options that a call takes, with hooks for its length.

        Backward hooks stay for a backward pass where `reset_hooks_end` is False.
        """
        with self.hooks(fwd_hooks, bwd_hooks, reset_hooks_end, clear_contexts) as hooked:
            return hooked(*inputs, **kwargs)

    def add_hook(
        self,
        name: str | Callable[[str], bool],
        hook: Callable[..., Any],
        dir: Literal["fwd", "bwd"] = "fwd",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Add a hook that stays until `reset_hooks`. Raises `UnknownHookError` for a name not computed."""
        self._check_hook(name, hook)
        if dir not in ("fwd", "bwd"):
            raise BadRequest(f"dir={shown(dir)} is no direction of a hook; choose 'fwd' or 'bwd'")
        super().add_hook(name, hook, dir, *args, **kwargs)

    @checks_switches
    def reset_hooks(self, clear_contexts: bool = True, direction: str = "both", *args: Any, **kwargs: Any) -> None:
        """TransformerLens' own. Raises `BadRequest` for a direction that no hook has, of which none would be reset."""
        if direction not in ("fwd", "bwd", "both"):
            raise BadRequest(f"direction={shown(direction)} is none of hooks; choose 'fwd', 'bwd' or 'both'")
        super().reset_hooks(clear_contexts, direction, *args, **kwargs)  # type: ignore[arg-type]

    def get_caching_hooks(self, names_filter: Names | None = None, *args: Any, **kwargs: Any) -> Any:
        """TransformerLens' own, with its names checked."""
        return super().get_caching_hooks(self._checked_filter(names_filter), *args, **kwargs)

    def add_caching_hooks(self, names_filter: Names | None = None, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """TransformerLens' own, with its names checked."""
        return super().add_caching_hooks(self._checked_filter(names_filter), *args, **kwargs)

    def _checked_filter(self, names: Names | None) -> Callable[[str], bool]:
        """The filter in its one general form, which leaves out what is not computed."""
        if names is not None and not callable(names):
            if not isinstance(names, str) and not isinstance(names, Iterable):
                raise UnknownHookError(f"names_filter={shown(names)} names no hook points; see model.hook_dict")
            names = [names] if isinstance(names, str) else list(names)
        if names is not None:
            self._check_names(names)
        idle = self.idle_hooks()
        is_wanted = names if callable(names) else lambda name: names is None or name in names
        return {name for name in self.hook_dict if name not in idle and is_wanted(name)}.__contains__

    @checks_switches
    def run_with_cache(
        self, *inputs: Any, remove_batch_dim: bool = False, return_cache_object: bool = True, **kwargs: Any
    ) -> tuple[Any, Any]:
        """The output and the activations, detached: `logits, cache = model.run_with_cache(tokens, names_filter=[...])`.

        The cache is TransformerLens' `ActivationCache`, which keeps the model alive; `return_cache_object=False`
        gives a plain dictionary. Other keywords as in `HookedRootModule.run_with_cache`, or the model's `forward`.
        Raises `UnknownHookError` for a name in `names_filter` that is not computed.
        """
        n_rows = max((len(each) for each in inputs[:1] if isinstance(each, Tensor) and each.ndim > 1), default=1)
        if remove_batch_dim and n_rows != 1:
            raise BadRequest(f"{n_rows} rows have a batch dimension; give one row, or leave remove_batch_dim out")
        check_device(kwargs.get("device"))
        output, cache = super().run_with_cache(*inputs, remove_batch_dim=remove_batch_dim, **kwargs)
        if return_cache_object:
            cache = ActivationCache(cache, self, has_batch_dim=not remove_batch_dim)
        return output, cache

    @checks_switches
    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """torch's own, once all of it is known to fit: no weight changes otherwise. Raises `ParameterError`."""
        check_state(self.state_dict(), state_dict, strict)
        return super().load_state_dict(state_dict, strict, assign)

    # -- tokens

    def to_single_token(self, token: str) -> int:
        """The id of one token of the task's vocabulary, such as `"17"` or `"="`. Raises `BadRequest` for any other."""
        if self.task is None:
            raise BadRequest("this model has no task to name its tokens; give token ids, or build it with a task")
        if token not in self.task.tokens:
            near = did_you_mean(token, self.task.tokens)
            raise BadRequest(f"{token!r} is not a token.{near} The tokens: {listed(self.task.tokens)}")
        return self.task.tokens.index(token)

    @checks_switches
    def to_tokens(
        self, text: str | Sequence[Any] | Tensor | ArrayLike, prepend_bos: bool | None = None
    ) -> Int[Tensor, "batch pos"]:
        """Token ids [batch, pos] of a line such as `"3 5 ="` (tokens apart by spaces), of several, or of ids."""
        if prepend_bos:
            raise BadRequest("these vocabularies have no beginning-of-sequence token; leave prepend_bos out")
        rows = [text] if isinstance(text, str) else text
        if isinstance(rows, list | tuple):
            lines = [row for row in rows if isinstance(row, str)]
            if lines and len(lines) == len(rows):
                rows = [[self.to_single_token(token) for token in line.split()] for line in lines]
        ids = as_tensor(rows, "tokens", "ids or text of equally long rows, as in '3 5 ='")
        check_whole(ids)
        return torch.atleast_2d(ids.to(next(self.parameters()).device, torch.int64))
