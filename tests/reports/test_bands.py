"""Many runs in one figure: the median, the middle half, and each run thin; gaps where a run has no value."""

import numpy as np
import pytest
import xarray as xr

import grokinterp as gi
from grokinterp.reports.figures.bands import THIN, quartiles, translucent


def trace(runs: int = 5) -> xr.Dataset:
    """Losses over runs that fall by run and step, one of them measured at the first step alone."""
    values = np.arange(runs, dtype=float)[:, None] + np.array([[3.0, 2.0, 1.0]])
    values[-1, 1:] = np.nan
    coords = {"run": [f"run {i}" for i in range(runs)], "step": [0, 10, 20], "k": [1, 2]}
    coords |= {"rate": ("run", [0.0, 0.5] * (runs // 2) + [0.5] * (runs % 2)), "seed": ("run", np.arange(runs))}
    nats = {"units": "nats"}
    return xr.Dataset(
        {
            "test_loss": (("run", "step"), values, nats),
            "train_loss": (("run", "step"), values / 2, nats),
            "power": (("run", "k"), values[:, :2]),
            "score": ("run", np.arange(runs, dtype=float)),
        },
        coords,
    )


def test_a_number_over_steps_of_many_runs_is_a_band():
    """Median and quartiles are over the runs that have a value there, and every run is one thin stretch."""
    figure = gi.draw(trace()["test_loss"], log=False)
    thin, band, median = figure.data
    assert median.y.tolist() == [5, 3.5, 2.5] and median.x.tolist() == [0, 10, 20]
    assert band.y.tolist() == [6, 4.25, 3.25, 1.75, 2.75, 4]
    assert np.isnan(thin.y).sum() == 5 + 2 and len(thin.y) == 5 * 4
    assert "median of 5 runs" in median.name and figure.layout.yaxis.title.text == "test loss (nats)"


def test_several_numbers_are_bands_of_their_own_colours():
    """Training is grey and test blue, here too."""
    figure = gi.draw(trace()[["train_loss", "test_loss"]])
    medians = [each for each in figure.data if each.showlegend]
    assert len(medians) == 2 and len({each.line.color for each in medians}) == 2
    assert figure.layout.yaxis.type == "log"


def test_a_vector_of_many_runs_is_a_band_over_its_dim():
    """Frequencies across, median up."""
    figure = gi.draw(trace()["power"])
    assert figure.data[-1].x.tolist() == [1, 2] and figure.data[-1].y.tolist() == [5, 3.5]
    assert figure.layout.xaxis.title.text == "frequency k (turns per cycle)"


def test_a_number_of_each_run_stands_against_what_varies():
    """Points at the rate, which varies and is no seed; the median of each value with its quartiles."""
    points, medians = gi.draw(trace()["score"]).data
    assert points.x.tolist() == [0, 0.5, 0, 0.5, 0.5] and points.text.tolist()[0] == "run 0"
    assert medians.x.tolist() == [0, 0.5] and medians.y.tolist() == [1, 3]
    assert medians.error_y.array.tolist() == [0.5, 0.5] and medians.error_y.arrayminus.tolist() == [0.5, 1]


def test_of_very_many_runs_some_are_drawn_thin_and_all_are_in_the_band():
    """A thousand lines would hide each other."""
    figure = gi.draw(trace(1000)["test_loss"], log=False)
    assert len(figure.data[0].y) == 4 * THIN and figure.data[-1].y[0] == 502.5


def test_quartiles_of_nothing_are_nothing():
    """A place at which no run has a value; and colours keep their tone."""
    assert np.isnan(quartiles(np.full((3, 1), np.nan))).all()
    assert translucent("#2b62c9", 0.2) == "rgba(43, 98, 201, 0.2)"
    with pytest.raises(gi.BadRequest, match="holds words"):
        gi.draw(xr.DataArray(np.array(["a", "b"]), dims="run", coords={"run": ["x", "y"]}, name="verdict"))
