"""The specifications that the page on sweeps shows; its Python is run with that of the other pages."""

import re
import tomllib
from pathlib import Path

from grokinterp.sweeps.points import points_of
from grokinterp.sweeps.spec import Spec

PAGE = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()


def test_specifications_are_of_runs_that_can_be_trained():
    """Fifty runs, ten, and twenty-four that are trained together."""
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
    counts = [len(points_of(Spec.from_dict(tomllib.loads(block)))) for block in blocks]
    assert counts == [50, 10, 24]
