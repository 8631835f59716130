"""A run as data: round trips, overrides and refusals."""

import pytest

from grokinterp.config import OptimiserConfig, RunConfig, SplitConfig
from grokinterp.config.presets import PRESETS, preset
from grokinterp.errors import ConfigError


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name):
    """A preset survives JSON unchanged, identity included."""
    config = preset(name)
    assert config.preset == name
    assert RunConfig.from_json(config.to_json()) == config
    assert RunConfig.from_json(config.to_json()).identity == config.identity


def test_identity_follows_the_values():
    """Equal configurations share their identity; any change alters it."""
    config = preset("nanda")
    assert config.replace(seed=0).identity == config.identity
    assert len({config.replace(**change).identity for change in ({}, {"seed": 1}, {"lr": 0.1}, {"steps": 7})}) == 4


def test_identity_outlives_new_fields():
    """A run of version 0.1 keeps its identity though a transformer has more fields today; what they change counts."""
    assert preset("nanda").identity == "370ebb04fbac" and preset("pizza").identity == "17bcc78648fe"
    later = ({}, {"norm_kind": "rms"}, {"final_norm": True}, {"embedding_scale": 2.0})
    assert len({preset("nanda").replace(**change).identity for change in later}) == 4


def test_replace_reaches_every_section():
    """A field is named without its section; a section can be given whole, also where a field shares its name."""
    config = preset("nanda").replace(frac=0.5, n_layers=2, optimiser="sgd", split="randperm", steps=9)
    assert (config.split.frac, config.model.n_layers, config.schedule.steps) == (0.5, 2, 9)
    assert (config.optimiser.optimiser, config.split.split) == ("sgd", "randperm")
    whole = preset("nanda").replace(optimiser=OptimiserConfig(lr=0.1), split=SplitConfig(frac=0.9), beta1=0.5)
    assert (whole.optimiser.lr, whole.optimiser.beta1, whole.split.frac) == (0.1, 0.5, 0.9)


def test_field_names_are_unique_across_sections():
    """What flags and keywords rest on."""
    for config in PRESETS.values():
        names = config.field_names()
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"steps": 0}, "at least 1"),
        ({"frac": 0.0}, "frac=0.3"),
        ({"lr": -1.0}, "positive"),
        ({"beta2": 1.0}, r"\[0, 1\)"),
        ({"checkpoint_every": -1}, "0 "),
        ({"pretrained": "runs/add"}, "go together"),
        ({"d_model": 2}, "d_head"),
        ({"init_scale": 0.0}, "positive"),
        ({"nlayers": 2}, "Did you mean 'n_layers'"),
        ({"hidden_sizes": (3,)}, "no field of a transformer run"),
    ],
    ids=str,
)
def test_refusals_name_the_remedy(change, remedy):
    """Refused at once, in one line."""
    with pytest.raises(ConfigError, match=remedy) as refused:
        preset("nanda").replace(**change)
    assert "\n" not in str(refused.value)


def test_a_newer_file_is_named_as_such():
    """Unknown fields in a stored configuration are refused by name."""
    data = preset("nanda").to_json()
    data["split"]["shuffle"] = True
    with pytest.raises(ConfigError, match="no field shuffle"):
        RunConfig.from_json(data)
    with pytest.raises(ConfigError, match=r"model\.kind"):
        RunConfig.from_json({**preset("nanda").to_json(), "model": {"kind": "mamba"}})


def test_a_whole_number_is_the_same_configuration():
    """weight_decay=1 in Python and --weight-decay 1.0 on the command line make one run, not two."""
    whole, real = (preset("nanda").replace(weight_decay=value, lr=1) for value in (0, 0.0))
    assert whole.identity == real.identity
    assert whole.identity != preset("nanda").replace(weight_decay=0.5, lr=1).identity
