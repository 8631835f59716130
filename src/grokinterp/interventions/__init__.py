"""Interventions: parts of a model taken out, with hooks for a block (`ablate`) or of one snapshot (`Ablator`)."""

from grokinterp.interventions.ablating import ablate
from grokinterp.interventions.ablation import Ablation, AblationError, Component, Where, has_positions
from grokinterp.interventions.ablator import Ablator
from grokinterp.interventions.number_waves import all_frequencies_but, cycle_length

__all__ = [
    "Ablation",
    "AblationError",
    "Ablator",
    "Component",
    "Where",
    "ablate",
    "all_frequencies_but",
    "cycle_length",
    "has_positions",
]
