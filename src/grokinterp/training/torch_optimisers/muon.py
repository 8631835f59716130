"""Muon on the matrices between the embeddings, AdamW on everything else, as one optimiser."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from grokinterp.config import OptimiserConfig
from grokinterp.training.torch_optimisers import uncompiled

MOMENTUM = 0.95
"""Of the mean gradient that is made orthogonal: Jordan et al. 2024, and torch's own."""


class MatrixMuon:
    """torch's Muon and AdamW side by side, with what `Optimiser` asks of one of torch's own.

    A matrix of several heads is one for each. Embeddings, the unembedding, biases and gains are AdamW's, as Muon's
    authors have it. The rate is scaled by 0.2 sqrt(longer side) (Liu et al. 2025), so that an update is as large as
    AdamW's and a recipe's rate and decay mean what they meant.

    Attributes:
        param_groups: of both. state: by parameter, its moments.
    """

    def __init__(self, config: OptimiserConfig, parameters: Mapping[str, Tensor], weight_decay: float):
        self.matrices = [p for name, p in parameters.items() if p.ndim > 1 and name.startswith("blocks.")]
        self.others = [p for p in parameters.values() if not any(p is matrix for matrix in self.matrices)]
        # Detached views share memory with the parameters, and torch's Muon wants a matrix each.
        self.views = [list(p.detach().flatten(0, -3)) if p.ndim > 2 else [p.detach()] for p in self.matrices]
        shared: dict[str, Any] = {"lr": config.lr, "weight_decay": weight_decay}
        every = [view for views in self.views for view in views]
        self.muon = (
            uncompiled.Muon(every, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw", **shared) if every else None
        )
        betas = (config.beta1, config.beta2)
        # A dummy where there is nothing else: torch refuses an empty list.
        rest = self.others or [torch.zeros(1)]
        self.adamw = uncompiled.AdamW(rest, betas=betas, eps=config.eps, fused=True, **shared)
        self.param_groups = [*(self.muon.param_groups if self.muon else []), *self.adamw.param_groups]
        self.state = self.adamw.state

    def step(self) -> None:
        for parameter, views in zip(self.matrices, self.views, strict=True):
            if parameter.grad is None:
                continue
            # One tensor a parameter is what is kept and put back; torch's Muon works on its slices.
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
            buffers = self.state[parameter]["momentum_buffer"].view(len(views), *views[0].shape)
            gradients = parameter.grad.reshape(len(views), *views[0].shape)
            assert self.muon is not None
            for view, gradient, buffer in zip(views, gradients, buffers, strict=True):
                view.grad = gradient
                self.muon.state[view]["momentum_buffer"] = buffer
        if self.muon is not None:
            uncompiled.step_of(self.muon)()
        uncompiled.step_of(self.adamw)()
