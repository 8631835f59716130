"""Initial weights: the papers' standard deviations, one meaning for a seed, and refusals before anything is built."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from grokinterp.config import EmbeddingMLPConfig, TransformerConfig
from grokinterp.config.presets import PRESETS
from grokinterp.errors import ConfigError
from grokinterp.models.initialisation import initialise, plane_waves
from grokinterp.models.parameters import ParameterError, check_parameters, parameter_shapes

D, P = 128, 113
UNIFORM = 1 / math.sqrt(3)

# Standard deviation of each weight, from the papers' code: d_model 128, d_mlp 512, 114 tokens, 114 columns.
DEVIATIONS = {
    "nanda": {"W_U": (P + 1) ** -0.5, "W_out": D**-0.5, "": D**-0.5},
    "pizza": {"W_U": (P + 1) ** -0.5, "W_in": 512**-0.5, "": D**-0.5},
    "furuta": {"W_E": (P + 1) ** -0.5, "": D**-0.5},
    "transformer_lens_demo": {"": 0.8 * D**-0.5},
    "power": {"W_E": 1.0, "W_out": UNIFORM * 512**-0.5, "": UNIFORM * D**-0.5},
    # 256 hidden units; D reads two embeddings of 128, the others a sum of 256.
    "pizza_linear_a": {"W_E": 128**-0.5, "W_U": 256**-0.5, "": UNIFORM * 256**-0.5},
    "pizza_linear_d": {"W_E": 128**-0.5, "W_U": 256**-0.5, "": UNIFORM * 256**-0.5},
    "scienceetonnante": {
        "W_E": math.sqrt(2 / (P + 1 + 128)),
        "W_in": math.sqrt(2 / (256 + 256)),
        "W_U": math.sqrt(2 / (256 + P)),
    },
    "chughtai": {"W_E": 256**-0.5, "W_in": 512**-0.5, "W_U": 128**-0.5},
}


def resolved(preset: str):
    n_positions = {"embedding_mlp": 2, "vision": 16}.get(PRESETS[preset].model.kind, 3)
    return PRESETS[preset].model.resolved(P + 1, P, n_positions)


@pytest.mark.parametrize("preset", DEVIATIONS)
def test_weights_have_the_spread_of_their_paper(preset):
    """The root mean square of every weight is the paper's, within five standard errors of the estimate."""
    for name, value in initialise(resolved(preset), seed=0).items():
        leaf = name.rsplit(".", 1)[-1]
        if leaf.startswith("W_"):
            expected = DEVIATIONS[preset].get(leaf) or DEVIATIONS[preset][""]
            spread = value.double().square().mean().sqrt().item()
            assert spread == pytest.approx(expected, rel=5 / math.sqrt(2 * value.numel())), name


def test_biases_start_at_zero_but_for_torch_s_own_linear_layers():
    """Nanda's, Zhong's and xavier's biases are zero; `nn.Linear` draws them within 1 / sqrt(fan_in)."""
    for preset in ("nanda", "pizza", "scienceetonnante"):
        biases = [value for name, value in initialise(resolved(preset), 0).items() if ".b_" in name]
        assert biases and not any(bias.any() for bias in biases)
    bias = initialise(resolved("pizza_linear_d"), 0)["blocks.0.mlp.b_in"]
    assert 0.9 / 16 < bias.abs().max() <= 1 / 16
    config = TransformerConfig(initialisation="power", attention_bias=True, unembed_bias=True, tied_unembed=True)
    drawn = initialise(config.resolved(114, 113, 3), 0)
    for name, fan_in in {"attn.b_Q": 128, "attn.b_O": 128, "mlp.b_in": 128, "mlp.b_out": 512}.items():
        assert 0.8 < drawn[f"blocks.0.{name}"].abs().max() * math.sqrt(fan_in) <= 1, name
    assert 0.8 < drawn["unembed.b_U"].abs().max() * math.sqrt(128) <= 1


def test_power_s_model_has_the_size_he_reports():
    """Power et al. 2022: 394,240 parameters without the embeddings, 455,424 with (239 tokens)."""
    shapes = parameter_shapes(PRESETS["power"].model.resolved(239, 97, 7))
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    embeddings = sizes["embed.W_E"] + sizes["unembed.W_U"]
    assert sum(sizes.values()) - embeddings == 394_240
    assert sum(sizes.values()) == 455_424


def test_heads_that_do_not_divide_the_width_are_rounded_down():
    """The pizza code's d_model = 86 with 4 heads has heads of 21, so that W_O takes 84 to 86."""
    shapes = parameter_shapes(TransformerConfig(d_model=86).resolved(59, 59, 2))
    assert shapes["blocks.0.attn.W_O"] == (4, 21, 86)
    assert shapes["blocks.0.mlp.W_in"] == (86, 344)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_seed_always_means_the_same_weights(preset):
    """Same seed, same weights; another seed, others; torch's global generator is neither read nor moved."""
    state = torch.get_rng_state()
    first = initialise(resolved(preset), seed=3)
    torch.manual_seed(17)
    again = initialise(resolved(preset), seed=3)
    torch.set_rng_state(state)
    other = initialise(resolved(preset), seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if ".W_" in name)
    assert {name: tuple(value.shape) for name, value in first.items()} == parameter_shapes(resolved(preset))
    assert all(value.dtype == torch.float32 for value in first.values())


def test_parameters_are_drawn_one_after_another_in_the_documented_order():
    """One generator, one `randn` for each normal weight in the order of `parameter_shapes`: nothing else draws."""
    config = resolved("furuta")
    generator = torch.Generator().manual_seed(5)
    drawn = initialise(config, seed=5)
    for name, shape in parameter_shapes(config).items():
        if ".W_" in name:
            deviations = DEVIATIONS["furuta"]
            deviation = deviations.get(name.rsplit(".", 1)[-1], deviations[""])
            torch.testing.assert_close(drawn[name], torch.randn(shape, generator=generator) * deviation)


def test_init_scale_multiplies_every_parameter():
    """Omnigrok: theta = alpha * theta_0 for all parameters, LayerNorm's too."""
    config = PRESETS["power"].model.resolved(239, 97, 7)
    plain = initialise(config, 0)
    scaled = initialise(replace(config, init_scale=8.0), 0)
    assert all(torch.equal(scaled[name], 8 * value) for name, value in plain.items())
    assert scaled["blocks.0.ln1.w"].unique().tolist() == [8.0]


def test_weights_that_overflow_are_refused():
    """A scale beyond float32 would train on infinities."""
    with pytest.raises(ConfigError, match=r"init_scale=1e\+39 makes embed.W_E infinite; 1.0 leaves"):
        initialise(TransformerConfig(init_scale=1e39).resolved(59, 59, 2), 0)


@pytest.mark.parametrize("config", [TransformerConfig(), EmbeddingMLPConfig()])
def test_open_sizes_are_refused(config):
    """A model needs a vocabulary and a length; the message says where they come from."""
    with pytest.raises(ConfigError, match=r"d_vocab, d_vocab_out, n_ctx of the model not given; give a task"):
        initialise(config, 0)


def test_a_tied_unembedding_needs_a_row_for_every_output():
    """Its columns are rows of W_E."""
    with pytest.raises(ConfigError, match="tied_unembed needs d_vocab_out=12 rows of W_E and it has 10"):
        parameter_shapes(TransformerConfig(tied_unembed=True, d_vocab_out=12).resolved(10, 10, 3))


def test_weights_that_do_not_fit_are_refused_with_every_misfit():
    """Missing, left over, of another shape: all in one line."""
    config = TransformerConfig(mlp_bias=False).resolved(114, 113, 3)
    parameters = initialise(config, 0)
    check_parameters(config, parameters)
    parameters["blocks.0.mlp.b_in"] = torch.zeros(512)
    parameters["blocks.0.mlp.W_out"] = parameters["blocks.0.mlp.W_out"].T
    del parameters["embed.W_E"]
    with pytest.raises(ParameterError) as refusal:
        check_parameters(config, parameters)
    assert str(refusal.value) == (
        "the weights do not fit this transformer: embed.W_E is missing; blocks.0.mlp.b_in has no place; "
        "blocks.0.mlp.W_out is [128, 512] and should be [512, 128]. Give the config they were trained with"
    )


def test_neither_weights_nor_the_models_package_wait_for_transformer_lens():
    """Training through the fast path starts in the seconds that torch takes; TransformerLens takes three more."""
    code = (
        "import sys, grokinterp.models.initialisation, grokinterp.models; sys.exit('transformer_lens' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_positions_of_pixels_start_as_plane_waves():
    """sin^2 + cos^2 = 1, so every place has the same length; a wave straight down a column does not vary along it."""
    side, d = 16, 64
    found = plane_waves((side**2 + 1, d), torch.Generator().manual_seed(0))
    torch.testing.assert_close(found[:-1].square().mean(1), torch.ones(side**2))
    grid = found[:-1].unflatten(0, (side, side))
    assert torch.equal(grid[:, :, :2], grid[:1, :, :2].expand(side, side, 2))
    # The longest is twice the side: from one edge to the other half a turn and, 15 steps being 15 / 16 of it, less.
    longest = grid[0, :, -16:-14].double() / math.sqrt(2)
    turned = torch.atan2(longest[:, 0], longest[:, 1])
    torch.testing.assert_close(turned, math.pi * torch.arange(16).double() / 16, atol=1e-5, rtol=0)
    assert found[-1].std() > 0.5  # the token that is read out has no place


@pytest.mark.parametrize("shape", [(5, 3), (65, 8), (10, 1)])
def test_plane_waves_have_any_width(shape):
    assert plane_waves(shape, torch.Generator().manual_seed(0)).shape == shape
