"""The cyclic group that a task's numbers are read on, and the waves of answers which run around it."""

from grokinterp.analysis.cycles.cycle import Cycle, Group
from grokinterp.analysis.cycles.operand_places import places_of
from grokinterp.analysis.cycles.token_order import TokenOrder, sparser_order, sparsity
from grokinterp.analysis.cycles.wave import Kind, Wave

__all__ = ["Cycle", "Group", "Kind", "TokenOrder", "Wave", "places_of", "sparser_order", "sparsity"]
