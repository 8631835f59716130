"""Fourier bases of Z/p and of its multiplicative group, and what they say of a tensor. Pure maths.

Rows are ordered `const, cos 1, sin 1, cos 2, sin 2, ...` as in Nanda et al. 2023 and have unit L2 norm.
TransformerLens' grokking demo puts the sine first (`Constant, Sin 1, Cos 1, ...`): an index taken from one
order and used in the other swaps sine and cosine without an error. Use `basis_names` to find a row.

Frequencies are k = 1 .. floor(p/2), in turns per p tokens; w_k = 2 pi k / p radians per token.
"""

import functools
import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int, Num, Real
from numpy.typing import ArrayLike
from torch import Tensor

from grokinterp.errors import BadRequest, whole, whole_numbers


class FourierError(BadRequest):
    """A transform that does not exist for this p or this tensor; its one line names the remedy."""


Given = ParamSpec("Given")
Result = TypeVar("Result")

LARGEST = 20_000  # a basis of 3.2 GB


def _of_modulus(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Make a function of a modulus, its first argument, refuse what is no whole number of at least 1."""

    @functools.wraps(function)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        p = whole(args[0] if args else kwargs.get("p"), "p", "p=113")
        if p < 1:
            raise FourierError(f"p={p} has no Fourier basis; give a modulus of at least 1, as in p=113")
        if p > LARGEST:
            raise FourierError(f"p={p:,} has a basis that fits no memory; give at most {LARGEST:,}")
        return function(*args, **kwargs)

    return checked


# -- the additive group Z/p


@_of_modulus
def frequencies(p: int) -> Int[Tensor, "k"]:
    """The frequencies 1 .. floor(p/2), the coordinate of every axis called `k`."""
    return torch.arange(1, p // 2 + 1)


@_of_modulus
def basis_names(p: int) -> list[str]:
    """`const, cos 1, sin 1, ...`, one name a row of `basis(p)`; for even p the last is `cos p/2` (Nyquist) alone."""
    return [
        "const",
        *(f"{wave} {k}" for k in range(1, p // 2 + 1) for wave in ("cos", "sin") if wave == "cos" or 2 * k < p),
    ]


@_of_modulus
def basis_frequencies(p: int) -> Int[Tensor, "basis"]:
    """The frequency of every row of `basis(p)`: 0, 1, 1, 2, 2, ..."""
    return (torch.arange(p) + 1) // 2


@_of_modulus
def basis(p: int) -> Float[Tensor, "basis token"]:
    """The orthonormal real Fourier basis of functions on Z/p, float64 [p, p].

    Odd p: the constant and (p-1)/2 pairs of cosine and sine (Nanda et al. 2023, appendix; his code's
    order). Even p adds the Nyquist row (-1)^x / sqrt(p), whose sine is zero everywhere and left out.
    Raises `FourierError` for p < 1, as all functions of a modulus do.
    """
    return _basis(p).clone()


# Every measure of every checkpoint asks for it; callers get a copy, so that none can change another's.
@functools.lru_cache(maxsize=8)
def _basis(p: int) -> Float[Tensor, "basis token"]:
    row = torch.arange(p)
    k = (row + 1) // 2
    # The integer product is reduced mod p first, so that large k * x lose no digits in the cosine.
    angle = (2 * math.pi / p) * ((k[:, None] * torch.arange(p)) % p).to(torch.float64)
    is_cosine = ((row % 2 == 1) | (row == 0))[:, None]
    waves = torch.where(is_cosine, angle.cos(), angle.sin())
    return waves / waves.norm(dim=1, keepdim=True)


def transform(
    x: Num[Tensor, "..."] | ArrayLike,
    dims: int | tuple[int, ...] = 0,
    rows: Float[Tensor, "basis token"] | ArrayLike | None = None,
) -> Num[Tensor, "..."]:
    """The coefficients of `x` in the Fourier basis: each token axis in `dims` becomes a basis axis in its place.

    `transform(W_E)` for [token d]; `transform(grid, (0, 1))` is the 2-D transform of an (a b ...) grid, whose
    entry (i, j) is the coefficient of the outer product of rows i and j. `rows` is another orthonormal basis
    (`characters(p)`). Computed in the precision of `x` (`as_floats`); the inverse is
    `transform(y, dims, rows=basis(p).T)`. Raises `FourierError` where `rows` does not fit an axis.
    """
    x = as_floats(x)
    given = None if rows is None else as_floats(rows)
    for dim in whole_numbers(dims, "dims", "dims=(0, 1)"):
        if not -x.ndim <= dim < x.ndim:
            raise FourierError(f"there is no axis {dim} in a tensor of shape {[*x.shape]}; name one that holds tokens")
        here = basis(x.shape[dim]) if given is None else given
        if here.ndim != 2 or here.shape[1] != x.shape[dim]:
            raise FourierError(
                f"axis {dim} has {x.shape[dim]} entries and the basis {here.shape[-1]}; cut it to the tokens"
            )
        # No copy with the axes in another order, where there is one behind the tokens'.
        if dim in (-1, x.ndim - 1):
            x = x @ here.to(x).T
        else:
            x = (here.to(x) @ x.movedim(dim, -2)).movedim(-2, dim)
    return x


def as_floats(x: Num[Tensor, "..."] | ArrayLike) -> Num[Tensor, "..."]:
    """`x` in a precision that sums of it can be trusted in: whole numbers in float64, half precision in float32.

    Arrays and lists of numbers become tensors. Raises `FourierError` for what holds no numbers.
    """
    if not isinstance(x, Tensor):
        try:
            x = torch.as_tensor(np.asarray(x))  # numbers of Python's are float64 to NumPy, and float32 to torch
        except (TypeError, ValueError, RuntimeError):
            numbers = f"a tensor, an array or equally long lists of numbers, not {x!r:.80}"
            raise FourierError(f"the transforms are of {numbers}; give one such as W_E") from None
    if x.is_complex() or x.dtype in (torch.float32, torch.float64):
        return x
    return x.to(torch.float32 if x.is_floating_point() else torch.float64)


# -- spectra of an embedding


def norms(
    W_E: Real[Tensor, "*batch token d"] | ArrayLike,
    p: int | None = None,
    rows: Float[Tensor, "basis token"] | ArrayLike | None = None,
) -> Float[Tensor, "*batch basis"]:
    """L2 norm over `d` of every Fourier row of an embedding (units of the weights).

    Only the first `p` tokens are used (default: all), so that `=` or an operator can be dropped. `rows` is
    another orthonormal basis. Raises `FourierError` where there are fewer than `p` tokens, or `p` is below 1.
    """
    return transform(_tokens(W_E, p), -2, rows).norm(dim=-1)


def power(W_E: Real[Tensor, "*batch token d"] | ArrayLike, p: int | None = None) -> Float[Tensor, "*batch k"]:
    """Squared norm of the cosine and sine rows together, for k = 1 .. floor(p/2); the constant is left out.

    The sum over k is the squared Frobenius norm of the embedding less its mean over tokens (Parseval). Its
    square root is what Nanda et al.'s spectra call the norm of a frequency. `p` as in `norms`.
    """
    squared = norms(W_E, p).square()
    return fold(squared)[..., 1:]


def fold(x: Num[Tensor, "*batch basis"] | ArrayLike) -> Num[Tensor, "*batch frequency"]:
    """Sum the cosine and sine entries of each frequency: [..., p] -> [..., floor(p/2) + 1], the constant first."""
    x = _with_axis(as_floats(x))
    p = x.shape[-1]
    zero = torch.zeros(*x.shape[:-1], p // 2 + 1, dtype=x.dtype, device=x.device)
    return zero.index_add(-1, basis_frequencies(p).to(x.device), x)


def gini(values: Real[Tensor, "*batch n"] | ArrayLike) -> Float[Tensor, "*batch"]:
    """Gini index of the magnitudes: 0 for equal values, 1 - 1/n for a single one; NaN where all are zero.

    Hurley and Rickard 2009: 1 - 2 sum_j (v_j / sum v) (n - j + 1/2) / n, v ascending. Nanda et al. 2023 take it
    over the norms of the Fourier rows (`gini(norms(W_E, p))`, constant included).
    """
    values = _with_axis(as_floats(values))
    ascending = values.abs().sort(dim=-1).values
    n = values.shape[-1]
    weight = (n - torch.arange(1, n + 1, device=values.device) + 0.5).to(values.dtype) / n
    return 1 - 2 * (ascending * weight).sum(-1) / ascending.sum(-1)


def _with_axis(x: Num[Tensor, "..."]) -> Num[Tensor, "*batch n"]:
    if x.ndim == 0:
        raise FourierError("a single number has no axis to go over; give a vector")
    if x.shape[-1] == 0:
        raise FourierError("there are no numbers along the last axis; give a vector of some")
    return x


def _tokens(W_E: Real[Tensor, "*batch token d"] | ArrayLike, p: int | None) -> Real[Tensor, "*batch p d"]:
    W_E, p = as_floats(W_E), None if p is None else whole(p, "p", "p=113")
    if W_E.ndim < 2:
        raise FourierError(f"an embedding of shape {[*W_E.shape]} has no tokens; its shape must be [token d]")
    if p is not None and p < 1:
        raise FourierError(f"p={p} tokens have no Fourier basis; give a modulus of at least 1, as in p=113")
    if p is not None and p > W_E.shape[-2]:
        raise FourierError(f"the embedding has {W_E.shape[-2]} tokens, fewer than p={p}; its shape must be [token d]")
    return W_E if p is None else W_E[..., :p, :]


# -- waves on the table of all pairs


@_of_modulus
def sum_waves(p: int, frequencies: list[int]) -> Float[Tensor, "wave ab"]:
    """Unit directions cos(w_k(a+b)), sin(w_k(a+b)) on the table of all pairs, for each k in turn.

    Rows are flattened a-major (index a * p + b), the order of a complete table, and orthonormal (Nanda et al.
    2023: (cos cos - sin sin) / sqrt 2 and (sin cos + cos sin) / sqrt 2 of basis rows). At the Nyquist frequency
    the sine is zero and left out. Raises `FourierError` for repeated frequencies or ones outside 1 .. p/2.
    """
    return _plane_waves(p, frequencies, 1)


@_of_modulus
def difference_waves(p: int, frequencies: list[int]) -> Float[Tensor, "wave ab"]:
    """Unit directions cos(w_k(a-b)), sin(w_k(a-b)); otherwise as `sum_waves`."""
    return _plane_waves(p, frequencies, -1)


def _plane_waves(p: int, frequencies: list[int], sign: int) -> Float[Tensor, "wave ab"]:
    a, b = torch.arange(p)[:, None], torch.arange(p)[None, :]
    # A wave of a+b takes each of its p values p times, so a unit row of length p has norm sqrt(p) on the plane.
    return wave_rows(p, frequencies)[:, (a + sign * b) % p].reshape(-1, p * p) / math.sqrt(p)


@_of_modulus
def wave_rows(p: int, frequencies: list[int]) -> Float[Tensor, "wave token"]:
    """The rows `cos k`, `sin k` of `basis(p)` for each k in turn; at the Nyquist frequency the cosine alone.

    Raises `FourierError` for repeated frequencies or ones outside 1 .. p/2.
    """
    frequencies = whole_numbers(frequencies, "frequencies", "frequencies=[14, 35]")
    wrong = [k for k in frequencies if not 1 <= k <= p // 2]
    if wrong or len(set(frequencies)) != len(frequencies):
        raise FourierError(f"frequencies {list(frequencies)} must be distinct and between 1 and {p // 2} for p={p}")
    return _basis(p)[[row for k in frequencies for row in (2 * k - 1, 2 * k) if row < p]]


def project(
    x: Real[Tensor, "ab *rest"] | ArrayLike, onto: Float[Tensor, "wave row"] | ArrayLike
) -> Float[Tensor, "ab *rest"]:
    """The part of `x` in the span of orthonormal rows `onto`: sum over rows v of v (v . x).

    Computed in the precision of `x` (`as_floats`). Raises `FourierError` where the rows have another length.
    """
    x = _with_axis(as_floats(x))
    onto = as_floats(onto).to(x)
    if onto.ndim != 2 or onto.shape[1] != len(x):
        entries = f"a wave {onto.shape[-1]} entries" if onto.ndim == 2 else "there are no rows of waves"
        raise FourierError(f"x has {len(x)} rows and {entries}; take the waves of x's own table")
    return (onto.T @ (onto @ x.reshape(len(x), -1))).reshape(x.shape)


# -- the multiplicative group of a prime


def is_prime(p: int) -> bool:
    """Whether p is a prime number."""
    p = whole(p, "p", "p=113")
    return p >= 2 and all(p % q for q in range(2, math.isqrt(p) + 1))


@_of_modulus
def primitive_root(p: int) -> int:
    """The smallest g whose powers are all of 1 .. p-1 mod p. Raises `FourierError` unless p is prime."""
    if not is_prime(p):
        raise FourierError(f"p={p} is not prime, so the residues 1 .. {p - 1} are not a cyclic group; choose a prime p")
    factors = [q for q in range(2, p) if (p - 1) % q == 0 and is_prime(q)]
    return next(g for g in range(1, p) if all(pow(g, (p - 1) // q, p) != 1 for q in factors))


@_of_modulus
def powers(p: int) -> Int[Tensor, "exponent"]:
    """g^0, g^1, ..., g^(p-2) mod p for the smallest primitive root g: the tokens 1 .. p-1 in discrete-log order."""
    return _powers(p).clone()


@functools.lru_cache(maxsize=8)
def _powers(p: int) -> Int[Tensor, "exponent"]:
    g = primitive_root(p)
    return torch.tensor([pow(g, e, p) for e in range(p - 1)])


@_of_modulus
def discrete_logs(p: int) -> Int[Tensor, "token"]:
    """[p]: the exponent e with g^e = token mod p, to the smallest primitive root; -1 at token 0, which has none."""
    logs = torch.full((p,), -1)
    logs[powers(p)] = torch.arange(p - 1)
    return logs


@_of_modulus
def characters(p: int) -> Float[Tensor, "basis token"]:
    """The orthonormal basis in which multiplication mod a prime p is sparse, float64 [p, p].

    Row 0 is token 0 alone, which no character sees. Rows 1 .. p-1 are the real and imaginary parts of the
    characters of (Z/p)*: the Fourier basis of Z/(p-1) read in discrete-log order, `const, cos 1, sin 1, ...`, ending
    in the Nyquist row, the Legendre symbol. A row `cos k` or `sin k` is even under token -> -token for even k
    and odd for odd k. Columns are in token order. See "The Discrete-Log Clock" (arXiv 2606.17399).
    """
    tokens = powers(p)
    rows = torch.zeros(p, p, dtype=torch.float64)
    rows[1:, tokens] = basis(p - 1)
    rows[0, 0] = 1
    return rows


@_of_modulus
def character_names(p: int) -> list[str]:
    """`zero, const, cos 1, sin 1, ...`, one name a row of `characters(p)`."""
    primitive_root(p)  # which only a prime has here
    return ["zero", *basis_names(p - 1)]
