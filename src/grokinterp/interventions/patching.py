"""Activation patching: what one activation of a clean run brings back in a corrupted one, as a labelled array."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.models import attribution
from grokinterp.models.hooked import HookedModule

DIMS = {
    **dict.fromkeys(("resid_pre", "resid_mid", "attn_out", "mlp_out"), ("layer", "position")),
    **dict.fromkeys(("head", "query", "key", "value", "pattern"), ("layer", "head")),
    "head_by_position": ("layer", "position", "head"),
}


def patch(
    model: HookedModule,
    clean: Int[Tensor, "row position"],
    corrupted: Int[Tensor, "corrupted_row position"],
    what: str = "head_by_position",
    metric: Callable[[Float[Tensor, "batch position column"]], Float[Tensor, ""]] | None = None,
) -> xr.DataArray:
    """How much of the clean rows' answer each activation brings back in the corrupted rows: `gi.draw` shows it.

    Rows are tokens, as in `run.task.inputs[[0, 1]]`, and are paired one to one; best they differ in one operand. 0 is
    the corrupted run, 1 the clean one; that no activation carries the difference, the null, is 0 everywhere. `what` is
    one of head_by_position, head, query, key, value, pattern, resid_pre, resid_mid, attn_out and mlp_out. The `metric`
    of the logits is by default the mean of the clean answer's logit less the corrupted answer's.

    Raises `BadRequest` where rows do not match, the metric does not differ, or the model has no residual stream.
    """
    values = attribution.patch(model, clean, corrupted, what, metric)
    dims = DIMS[what]
    attrs = {
        "units": "share of the clean answer",
        "source": f"activation patching (Meng et al. 2022), {what}, {len(clean)} pairs of rows",
    }
    coordinates = {dim: np.arange(size) for dim, size in zip(dims, values.shape, strict=True)}
    return xr.DataArray(values.cpu().numpy(), coordinates, dims, f"patched_{what}", attrs)
