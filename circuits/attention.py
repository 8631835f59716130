"""Where the model looks: mean patterns, and the one frequency by which a head compares two operands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import xarray as xr
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle, Group
from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks import Task

FLAT = 1e-5
"""A head whose attention varies by less than this is constant up to rounding."""


class DifferenceFit(NamedTuple):
    """The best fit of x(a, b) by constant + alpha (cos w_k a - cos w_k b) + beta (sin w_k a - sin w_k b).

    `frequency` [head] is k, 0 for a head that does not look at the operands; `fve` [head] the share of variance
    that it explains; `alpha`, `beta` [head] the coefficients.
    """

    frequency: Int[Tensor, "head"]
    fve: Float[Tensor, "head"]
    alpha: Float[Tensor, "head"]
    beta: Float[Tensor, "head"]


def difference_fit(attention: Float[Tensor, "ab head"], rows: Int[Tensor, "place_a place_b"]) -> DifferenceFit:
    """Fit each head's attention to one operand by waves of one frequency, by least squares over the grid.

    Nanda et al. 2023, section 4.1: attention from `=` to a is 0.5 plus such waves. The constant is fitted here as well,
    since `=` keeps some attention for itself: FVE is of the centred values.
    `rows[i, j]` is the row where the operands stand at places i and j of their cycle.
    """
    n = len(rows)
    x = attention[rows.flatten()].to(torch.float64).unflatten(0, (n, n))
    x = x - x.mean((0, 1))
    variation = x.square().sum((0, 1))
    # Over the complete grid the waves of a - those of b are orthogonal, and see only the difference of two marginals.
    coefficients = fourier.transform(x.sum(1) - x.sum(0), 0)
    # cos w_k a - cos w_k b, of unit rows, has squared norm 2n.
    power = fourier.fold(coefficients.square().T)[:, 1:] / (2 * n)
    best, index = power.max(dim=1)
    is_flat = variation.sqrt() <= FLAT * n
    fve = torch.where(is_flat, 0.0, best / variation.masked_fill(is_flat, 1))
    # A cosine row's entry at place 0 is its scale; a Nyquist frequency has no sine row.
    scale = fourier.basis(n)[2 * index + 1, 0] / (2 * n) * ~is_flat
    waves = torch.cat([coefficients, coefficients.new_zeros(1, coefficients.shape[1])]).T
    alpha, beta = (waves.gather(1, 2 * index[:, None] + place)[:, 0] * scale for place in (1, 2))
    return DifferenceFit(torch.where(is_flat, 0, index + 1), fve, alpha, beta)


@dataclass(frozen=True)
class Attention(Circuit):
    """Mean patterns of all layers, and each head's frequency of attention from the read-out position to a.

    Operands are read on the task's own cycle (discrete logs for a * b and a / b, rows with a zero left out; `group`
    chooses one). Where the table is no grid of two operands, the frequencies are 0 and their FVE is NaN.
    On request `attention_to`, the pattern of every pair of operands at the read-out position.
    """

    name = "attention"
    descriptions: ClassVar[Mapping[str, str]] = {
        "attention_pattern": "how much each head attends from each query position to each source position, on average",
        "attention_frequency": (
            "the frequency whose waves explain most of a head's attention from the read-out position to a"
        ),
        "attention_fve": "the share of that attention's variance that waves of this frequency explain",
        "attention_to": (
            "each head's attention from the read-out position to every position, for every pair of operands"
        ),
    }
    on_request = ("attention_to",)
    group: Group = "own"

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not snapshot.config.has_token_attention:
            return f"this {snapshot.config.kind} has no attention over tokens (blocks.0.attn.hook_pattern)"
        return Cycle.why_not(snapshot.task, self.group)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        task, cycle = snapshot.task, Cycle.of(snapshot.task, self.group)
        patterns = [snapshot[name] for name in snapshot.layers("hook_pattern")]
        heads = ("layer", "head")
        to_a = task.operand_columns[0]
        if cycle.rows is None or to_a is None:
            frequency = torch.zeros(len(patterns), patterns[0].shape[1], dtype=torch.int64)
            fve = torch.full(frequency.shape, torch.nan)
        else:
            fits = [difference_fit(pattern[:, :, to_a], cycle.rows) for pattern in patterns]
            frequency, fve = torch.stack([fit.frequency for fit in fits]), torch.stack([fit.fve for fit in fits])
        source = f"Nanda et al. 2023, section 4.1; {cycle.description}"
        variables = {
            "attention_pattern": Variable(
                (*heads, "query", "source"), snapshot.mean_patterns, "", "mean over the table of hook_pattern"
            ),
            "attention_frequency": Variable(heads, frequency, "turns per cycle", source),
            "attention_fve": Variable(heads, fve, "share of variance", source),
        }
        if "attention_to" in requested:
            variables["attention_to"] = Variable(
                (*heads, "a", "b", "source"),
                torch.stack([_as_grid(pattern, task) for pattern in patterns]),
                "",
                "hook_pattern at the read-out position",
            )
        return readout(variables)


def _as_grid(pattern: Float[Tensor, "ab head source"], task: Task) -> Float[Tensor, "head a b source"]:
    if len(task.grid_shape) != 2:
        raise BadRequest("attention_to is a map over two operands and this table is not; see attention_pattern instead")
    return rearrange(task.to_grid(pattern), "a b head source -> head a b source")
