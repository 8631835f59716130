"""Public functions of the maths: what they make of whole numbers, half precision, NaN and wrong lengths."""

import pytest
import torch

from grokinterp import circuits, fourier
from grokinterp.analysis import circle_formulas
from grokinterp.irreps import Cyclic, spectrum

SQUARE = torch.randint(-4, 5, (7, 7), generator=torch.Generator().manual_seed(0))
GROUP = Cyclic(7)

FUNCTIONS = {
    "transform": fourier.transform,
    "transform in 2-D": lambda x: fourier.transform(x, (0, 1)),
    "norms": fourier.norms,
    "power": fourier.power,
    "fold": fourier.fold,
    "gini": fourier.gini,
    "project": lambda x: fourier.project(x, fourier.wave_rows(len(x), [1, 3])),
    "isolate_frequency": lambda x: circle_formulas.isolate_frequency(x, 2),
    "isolate_components": lambda x: circle_formulas.isolate_components(x, (0, 1)),
    "distance_step": lambda x: torch.tensor(circle_formulas.distance_step(x)),
    "correlation": lambda x: torch.tensor(
        circle_formulas.correlation(x[:, :, None] * x[:, None] % 5, circle_formulas.clock, 2)
    ),
    "distance_irrelevance": lambda x: torch.tensor(circuits.clock_pizza.distance_irrelevance(x)),
    "correct_logits": lambda x: circuits.clock_pizza.correct_logits(x, torch.arange(len(x))),
    "runner_up_logits": lambda x: circuits.clock_pizza.runner_up_logits(x, torch.arange(len(x))),
    "pca": lambda x: circuits.embedding.pca(x).scores,
    "circularity": lambda x: torch.tensor(circuits.embedding.circularity(x)),
    "circles": lambda x: torch.tensor([circle.share for circle in circuits.embedding.circles(x)]),
    "sparsity": lambda x: torch.tensor(circuits.embedding.sparsity(x)),
    "wave_norms": lambda x: circuits.spectrum.wave_norms(x).cosine,
    "irreps.transform": lambda x: spectrum.transform(x[:, 0], GROUP.irreps[1]),
    "irreps.energies": lambda x: spectrum.energies(x, GROUP),
    "irreps.shares": lambda x: spectrum.shares(x, GROUP),
    "irreps.part": lambda x: spectrum.part(x, GROUP, [1]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_whole_numbers_are_read_as_the_numbers_that_they_are(name):
    """An integer tensor, or one of half precision, gives what the same numbers in float64 give; never a cut one."""
    exact = FUNCTIONS[name](SQUARE.double()).double()
    torch.testing.assert_close(FUNCTIONS[name](SQUARE).double(), exact, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(FUNCTIONS[name](SQUARE.half()).double(), exact, rtol=1e-4, atol=1e-4)
    assert SQUARE.dtype == torch.int64


@pytest.mark.parametrize("name", ["transform", "norms", "power", "gini", "project", "isolate_frequency", "pca"])
def test_what_is_no_number_stays_so(name):
    """NaN in one entry is not lost on the way to the coefficients that it is part of."""
    x = SQUARE.double()
    x[2, 3] = torch.nan
    assert FUNCTIONS[name](x).isnan().any()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: fourier.norms(SQUARE, 8),
        lambda: fourier.norms(SQUARE, 0),
        lambda: fourier.power(SQUARE, -1),
        lambda: fourier.transform(SQUARE, 2),
        lambda: fourier.transform(SQUARE, 0, fourier.basis(6)),
        lambda: fourier.project(SQUARE, fourier.wave_rows(6, [1])),
        lambda: fourier.basis(0),
    ],
    ids=["too many tokens", "no tokens", "fewer than none", "no such axis", "other rows", "other waves", "no basis"],
)
def test_a_wrong_length_is_refused(wrong):
    """In one line that names the remedy, and not by slicing or a library's own error."""
    with pytest.raises(fourier.FourierError) as refused:
        wrong()
    assert "\n" not in str(refused.value)
