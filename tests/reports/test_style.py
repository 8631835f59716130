"""The palette can be told apart by every reader, on a light page and on a dark one."""

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from grokinterp.reports import style
from grokinterp.reports.figures import palette

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0; applied to linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanope": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranope": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanope": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    """Linear RGB of `#rrggbb`."""
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def seen(colour: str, eyes: str) -> np.ndarray:
    """CIELAB of a colour as these eyes see it."""
    values = np.clip(np.asarray(EYES[eyes]) @ linear(colour), 0, 1)
    return rgb2lab(np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("eyes", EYES)
def test_no_two_colours_are_alike(eyes):
    """CIEDE2000 of at least 20 between every two, for eyes with and without each kind of cone."""
    for one, other in combinations(palette.LINES, 2):
        assert deltaE_ciede2000(seen(one, eyes), seen(other, eyes)) >= 20, (one, other)


@pytest.mark.parametrize("page", ["#fdfdfb", "#15181c"])
def test_every_colour_stands_out_from_the_page(page):
    """A contrast (WCAG) of at least 2.3 against both backgrounds."""
    brightness = lambda colour: float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05
    for colour in palette.LINES:
        assert max(brightness(colour), brightness(page)) / min(brightness(colour), brightness(page)) >= 2.3, colour


def test_more_curves_than_colours_differ_in_their_dashes():
    """Thirty curves, thirty looks; those of train and test rows have theirs by name."""
    looks = [style.line(i)[:2] for i in range(len(palette.LINES) * len(palette.DASHES))]
    assert len(set(looks)) == len(looks)
    assert style.line(3, "train_loss")[0] == palette.NEUTRAL and style.line(3, "test_loss")[0] == palette.ACCENT
