"""FFD, FCR and cosine share of ideal weights, whose values follow from Gauss sums (Furuta et al. 2024)."""

import math

import numpy as np
import pytest
import torch

from grokinterp import circuits, fourier
from grokinterp.evaluation.snapshot import Snapshot

spectrum = circuits.spectrum
P = 97


def of(W):
    norms = spectrum.wave_norms(W)
    return {name: getattr(spectrum, name)(norms) for name in ("ffd", "fcr", "fcr_weighted", "cosine_share")}


def characters(*numbers):
    """[97, 2 each]: real and imaginary parts of these characters; even numbers are even functions, chi(-1) = 1."""
    rows = fourier.characters(P)
    return torch.cat([rows[[2 * k, 2 * k + 1]] for k in numbers]).T * math.sqrt(P)


def test_random_weights():
    """Every wave is as large as any other: FFD 1; FCR of a ratio of two chi_128 norms, 0.933."""
    found = [of(torch.randn(P, 128, generator=torch.Generator().manual_seed(seed))) for seed in range(5)]
    mean = {name: np.mean([reading[name] for reading in found]) for name in found[0]}
    assert mean == pytest.approx({"ffd": 1, "fcr": 0.933, "fcr_weighted": 0.933, "cosine_share": 0.5}, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ideal_clock(dtype):
    """4 frequencies, cosine and sine: 8 of 96 waves; by energy cosine and sine are equal in each."""
    rows = fourier.basis(P)[[row for k in (5, 12, 30, 41) for row in (2 * k - 1, 2 * k)]]
    found = of(rows.T.to(dtype))
    assert found["ffd"] == 8 / 96
    assert found["fcr_weighted"] == pytest.approx(1)
    assert found["cosine_share"] == pytest.approx(0.5)
    # 44 of 48 frequencies are rounding noise and yet have a vote in FCR: that is why it is weighted, too.
    assert 0 <= found["fcr"] <= 1


@pytest.mark.parametrize(
    ("chosen", "ffd", "fcr", "share"),
    [
        ((2, 8, 20, 30), 0.5, 0.0, 1.0),
        ((1, 7, 21, 33), 0.5, 0.0, 0.0),
        ((2, 8, 20, 33), 1.0, 1 / math.sqrt(3), 0.75),
        ((2, 8, 21, 33), 1.0, 1.0, 0.5),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ideal_multipliers(chosen, ffd, fcr, share, dtype):
    """An even character is all cosines and an odd one all sines, of equal size at every k (Gauss sums).

    So a perfect multiplier's FCR depends on the mix: sqrt(1/3) for three even and one odd. An absent family is not
    measured by its own rounding noise: FFD is 1/2, not 0.7.
    """
    found = of(characters(*chosen).to(dtype))
    expected = {"ffd": ffd, "fcr": fcr, "fcr_weighted": fcr, "cosine_share": share}
    assert found == pytest.approx(expected, abs=1e-5)


def test_multipliers_are_sparse_in_discrete_log_order():
    """4 of 48 frequencies of the cycle of 96, of which the last has no sine: 8 of 95 waves."""
    found = of(characters(2, 8, 20, 33)[fourier.powers(P)])
    assert found["ffd"] == 8 / 95
    assert found["fcr_weighted"] == pytest.approx(1)


def test_eta_and_families():
    """A wave counts above eta times the largest of its own family: cosines do not set the scale of sines."""
    row = dict(zip(fourier.basis_names(11), fourier.basis(11), strict=True))
    W = (8 * row["cos 1"] + 3 * row["cos 2"] + row["sin 4"] + 0.3 * row["sin 5"])[:, None]
    norms = spectrum.wave_norms(W)
    assert spectrum.ffd(norms) == 2 / 10
    assert spectrum.ffd(norms, eta=0.35) == 3 / 10
    assert spectrum.ffd(norms, eta=0.25) == 4 / 10
    assert spectrum.cosine_share(norms) == pytest.approx(73 / (73 + 1.09))


def test_an_even_cycle_has_a_cosine_without_a_sine():
    """The Nyquist wave counts in FFD, and is left out where cosine and sine are compared."""
    row = dict(zip(fourier.basis_names(12), fourier.basis(12), strict=True))
    found = of(torch.stack([row["cos 6"], row["cos 2"], row["sin 2"]], 1))
    assert found["ffd"] == 3 / 11
    assert found["cosine_share"] == pytest.approx(0.5) and found["fcr_weighted"] == pytest.approx(1)


@pytest.mark.parametrize("p", [2, 3, 12, 97])
def test_zeros_and_smallest_cycles_are_finite(p):
    """Nothing divides by zero: zeros have no bias and no dominant wave."""
    assert of(torch.zeros(p, 4)) == {"ffd": 0, "fcr": float(p > 2), "fcr_weighted": 0, "cosine_share": 0.5}
    assert np.isfinite(list(of(torch.randn(p, 4, generator=torch.Generator().manual_seed(0))).values())).all()


def test_the_circuit_reads_both_matrices_in_both_bases(planted):
    """A clock's W_E and W_L are sparse on Z/p, a multiplicative clock's on the characters, each named in `basis`."""
    for expression, ks, cycle in [("a + b", (2, 5), 11), ("a*b", (1, 3), 10)]:
        found = spectrum.Spectrum().read(planted.clock(11, ks, expression=expression))
        sparse, dense = ("", "_multiplicative") if cycle == 11 else ("_multiplicative", "")
        assert found[f"ffd{sparse}"].values == pytest.approx([4 / (cycle - 1)] * 2)
        assert (found[f"ffd{dense}"] > 0.7).all()
        assert found[f"gini{sparse}"].values == pytest.approx([1 - 4 / cycle] * 2, abs=1e-4)
        assert (found[f"gini{sparse}"] > found[f"gini{dense}"] + 0.1).all()
        assert found.logit_map_gini.item() == pytest.approx(1 - 4 / cycle, abs=1e-4)
        large = [name for name in found.basis.values if found.logit_map_norm.sel(basis=name) > 1]
        zero = [] if cycle == 11 else ["zero"]
        assert large == [*zero, *(f"{wave} {k}" for k in ks for wave in ("cos", "sin"))]


def test_a_subtraction_reads_as_an_addition(planted):
    """W_E and W_L do not know the sign: the same spectra."""
    plus, minus = (spectrum.Spectrum().read(planted.clock(11, expression=e)) for e in ("a + b", "a - b"))
    for name in ("ffd", "cosine_share", "gini"):
        np.testing.assert_allclose(plus[name], minus[name], atol=1e-5)


def test_composite_numbers_and_models_without_neurons(planted):
    """What does not exist is NaN, by name: characters of a composite p, W_L of an attention-only model."""
    found = spectrum.Spectrum().read(planted.untrained(12))
    assert found.ffd_multiplicative.isnull().all() and found.gini_multiplicative.isnull().all()
    assert found.ffd.notnull().all() and found.logit_map_norm.sizes["basis"] == 12
    made = planted.untrained(11)
    config = type(made.config)(**{**vars(made.config), "attn_only": True})
    found = spectrum.Spectrum().read(Snapshot(0, config, made.task, made.parameters))
    assert found.fcr.isnull().values.tolist() == [False, True] and math.isnan(found.logit_map_gini.item())


def test_numbers_of_the_public_run(released):
    """wd_10-1 of Nanda et al.: Gini 0.539 (W_E) and 0.758 (W_L)."""
    found = spectrum.Spectrum().read(Snapshot(0, released.final.config, released.task, released.final.parameters))
    assert found.gini.values == pytest.approx([0.539, 0.758], abs=0.005)
    assert found.logit_map_gini.item() == pytest.approx(0.758, abs=0.005)
