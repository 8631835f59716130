"""OwnModule: a network of a user's own code, without hook points, whose answers are read as those of our models are."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from grokinterp.config.own_module import OwnModuleConfig
from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest, listed
from grokinterp.models.hooked import HookedModule
from grokinterp.models.own.tensors import misfits, own_tensors


class OwnModule(HookedModule[OwnModuleConfig]):
    """A module with the weights of a checkpoint, called as it is; there is nothing in it to hook."""

    def assemble(self, config: OwnModuleConfig, parameters: Mapping[str, Tensor]) -> None:
        self.inner = made(config)
        self.inner.load_state_dict(own_tensors(config, parameters), strict=False)

    def forward(self, rows: Shaped[Tensor, "batch width"]) -> Float[Tensor, "batch position column"]:
        """Its logits; at one position where it gives no more."""
        return at_positions(self.inner(rows))


def at_positions(output: Tensor) -> Float[Tensor, "batch position column"]:
    """Logits [n, answers] as those of one position; [n, positions, vocabulary] as they are."""
    return output[:, None] if output.ndim == 2 else output


def made(config: OwnModuleConfig) -> nn.Module:
    """The module, made anew, in evaluation mode.

    Raises `BadRequest` where nobody said what makes it, or where what is made is not the module of the checkpoints.
    """
    if config.make is None:
        raise BadRequest(config.why_not_made)
    module = config.make()
    if not isinstance(module, nn.Module):
        raise BadRequest(f"module= makes a {type(module).__name__} and no nn.Module; give its class, or what makes one")
    if differences := list(misfits(config, module)):
        raise BadRequest(
            f"the {type(module).__name__} that module= makes is not the one of these checkpoints: "
            f"{listed(differences[:4])}; make it with the sizes it was trained with"
        )
    return module.eval()


def maker(module: Any) -> Callable[[], Any]:
    """What makes a module: a class or a function; of a module itself, copies. Raises `BadRequest` for anything else."""
    if isinstance(module, nn.Module):
        return lambda: deepcopy(module)
    if not callable(module):
        raise BadRequest(f"module={shown(module)} makes no module; give its class, or a function without arguments")
    return module
