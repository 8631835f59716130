"""Bases are orthonormal, transforms keep what algebra says, a public model has its published spectrum."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokinterp import fourier
from grokinterp.errors import BadRequest
from grokinterp.fourier import FourierError

SIZES = [1, 2, 3, 4, 5, 8, 12, 53, 59, 113, 114]
PRIMES = [2, 3, 5, 7, 13, 53, 59, 113]


def random_tensor(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def one_wave(p: int, k: int, phase: float = 0.7, d: int = 6) -> torch.Tensor:
    """An embedding whose tokens stand on one circle of frequency k: unit radius, in a random plane."""
    plane = torch.linalg.qr(random_tensor(d, 2))[0]
    angle = 2 * math.pi * k * torch.arange(p, dtype=torch.float64) / p + phase
    return torch.stack([angle.cos(), angle.sin()], dim=1) @ plane.T


@pytest.mark.parametrize("p", SIZES)
def test_basis_is_orthonormal(p):
    """Rows are unit and orthogonal to 1e-12 in float64, for odd and even p."""
    rows = fourier.basis(p)
    assert rows.dtype == torch.float64
    torch.testing.assert_close(rows @ rows.T, torch.eye(p, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("p", [5, 8, 113])
def test_rows_are_what_their_names_say(p):
    """Row `cos k` is proportional to cos(2 pi k x / p) with a positive factor, and so for the sine: cosine first."""
    x = torch.arange(p, dtype=torch.float64)
    for name, k, row in zip(
        fourier.basis_names(p), fourier.basis_frequencies(p).tolist(), fourier.basis(p), strict=True
    ):
        wave = torch.sin if name.startswith("sin") else torch.cos
        truth = wave(2 * math.pi * k * x / p)
        torch.testing.assert_close(row, truth / truth.norm(), atol=1e-12, rtol=0)
        assert name == "const" or name.endswith(f" {k}")
    assert fourier.basis_names(p)[:4] == ["const", "cos 1", "sin 1", "cos 2"]


@pytest.mark.parametrize("p", [2, 4, 114])
def test_even_p_ends_in_the_nyquist_row(p):
    """The last row is (-1)^x / sqrt(p), named `cos p/2`; there is no sine beside it."""
    truth = torch.tensor([(-1.0) ** x for x in range(p)], dtype=torch.float64) / math.sqrt(p)
    torch.testing.assert_close(fourier.basis(p)[-1], truth, atol=1e-12, rtol=0)
    assert fourier.basis_names(p)[-1] == f"cos {p // 2}"
    assert fourier.frequencies(p)[-1] == p // 2


@settings(max_examples=30, deadline=None)
@given(p=st.integers(1, 40), d=st.integers(1, 5))
def test_parseval_and_inverse(p, d):
    """A transform keeps the sum of squares, and transforming with the transposed basis undoes it."""
    x = random_tensor(p, d, seed=p)
    y = fourier.transform(x)
    torch.testing.assert_close(y.square().sum(), x.square().sum())
    torch.testing.assert_close(fourier.transform(y, rows=fourier.basis(p).T.contiguous()), x)


def test_two_dimensional_transform_finds_an_outer_product():
    """The grid outer(row i, row j) has the single coefficient (i, j), also with a trailing axis and two sizes."""
    p, q = 7, 6
    grid = torch.zeros(p, q, 3, dtype=torch.float64)
    grid[..., 1] = torch.outer(fourier.basis(p)[3], fourier.basis(q)[4])
    truth = torch.zeros(p, q, 3, dtype=torch.float64)
    truth[3, 4, 1] = 1
    torch.testing.assert_close(fourier.transform(grid, (0, 1)), truth, atol=1e-12, rtol=0)


def test_transform_keeps_the_precision_and_the_place_of_the_axis():
    """float32 stays float32, and the basis axis stands where the token axis stood."""
    x = random_tensor(4, 9, 2).float()
    y = fourier.transform(x, 1)
    assert y.shape == x.shape and y.dtype == torch.float32
    torch.testing.assert_close(y[2], fourier.transform(x[2]))


@pytest.mark.parametrize(("p", "k"), [(113, 14), (53, 1), (12, 5), (12, 6), (2, 1)])
def test_planted_frequency_has_all_the_power(p, k):
    """Tokens on a circle of frequency k: power p (radius 1) at k and nothing elsewhere, Nyquist included."""
    power = fourier.power(one_wave(p, k))
    truth = torch.zeros(p // 2, dtype=torch.float64)
    truth[k - 1] = p
    torch.testing.assert_close(power, truth, atol=1e-9, rtol=0)


def test_power_is_the_variance_and_batches():
    """Power sums to the squared norm less the mean's; leading axes are checkpoints; tokens from p on are dropped."""
    W_E = random_tensor(3, 15, 4)
    number = W_E[:, :13]
    centred = number - number.mean(dim=1, keepdim=True)
    torch.testing.assert_close(fourier.power(W_E, 13).sum(-1), centred.square().sum((1, 2)))
    torch.testing.assert_close(fourier.power(W_E, 13)[1], fourier.power(number[1]))
    torch.testing.assert_close(fourier.norms(W_E, 13).square().sum(-1), number.square().sum((1, 2)))


@pytest.mark.parametrize("p", [7, 8])
@pytest.mark.parametrize(("waves", "sign"), [(fourier.sum_waves, 1), (fourier.difference_waves, -1)])
def test_waves_of_the_sum_are_unit_and_complete(p, waves, sign):
    """All waves of a+b (or a-b) with the constant span the p functions of a+b (a-b), orthonormally."""
    rows = waves(p, list(range(1, p // 2 + 1)))
    torch.testing.assert_close(rows @ rows.T, torch.eye(p - 1, dtype=torch.float64), atol=1e-12, rtol=0)
    a, b = torch.arange(p)[:, None], torch.arange(p)[None, :]
    table = random_tensor(p)[(a + sign * b) % p].reshape(-1, 1)
    torch.testing.assert_close(fourier.project(table, rows), table - table.mean())


def test_wave_of_the_sum_is_nandas_combination():
    """cos w(a+b) = (cos cos - sin sin) / sqrt 2 and sin w(a+b) = (sin cos + cos sin) / sqrt 2 of basis rows."""
    p, k = 11, 3
    cos, sin = fourier.basis(p)[2 * k - 1], fourier.basis(p)[2 * k]
    truth = torch.stack([torch.outer(cos, cos) - torch.outer(sin, sin), torch.outer(sin, cos) + torch.outer(cos, sin)])
    torch.testing.assert_close(fourier.sum_waves(p, [k]), truth.reshape(2, -1) / math.sqrt(2), atol=1e-12, rtol=0)


def test_project_keeps_trailing_axes_and_is_idempotent():
    """Projecting twice is projecting once; a (p^2, ...) activation keeps its shape and dtype."""
    x = random_tensor(49, 2, 3).float()
    once = fourier.project(x, fourier.sum_waves(7, [1, 3]))
    assert once.shape == x.shape and once.dtype == torch.float32
    torch.testing.assert_close(fourier.project(once, fourier.sum_waves(7, [1, 3])), once)


@pytest.mark.parametrize("p", PRIMES)
def test_primitive_root_generates_and_logs_invert(p):
    """The powers of the root are each of 1 .. p-1 once, and the discrete log turns products into sums."""
    powers, logs = fourier.powers(p), fourier.discrete_logs(p)
    assert sorted(powers.tolist()) == list(range(1, p))
    assert logs[0] == -1
    a, b = torch.arange(1, p)[:, None], torch.arange(1, p)[None, :]
    assert torch.equal(logs[(a * b) % p], (logs[a] + logs[b]) % (p - 1))


def test_primes_and_their_smallest_roots():
    """Numbers up to 130 by their divisors, squares of primes among them; roots as they are tabled."""
    divisors = {n: [d for d in range(1, n + 1) if n % d == 0] for n in range(130)}
    assert [n for n in divisors if fourier.is_prime(n)] == [n for n, found in divisors.items() if len(found) == 2]
    roots = {2: 1, 3: 2, 7: 3, 23: 5, 31: 3, 41: 6, 71: 7, 113: 3, 191: 19}
    assert {p: fourier.primitive_root(p) for p in roots} == roots


def test_whole_numbers_and_half_precision_are_summed_in_more():
    """float64 and float32; what has a precision of its own keeps it."""
    kinds = {torch.int64: torch.float64, torch.bfloat16: torch.float32}
    kinds |= {kind: kind for kind in (torch.float32, torch.float64, torch.complex64)}
    assert {kind: fourier.as_floats(torch.ones(3, dtype=kind)).dtype for kind in kinds} == kinds
    assert fourier.gini(torch.tensor([1, 3])) == 0.25 and fourier.fold(torch.tensor([1, 2, 3])).tolist() == [1, 5]


@pytest.mark.parametrize("p", PRIMES)
def test_characters_are_orthonormal_homomorphisms(p):
    """chi_k(ab) = chi_k(a) chi_k(b) for every frequency; token 0 has the first row to itself."""
    rows = fourier.characters(p)
    torch.testing.assert_close(rows @ rows.T, torch.eye(p, dtype=torch.float64), atol=1e-12, rtol=0)
    names = fourier.character_names(p)
    assert len(names) == p and names[0] == "zero"
    assert rows[0].tolist() == [1.0] + [0.0] * (p - 1) and not rows[1:, 0].any()
    a, b = torch.arange(1, p)[:, None], torch.arange(1, p)[None, :]
    for k in range(1, (p - 1) // 2 + 1):
        real = rows[names.index(f"cos {k}")]
        imaginary = rows[names.index(f"sin {k}")] if f"sin {k}" in names else torch.zeros_like(real)
        chi = torch.complex(real, imaginary) / real[1]  # chi(1) = 1 fixes the scale
        torch.testing.assert_close(chi[(a * b) % p], chi[a] * chi[b], atol=1e-9, rtol=0)


def test_last_character_is_the_legendre_symbol():
    """The Nyquist character is +1 on squares and -1 on the others; even k are even functions of the token."""
    p = 13
    rows, names = fourier.characters(p), fourier.character_names(p)
    squares = {x * x % p for x in range(1, p)}
    assert [bool(value > 0) for value in rows[-1, 1:]] == [x in squares for x in range(1, p)]
    token = torch.arange(p)
    for name, row in zip(names[2:], rows[2:], strict=True):
        sign = (-1) ** int(name.split()[1])
        torch.testing.assert_close(row[(-token) % p], sign * row, atol=1e-12, rtol=0)


def test_multiplicative_character_is_flat_in_the_additive_basis():
    """Gauss sums: every non-constant additive frequency of a non-trivial character holds the same power."""
    p = 13
    chi = fourier.characters(p)[[2, 3]].T  # cos 1 and sin 1 together: one complex character
    power = fourier.power(chi.contiguous())
    torch.testing.assert_close(power, power.mean().expand_as(power))


@pytest.mark.parametrize("n", [1, 2, 113])
def test_gini_ends(n):
    """Equal values give 0; one value among zeros gives 1 - 1/n; the scale and the order do not matter."""
    one_hot = torch.zeros(n, dtype=torch.float64)
    one_hot[n // 2] = 3.0
    assert fourier.gini(torch.full((n,), 2.5, dtype=torch.float64)) == pytest.approx(0, abs=1e-12)
    assert fourier.gini(one_hot) == pytest.approx(1 - 1 / n, abs=1e-12)
    values = random_tensor(n)
    torch.testing.assert_close(fourier.gini(values), fourier.gini(-7 * values.flip(0)))


def test_gini_batches_and_says_when_it_is_undefined():
    """Leading axes are kept; no power at all has no inequality: NaN, not zero."""
    stacked = fourier.gini(torch.stack([torch.ones(4), torch.zeros(4), torch.eye(4)[2]]))
    assert stacked[0] == 0 and stacked[1].isnan() and stacked[2] == pytest.approx(0.75)


def test_gini_is_the_mean_absolute_difference():
    """Gini is also the mean |v_i - v_j| over all pairs, divided by twice the mean: an independent definition."""
    values = random_tensor(31).abs()
    truth = (values[:, None] - values[None, :]).abs().mean() / (2 * values.mean())
    torch.testing.assert_close(fourier.gini(values), truth)


def test_public_model_has_its_published_spectrum(data):
    """Nanda et al.'s weight-decay 0.1 checkpoint: five key frequencies, then a gap; Gini 0.539."""
    saved = torch.load(data("nanda/wd_10-1_mod_addition_loss_curve.pth"), weights_only=True, map_location="cpu")
    W_E = saved["model"]["embed.W_E"].T.to(torch.float64)  # stored [d, vocab] with `=` as token 113
    norm = fourier.power(W_E, 113).sqrt()
    expected = {23: 6.84, 6: 5.75, 37: 5.47, 41: 5.32, 39: 5.00, 46: 2.53, 12: 2.30}
    assert (norm.argsort(descending=True)[:7] + 1).tolist() == list(expected)
    assert norm.sort(descending=True).values[:7].tolist() == pytest.approx(list(expected.values()), abs=0.005)
    assert fourier.gini(fourier.norms(W_E, 113)) == pytest.approx(0.539, abs=5e-4)


@pytest.mark.parametrize(
    ("request_", "remedy"),
    [
        (lambda: fourier.basis(0), "at least 1"),
        (lambda: fourier.power(torch.ones(5, 2), 7), r"\[token d\]"),
        (lambda: fourier.transform(torch.ones(5, 2), rows=fourier.basis(4)), "cut it"),
        (lambda: fourier.transform(torch.ones(5, 2), 2), "no axis 2"),
        (lambda: fourier.transform(torch.ones(5, 2), -3), "no axis -3"),
        (lambda: fourier.power(torch.ones(5, 2), 0), "at least 1"),
        (lambda: fourier.project(torch.ones(8, 5), fourier.sum_waves(3, [1])), "waves of x's own table"),
        (lambda: fourier.sum_waves(7, [1, 4]), "between 1 and 3"),
        (lambda: fourier.sum_waves(7, [0]), "between 1 and 3"),
        (lambda: fourier.sum_waves(7, [1, 1]), "distinct"),
        (lambda: fourier.primitive_root(12), "choose a prime"),
        (lambda: fourier.characters(1), "choose a prime"),
    ],
)
def test_bad_requests_name_the_remedy(request_, remedy):
    """Refused with a ValueError of one line that says what would work."""
    with pytest.raises(FourierError, match=remedy) as refusal:
        request_()
    assert isinstance(refusal.value, ValueError) and "\n" not in str(refusal.value)


def test_lists_and_arrays_are_transformed_as_tensors_are():
    """Of numbers of any kind: what they hold counts, not what holds them."""
    W_E = one_wave(7, 2)
    for each in (W_E.tolist(), W_E.numpy()):
        assert torch.equal(fourier.norms(each), fourier.norms(W_E).to(fourier.norms(each)))
        assert torch.equal(fourier.transform(each, -2, fourier.basis(7).numpy()), fourier.transform(each, -2))
    assert fourier.gini([0, 0, 0, 1]) == pytest.approx(0.75)
    assert fourier.fold([1, 2, 3]).tolist() == [1, 5]
    assert fourier.project([[1.0], [3.0]], [[1.0, 0.0]]).tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda: fourier.transform("abc"),
        lambda: fourier.transform([[1.0], [1.0, 2.0]]),
        lambda: fourier.gini(5),
        lambda: fourier.basis("7"),
        lambda: fourier.basis(p=7.5),
        lambda: fourier.discrete_logs("7"),
    ],
)
def test_what_holds_no_numbers_is_refused_in_one_line(call):
    """Text, a ragged list, a number alone, and what is no whole number where one is asked."""
    with pytest.raises(BadRequest, match=r"whole number|tensor, an array|vector") as refusal:
        call()
    assert "\n" not in str(refusal.value)
