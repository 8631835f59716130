"""The settings that measures have where nobody gives any: those of their papers, or as their own words state them."""

import inspect

import pytest

import grokinterp as gi
from grokinterp import models
from grokinterp.analysis import baselines, key_frequencies, outcome, proportions, simple_neurons
from grokinterp.analysis.clock_or_pizza import Rule
from grokinterp.circuits import (
    activation_swap,
    attention,
    causal,
    clock_pizza,
    cosets,
    embedding,
    geometry,
    head_masks,
    irreps,
    latent_circuit,
    local_learning_coefficient,
    loss,
    progress,
    registered,
    spectrum,
)
from grokinterp.evaluation import losses
from grokinterp.evaluation.gradients import EmbeddingView
from grokinterp.interventions import ablate
from grokinterp.interventions.request import Ablation
from grokinterp.models import blocks
from grokinterp.runs.population import landmarks
from grokinterp.training.optimiser import Optimiser

SETTINGS = {
    "sharpness": {"dimensions": 10, "epsilon": 1e-3, "iterations": 10, "seed": 0},  # Power et al. 2022, appendix
    "spectrum": {"eta": 0.5},  # Furuta et al. 2024
    # Lau et al. 2023; n / ln n
    "local_learning_coefficient": {"n_beta": None, "rate": None, "localisation": 5.0, "seed": 0}
    | {"chains": 4, "burn_in": 100, "draws": 200, "rows": 512},
    "commutator_defect": {"rows": 512, "draws": 5, "eta": 1e-3, "seed": 0},  # arXiv 2602.16746
    "ipr_pruning": {"shares": tuple(i / 10 for i in range(10, -1, -1)), "seed": 0},
    "ablation": {"how": "zero", "seed": 0},
    "head_masks": {"how": "zero", "seed": 0},
    "loss": {"memorised_accuracy": 1.0, "grokked_accuracy": 0.99},
    "extrapolation": {"reaches": (1, 10, 100, 1000), "pairs": 1000, "seed": 0},
    "grid_alignment": {"components": (2, 4, 8)},
    "learnt_code": {"encoders": ("one_hot", "cycle", "var_cycle", "grid_cell")},
    "induction": {"threshold": 0.5},
    "ransac": {"residual": 0.75, "trials": 100, "seed": 0},
    "clock_pizza": {"gradients_count": True, "kin": None, "final_step": None},
    "trajectory": {"pattern": ".", "size": 4096, "seed": 0},
    "embedding": {"group": "own", "components": 20},
    "circles": {"group": "own", "count": 6},
    "neuron_maps": {"group": "own", "count": 4},
    "flips": {"images": 100, "seed": 0},
    "rank_reduction": {"shares": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0), "rows": 500, "seed": 0},
    "cosets": {"most_subgroups": 600},
    "output_layer": {"order": None, "side": "left"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_circuit_is_read_as_its_paper_reads_it(name):
    circuit = registered()[name]
    assert {field: getattr(circuit, field) for field in SETTINGS[name]} == SETTINGS[name]


def test_what_takes_long_or_is_of_few_models_waits_to_be_asked_for():
    """Of all circuits these; and each reading is kept under the version of its numbers."""
    asked = {name for name, circuit in registered().items() if circuit.only_on_request}
    assert asked == {
        *("ablation", "activation_swap", "causal", "circles", "commutator_defect", "flips", "head_masks"),
        *("ipr_pruning", "learnt_code", "local_learning_coefficient", "neuron_maps", "output_layer"),
        *("rank_reduction", "ransac", "sharpness", "softmax_collapse", "trajectory"),
    }
    later = {name: circuit.version for name, circuit in registered().items() if circuit.version != 1}
    assert later == {"clock_pizza": 2, "progress": 2}


def test_rules_have_the_thresholds_that_their_pages_state():
    """Verdict, corrupted labels and geometry."""
    assert Rule() == Rule(symmetric=0.98, asymmetric=0.7, distant=0.5, solved=0.99)
    assert registered()["corrupted_labels"].rule == (0.95, 0.9, 0.05, 0.1)
    assert geometry.RULE == (0.85, 0.65, 0.85) and geometry.LEAST == 8
    assert registered()["clock_pizza"].rule == Rule()


THRESHOLDS = {
    # Stander et al. 2023: no coset neuron above 1; trained long, all below 1e-5.
    cosets: {"THRESHOLDS": (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001)},
    irreps: {"KEY_SIMILARITY": 0.005, "LEARNT_SIMILARITY": 0.05},  # Chughtai et al. 2023, their code
    spectrum: {"EMPTY": 1e-6},
    latent_circuit: {"DRAWS": 4, "CONTROL_ROWS": 1024, "SURE": 3.0},
    activation_swap: {"NEAR": 0.25},
    attention: {"FLAT": 1e-5},
    loss: {"LATER": 2.0},
    landmarks: {"ALL_TRAINED": 1.0, "SOLVED": 0.99},
    outcome: {"REMEMBERED": 0.99, "HALF": 0.5},
    progress: {"RISE": 1.0, "FORMED_LOSS": 0.01, "CLEANED_SHARE": 0.95},
    key_frequencies: {"NEURON_SHARE": 0.005, "LOGIT_SHARE": 0.005, "LOGIT_CONTRAST": 4.0, "LOOKUP_RATIO": 2.0}
    | {"NOISE": 10.8, "EMBEDDING_RATIO": 0.25, "FLAT": 1e-5},
    simple_neurons: {"COUNTED": 0.01},  # arXiv 2512.25060
    proportions: {"CONFIDENCE": 0.95, "RESAMPLES": 999},
    losses: {"TOLERANCE": 0.01},
    blocks: {"LAYER_NORM_EPS": 1e-5},  # TransformerLens's
    local_learning_coefficient: {"SHARE": 0.5, "AGREE": 1.1},  # Gelman and Rubin 1992
    head_masks: {"MOST_HEADS": 8},
}


@pytest.mark.parametrize("module", THRESHOLDS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_verdict_is_given_by_the_thresholds_that_its_page_states(module):
    assert {name: getattr(module, name) for name in THRESHOLDS[module]} == THRESHOLDS[module]


def test_activations_are_tampered_with_as_the_paper_says():
    """Stander et al. 2023, section 7."""
    plain = {"left": 1, "right": 1, "absolute": False, "swap": False, "noise": None}
    changed = {
        "none": {},
        "swap embeddings": {"swap": True},
        "flip both": {"left": -1, "right": -1},
        "flip left": {"left": -1},
        "flip right": {"right": -1},
        "absolute value": {"absolute": True},
    } | {
        f"noise N({mean}, {spread})": {"noise": (mean, spread)} for mean, spread in ((0, 0.1), (0, 1), (1, 1), (-1, 1))
    }
    assert {name: each._asdict() for name, each in causal.INTERVENTIONS.items()} == {
        name: plain | settings for name, settings in changed.items()
    }


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        (embedding.circularity, {"first_k": 4, "p": None}),  # Zhong et al. 2023, their training code
        (embedding.pca, {"components": 20}),
        (embedding.sparser_order, {"margin": 0.1}),
        (clock_pizza.gradient_symmetricity, {"triples": None, "own_tokens": True}),
        (clock_pizza.distance_irrelevance, {"sign": 1}),
        (EmbeddingView.of_model, {"position": -1}),
        (ablate, {"where": "embedding", "how": "zero", "seed": 0, "data": None}),
        (gi.patch, {"what": "head_by_position", "metric": None}),
        (clock_pizza.seeded_triples, {"count": 100}),
        (local_learning_coefficient.largest_curvature, {"seed": 0, "h": 1e-4}),
        (cosets.noise_share, {"neurons": 1000}),
        (Ablation.of, {"where": "embedding", "how": "zero", "seed": 0}),
        (Optimiser, {"seed": 0}),
        (models.build, {"seed": 0}),
        # scikit-learn's, and the sizes of the thread "The grokking challenge?".
        (baselines.mlp, {"hidden_sizes": (800, 400, 400, 400, 400), "iterations": 25, "seed": 0}),
        (baselines.random_forest, {"trees": 100, "max_depth": None, "seed": 0}),
        (baselines.sweep, {"seeds": (0,), "frac": 0.5}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_function_has_the_settings_that_its_words_state(function, settings):
    found = inspect.signature(function).parameters
    assert {name: found[name].default for name in settings} == settings
