"""Optimiser: torch's, with the decay kinds, Grokfast and fixed norm of the grokking literature around it."""

# pyright: reportPrivateImportUsage=false
# torch's own optimisers are written with its _foreach functions: one call for all parameters.

import math
from collections import deque
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp.config import OptimiserConfig
from grokinterp.training.torch_optimisers import uncompiled
from grokinterp.training.torch_optimisers.muon import MatrixMuon


class Optimiser:
    """Updates named parameters in place from their `.grad`. Nothing in `step` waits for the device.

    `steps` is the length of the run, for the cosine schedule; `seed` feeds the noise of `jiggle`, `update_noise` and
    `weight_noise`.
    """

    def __init__(self, config: OptimiserConfig, parameters: dict[str, Tensor], steps: int, seed: int = 0):
        self.config = config
        self.steps = steps
        self.names = list(parameters)
        self.parameters = list(parameters.values())
        own = "to_zero" if config.optimiser in ("adamw", "muon") else "gradient"
        self.decay_kind = own if config.decay_kind == "own" else config.decay_kind
        self.torch_optimiser = _torch_optimiser(config, parameters, self.decay_kind)
        self._update = uncompiled.step_of(self.torch_optimiser)
        device = self.parameters[0].device if self.parameters else torch.device("cpu")
        self.generator = torch.Generator(device).manual_seed(seed)
        needs_initial = self.decay_kind == "to_init"
        self.initial = [p.detach().clone() for p in self.parameters] if needs_initial else []
        self.held_norm = _norm(self.parameters) if config.fixed_norm else None
        if config.norm_multiple is not None:
            self.held_norm = config.norm_multiple * _norm(self.parameters)
        self.average: list[Tensor] = []
        self.window: deque[list[Tensor]] = deque()

    def learning_rate(self, step: int) -> float:
        """The rate of update `step` (0-based): min(step / warmup, 1), then constant or a cosine to `lr_final`."""
        config = self.config
        rate = config.lr * min(step / config.warmup_steps, 1.0) if config.warmup_steps else config.lr
        if config.lr_schedule == "cosine":
            progress = min(step / max(self.steps, 1), 1.0)
            rate *= config.lr_final + (1 - config.lr_final) * (1 + math.cos(math.pi * progress)) / 2
        return rate

    def noisy(self, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the next forward pass runs on: `parameters`, with `weight_noise` on those that train.

        Fresh noise each time; gradients reach the parameters as if there were none.
        """
        if not self.config.weight_noise:
            return parameters
        noise = dict(zip(self.names, self._noise(), strict=True))
        scale = self.config.weight_noise
        return {name: p + scale * noise[name] if name in noise else p for name, p in parameters.items()}

    @torch.no_grad()
    def step(self, step: int) -> None:
        """Apply update `step` and clear the gradients."""
        rate = self.learning_rate(step)
        for group in self.torch_optimiser.param_groups:
            group["lr"] = rate
        if self.config.perpendicular_gradient:
            self._turn_gradients()
        self._amplify_slow_gradients()
        self._decay(rate * self.config.weight_decay)
        self._update()
        if self.config.update_noise:
            scale = rate * self.config.update_noise
            torch._foreach_add_(self.parameters, self._noise(), alpha=scale)
        if self.held_norm is not None and step >= self.config.norm_from_step:
            torch._foreach_mul_(self.parameters, self.held_norm / _norm(self.parameters))
        for parameter in self.parameters:
            parameter.grad = None

    def _turn_gradients(self) -> None:
        # Prieto et al. 2025, eq. 9: g - (w.g / w.w) w. One that is zero has no direction, and keeps its gradient.
        for parameter in self.parameters:
            if parameter.grad is not None:
                along = (parameter * parameter.grad).sum() / (parameter * parameter).sum()
                parameter.grad.sub_(along.nan_to_num(0.0, 0.0, 0.0) * parameter)

    def _amplify_slow_gradients(self) -> None:
        # Grokfast (Lee et al. 2024), algorithms 1 (MA) and 2 (EMA).
        config = self.config
        if config.grokfast == "none":
            return
        grads = [p.grad for p in self.parameters if p.grad is not None]
        if config.grokfast == "ema":
            if not self.average:
                self.average = [g.clone() for g in grads]
            torch._foreach_lerp_(self.average, grads, 1 - config.grokfast_alpha)
            torch._foreach_add_(grads, self.average, alpha=config.grokfast_lambda)
            return
        self.window.append([g.clone() for g in grads])
        if not self.average:
            self.average = [torch.zeros_like(g) for g in grads]
        torch._foreach_add_(self.average, self.window[-1], alpha=1 / config.grokfast_window)
        if len(self.window) > config.grokfast_window:
            torch._foreach_sub_(self.average, self.window.popleft(), alpha=1 / config.grokfast_window)
        if len(self.window) == config.grokfast_window:
            torch._foreach_add_(grads, self.average, alpha=config.grokfast_lambda)

    def _decay(self, amount: float) -> None:
        if amount == 0 or self.decay_kind == "gradient":
            return
        if self.decay_kind == "to_init":
            torch._foreach_lerp_(self.parameters, self.initial, amount)
        elif self.decay_kind == "jiggle":
            torch._foreach_mul_(self.parameters, [noise.mul_(amount).exp_() for noise in self._noise()])
        elif self.config.optimiser not in ("adamw", "muon"):
            torch._foreach_mul_(self.parameters, 1 - amount)

    def _noise(self) -> list[Tensor]:
        return [torch.randn(p.shape, generator=self.generator, device=p.device) for p in self.parameters]

    def state(self) -> dict[str, Tensor]:
        """Everything beside the parameters that the next update depends on, as named CPU tensors."""
        tensors = {"generator": self.generator.get_state()}
        for name, parameter in zip(self.names, self.parameters, strict=True):
            moments = self.torch_optimiser.state[parameter]
            tensors.update({f"moment.{key}.{name}": v for key, v in moments.items() if isinstance(v, Tensor)})
        lists = {"initial": self.initial, "average": self.average}
        lists.update({f"window.{age:05d}": grads for age, grads in enumerate(self.window)})
        for label, values in lists.items():
            tensors.update({f"{label}.{name}": value for name, value in zip(self.names, values, strict=bool(values))})
        if self.held_norm is not None:
            tensors["initial_norm"] = self.held_norm  # as runs on disk call it
        return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`, for an optimiser of the same configuration and parameters."""

        def named(label: str) -> list[Tensor]:
            loaded = [tensors.get(f"{label}.{name}") for name in self.names]
            pairs = zip(loaded, self.parameters, strict=True)
            return [value.to(parameter.device) for value, parameter in pairs if value is not None]

        self.generator.set_state(tensors["generator"])
        self.initial, self.average = named("initial"), named("average")
        ages = sorted({key.split(".")[1] for key in tensors if key.startswith("window.")})
        self.window = deque(named(f"window.{age}") for age in ages)
        if self.held_norm is not None:
            self.held_norm = tensors["initial_norm"].to(self.parameters[0].device)
        for name, parameter in zip(self.names, self.parameters, strict=True):
            moments = {
                key.split(".")[1]: value
                for key, value in tensors.items()
                if key.startswith("moment.") and key.split(".", 2)[2] == name
            }
            # All of them beside their parameter: fused, as it is here, Adam wants its step count there too.
            if moments:
                on_device = {key: value.to(parameter.device) for key, value in moments.items()}
                self.torch_optimiser.state[parameter] = on_device


def _torch_optimiser(
    config: OptimiserConfig, named: Mapping[str, Tensor], decay_kind: str
) -> torch.optim.Optimizer | MatrixMuon:
    betas, parameters = (config.beta1, config.beta2), list(named.values())
    if config.optimiser == "muon":
        return MatrixMuon(config, named, config.weight_decay if decay_kind == "to_zero" else 0.0)
    l2 = config.weight_decay if decay_kind == "gradient" else 0.0
    if config.optimiser == "sgd":
        return uncompiled.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=l2)
    if config.optimiser == "adamw" and decay_kind == "to_zero":
        decoupled = config.weight_decay
        return uncompiled.AdamW(
            parameters, lr=config.lr, betas=betas, eps=config.eps, weight_decay=decoupled, fused=True
        )
    return uncompiled.Adam(parameters, lr=config.lr, betas=betas, eps=config.eps, weight_decay=l2, fused=True)


def _norm(tensors: list[Tensor]) -> Float[Tensor, ""]:
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))
