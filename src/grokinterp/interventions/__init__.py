"""Interventions: parts of a model taken out, with hooks for a block (`ablate`) or of one snapshot (`Ablator`)."""

from grokinterp.interventions.ablator import Ablator
from grokinterp.interventions.arguments import AblationError
from grokinterp.interventions.frequencies import all_frequencies_but, cycle_length
from grokinterp.interventions.hooks import ablate
from grokinterp.interventions.irreps import all_irreps_but
from grokinterp.interventions.request import Ablation, Component, Where, has_positions

__all__ = [
    "Ablation",
    "AblationError",
    "Ablator",
    "Component",
    "Where",
    "ablate",
    "all_frequencies_but",
    "all_irreps_but",
    "cycle_length",
    "has_positions",
]
