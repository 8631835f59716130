"""The local learning coefficient: how degenerate the training loss is around the weights (Lau et al. 2023)."""

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.evaluation.flat_loss import FlatLoss, gradient_of
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

SOURCE = "Lau et al. 2023 (arXiv 2308.12108), sampled by devinterp's SGLD"

SHARE = 0.5
"""The step size, times the largest curvature that is sampled in. At 4 a chain diverges; at this the stiffest direction
spreads 1 / (1 - SHARE / 4) times, 14 %, too far, and every other one by less."""

CURVATURES = 12
"""Iterations in which the largest curvature of the loss is found."""

AGREE = 1.1
"""The R-hat up to which chains are said to agree (Gelman and Rubin 1992)."""

Loss: TypeAlias = Callable[[Tensor], Tensor]


def largest_curvature(loss: Loss, x0: Float[Tensor, "n"], seed: int = 0, h: float = 1e-4) -> float:
    """The size of the Hessian's largest eigenvalue, by power iteration on differences of gradients; float64."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    size = 0.0
    for _ in range(CURVATURES):
        direction = direction / direction.norm()
        product = (gradient_of(loss, x0 + h * direction) - gradient_of(loss, x0 - h * direction)) / (2 * h)
        size = product.norm().item()
        if size == 0:
            return 0.0
        direction = product
    return size


def sample_losses(
    loss: Callable[[Tensor, torch.Generator], Tensor],
    x0: Float[Tensor, "n"],
    *,
    rate: float,
    n_beta: float,
    localisation: float,
    burn_in: int,
    draws: int,
    seed: int,
) -> Float[Tensor, "draw"]:
    """The losses along one chain of devinterp's SGLD around x0, after `burn_in` steps.

    It samples exp(-n_beta L(x) - localisation |x - x0|^2 / 2). `loss` draws its rows with the generator it is given.
    """
    from devinterp.optim import SGMCMC

    generator = torch.Generator().manual_seed(seed)
    x = torch.nn.Parameter(x0.detach().clone())
    sampler = SGMCMC.sgld([x], lr=rate, nbeta=n_beta, localization=localisation)
    losses = torch.empty(burn_in + draws, dtype=torch.float64)
    for i in range(len(losses)):
        sampler.zero_grad()
        with torch.enable_grad():
            value = loss(x, generator)
            value.backward()
        losses[i] = value.detach()
        sampler.step(noise_generator=generator)
    return losses[burn_in:]


def r_hat(chains: Float[Tensor, "chain draw"]) -> float:
    """Split R-hat (Gelman and Rubin 1992; Gelman et al. 2013): 1 where the halves of all chains agree.

    NaN of fewer than four draws. Chains that do not move at all agree: 1.
    """
    half = chains.shape[1] // 2
    if half < 2:
        return math.nan
    parts = torch.cat([chains[:, :half], chains[:, -half:]]).double()
    within, between = parts.var(1).mean(), half * parts.mean(1).var()
    if within == 0:
        return 1.0 if between == 0 else math.inf
    return ((within * (half - 1) / half + between / half) / within).sqrt().item()


@dataclass(frozen=True)
class LocalLearningCoefficient(Circuit):
    """lambda = n beta (E[L(w)] - L(w*)), the expectation over weights w sampled around the checkpoint's w*.

    L is the mean loss of the training rows and n beta = n / ln n (Watanabe), or `n_beta`. Chains start at w* and draw
    up to `rows` rows a step. In a regular network lambda is half the number of weights; the less the loss grows in
    some directions, the smaller. Were the hypothesis false that memorising is less degenerate than understanding, it
    would not fall as a run groks.

    The step size is calibrated, unless `rate` gives it: SHARE over n beta times the largest curvature plus the
    localisation. Beside the estimate stand the standard error over chains and R-hat, which is above AGREE where chains
    are too short: the estimate then depends on where they start. Away from a minimum the estimate may be negative. It
    needs devinterp (`pip install "grokinterp[llc]"`).
    """

    name: ClassVar[str] = "local_learning_coefficient"
    descriptions: ClassVar[Mapping[str, str]] = {
        "llc": "the local learning coefficient, an effective number of parameters, the mean over chains",
        "llc_standard_error": "its standard error over chains",
        "llc_r_hat": "how far the chains agree; near 1 where they do",
        "llc_rate": "the step size of the sampler",
        "llc_curvature": "the largest curvature of the training loss at the checkpoint",
        "llc_trace": "the loss of the rows drawn at every draw of every chain",
    }
    only_on_request: ClassVar[bool] = True
    chains: int = 4
    burn_in: int = 100
    draws: int = 200
    rows: int = 512
    localisation: float = 5.0
    n_beta: float | None = None
    rate: float | None = None
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        if snapshot.task.is_train is None or int(snapshot.task.is_train.sum()) < 2:
            return "fewer than two rows of the table are trained on, so there is no training loss to sample"
        if importlib.util.find_spec("devinterp") is None:
            return 'devinterp is not installed; pip install "grokinterp[llc]"'
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task = snapshot.task
        assert task.is_train is not None
        flat, train = FlatLoss(snapshot), task.is_train.nonzero().flatten()
        n, size = len(train), min(self.rows, len(train))
        n_beta = n / math.log(n) if self.n_beta is None else self.n_beta

        def some(x: Tensor, generator: torch.Generator) -> Tensor:
            # All of them in one order where none is left out: then a chain's only noise is its own.
            return flat(x, train if size == n else train[torch.randperm(n, generator=generator)[:size]])

        curvature = largest_curvature(lambda x: flat(x, train), flat.x0, self.seed)
        rate = SHARE / (n_beta * curvature + self.localisation) if self.rate is None else self.rate
        with torch.no_grad():
            start = flat(flat.x0, train).item()
        losses = torch.stack(
            [
                sample_losses(
                    some, flat.x0, rate=rate, n_beta=n_beta, localisation=self.localisation, burn_in=self.burn_in,
                    draws=self.draws, seed=self.seed + chain,
                )
                for chain in range(self.chains)
            ]
        )  # fmt: skip
        by_chain = n_beta * (losses.mean(1) - start)
        words = f"{self.chains} chains of {self.draws} draws, n beta {n_beta:.4g}, localisation {self.localisation:g}"
        variable = lambda dims, values, units, what: Variable(dims, values, units, f"{what}; {words}; {SOURCE}")
        scalars: dict[str, tuple[Any, str, str]] = {
            "llc": (by_chain.mean(), "1", "mean over chains"),
            "llc_standard_error": (by_chain.std() / math.sqrt(self.chains), "1", "over chains"),
            "llc_r_hat": (r_hat(losses), "1", f"of the losses, split; at most {AGREE} where chains agree"),
            "llc_rate": (rate, "1", "calibrated" if self.rate is None else "given"),
            "llc_curvature": (curvature, "nats", "largest curvature of the training loss"),
        }
        variables = {name: variable((), *given) for name, given in scalars.items()}
        variables["llc_trace"] = variable(("chain", "draw"), losses, "nats", "loss of the rows drawn, after burn-in")
        return readout(variables)
