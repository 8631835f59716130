"""Traces of one step each become one dataset over `run`."""

import numpy as np
import xarray as xr

from grokinterp.measuring import stacking


def trace(step: int, **missing: bool) -> xr.Dataset:
    """A number, a text, a flag, counts and a curve, some of which are missing, with attributes of the whole trace."""
    data = {
        "loss": ("step", np.array([0.5 * step], np.float64), {"units": "nats"}),
        "verdict": ("step", np.array(["clock"])),
        "is_key": (("step", "k"), np.array([[True, False]])),
        "neurons": (("step", "k"), np.array([[step, 3]])),
        "power": (("step", "k"), np.array([[1.5, step]], np.float32)),
    }
    kept = {name: value for name, value in data.items() if name not in missing}
    return xr.Dataset(kept, {"step": [step], "k": [1, 2]}, {"grokked_step": step, "rule": "first", "run": "a"})


def test_they_are_what_concat_makes_of_them():
    """Values, dtypes, attributes and order, with gaps in numbers, text and flags or without, at different steps."""
    for missing in ({}, dict.fromkeys(("verdict", "is_key", "power"), True)):
        traces = {"a": trace(3), "b": trace(7, **missing)}
        parts = stacking._of_one_kind([stacking._part(name, each, True) for name, each in traces.items()])
        whole = xr.concat(parts, "run", data_vars="all", coords="minimal", compat="override", combine_attrs="override")
        whole = whole.assign({str(name): each.fillna("") for name, each in whole.items() if each.dtype == object})
        mine = stacking._one_step_each(traces)
        xr.testing.assert_identical(mine, whole)
        assert {name: each.dtype for name, each in mine.items()} == {name: each.dtype for name, each in whole.items()}
        assert [*mine] == [*whole]
