"""A run as data: round trips, overrides and refusals."""

import dataclasses

import pytest

from grokinterp.config import MODEL_CONFIGS, OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig
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
    """Equal configurations share their identity; what changes the weights alters it."""
    config = preset("nanda")
    assert config.replace(seed=0).identity == config.identity
    assert len({config.replace(**change).identity for change in ({}, {"seed": 1}, {"lr": 0.1}, {"n_layers": 2})}) == 4


def test_a_field_that_is_added_later_changes_no_identity():
    """A default counts for nothing, for every family of models; any other value does, and so does the family."""
    for kind, family in MODEL_CONFIGS.items():
        grown = dataclasses.make_dataclass("Grown", [("added", float, 2.0)], bases=(family,), frozen=True)
        config = RunConfig(model=family(), seed=3, split=SplitConfig(frac=0.7))
        later = dataclasses.replace(config, model=grown(**vars(config.model)))
        assert later.identity == config.identity and later.fingerprint != config.fingerprint, kind
        other = dataclasses.replace(config, model=grown(**{**vars(config.model), "added": 3.0}))
        assert other.identity != config.identity, kind
    assert len({RunConfig(model=family()).identity for family in MODEL_CONFIGS.values()}) == len(MODEL_CONFIGS)
    later = ({}, {"norm_kind": "rms"}, {"final_norm": True}, {"embedding_scale": 2.0})
    assert len({preset("nanda").replace(**change).identity for change in later}) == 4


LENGTH = {"steps": 7, "metrics_every": 3, "checkpoint_every": 0, "checkpoint_steps": (5,), "checkpoints_per_octave": 2,
          "stop_after_grokking": 9, "grokked_accuracy": 0.5}  # fmt: skip
WEIGHTS = {"batch_size": 5, "loss": "stablemax", "temperature": 2.0, "loss_dtype": "float32",
           "frozen_parts": ("embed",), "pretrained": "runs/add"}  # fmt: skip


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(ScheduleConfig) if f.name != "pretrained_parts"])
def test_identity_leaves_out_how_long_a_run_goes_on(name):
    """Of the schedule only what changes the weights counts; the length does where the rate depends on it."""
    config = preset("nanda")
    parts = {"pretrained_parts": ("embed",)} if name == "pretrained" else {}
    changed = config.replace(**{name: {**LENGTH, **WEIGHTS}[name]}, **parts)
    assert (changed.identity == config.identity) is (name in LENGTH)
    assert changed.fingerprint != config.fingerprint
    cosine = config.replace(lr_schedule="cosine")
    assert cosine.replace(steps=7).identity != cosine.identity
    assert cosine.replace(metrics_every=7).identity == cosine.identity


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
