"""What a sweep varies: read from TOML, checked whole before anything trains."""

import itertools

import pytest

from grokinterp.errors import ConfigError
from grokinterp.sweeps.points import points_of
from grokinterp.sweeps.spec import Spec

RATES = """
name = "rates"
[run]
expression = "a + b"
p = 7
preset = "pizza"
steps = 20
[grid]
attention_rate = [0.0, 0.5, 1.0]
seed = "0..3"
[keep]
checkpoints = "final"
circuits = ["progress"]
"""
RUN = {"expression": "a + b", "p": 7, "steps": 20}


def test_points_are_the_product_of_the_grid(tmp_path):
    """Every combination once, the last field fastest; a range has both its ends."""
    (tmp_path / "rates.toml").write_text(RATES)
    points = points_of(Spec.read(tmp_path / "rates.toml"))
    expected = itertools.product([0.0, 0.5, 1.0], [0, 1, 2, 3])
    assert [tuple(point.varied.values()) for point in points] == list(expected)
    assert [(point.config.model.attention_rate, point.config.seed) for point in points] == [
        tuple(point.varied.values()) for point in points
    ]
    assert all(point.config.preset == "pizza" and point.config.task.parameters["p"] == 7 for point in points)
    assert len({point.name for point in points}) == 12
    assert points[5].name == f"attention_rate0.5-seed1-{points[5].config.identity}"


def test_variants_vary_together():
    """Fields of a variant come as one alternative; the grid multiplies with it."""
    variants = [{"name": "small", "d_model": 16, "n_heads": 2}, {"name": "wide", "d_model": 32, "n_heads": 4}]
    points = points_of(Spec.read({"run": RUN, "variant": variants, "grid": {"seed": [5, 6]}}))
    assert [(p.varied["variant"], p.varied["seed"]) for p in points] == [
        ("small", 5),
        ("small", 6),
        ("wide", 5),
        ("wide", 6),
    ]
    assert [(p.config.model.d_model, p.config.model.n_heads) for p in points] == [(16, 2), (16, 2), (32, 4), (32, 4)]


def test_a_spec_survives_the_way_to_toml_and_back(tmp_path):
    """What is written into a sweep's directory is what was read."""
    (tmp_path / "rates.toml").write_text(RATES)
    spec = Spec.read(tmp_path / "rates.toml")
    (tmp_path / "again.toml").write_text(spec.to_toml())
    assert Spec.read(tmp_path / "again.toml") == spec


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"run": RUN, "gird": {"seed": [0]}}, "'gird' is no part of a sweep. Did you mean 'grid'"),
        ({"run": RUN, "grid": {"seed": 3}}, 'neither a list nor a range, as in .0, 1. or "0..9"'),
        ({"run": RUN, "grid": {"seed": "9..0"}}, "is empty; the smaller end comes first"),
        ({"run": RUN, "grid": {"seed": []}}, "seed has no values"),
        ({"run": RUN, "grid": {"seed": [1, 1]}}, "names a value twice"),
        ({"run": RUN, "grid": {"sede": [1]}}, "at sede=1: 'sede' is no parameter.*Did you mean 'seed'"),
        ({"run": RUN, "grid": {"frac": [0.3, 1.5]}}, "at frac=1.5: frac=1.5"),
        ({"run": {**RUN, "out": "x"}}, "out is not a field of a run"),
        ({"run": RUN, "grid": {"steps": [10, 20]}}, "are the same run; leave one out"),
        ({"run": RUN, "keep": {"checkpoints": "none"}}, "choose one of all, final"),
        ({"run": RUN, "variant": [{"name": "one"}]}, "a name and the fields that vary together"),
        ({"run": RUN, "grid": {"lr": [1.0]}, "variant": [{"name": "one", "lr": 2.0}]}, "lr stands in .grid. and in"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fits_no_sweep_is_refused_by_name(tables, message):
    """One line names the field, and for a point what varies there."""
    with pytest.raises(ConfigError, match=message) as refusal:
        points_of(Spec.read(tables))
    assert "\n" not in str(refusal.value)


def test_files_that_are_no_spec(tmp_path):
    """A missing file and one that is no TOML are told apart."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Spec.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[run")
    with pytest.raises(ConfigError, match="is not TOML"):
        Spec.read(tmp_path / "bad.toml")
