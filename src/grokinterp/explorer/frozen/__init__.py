"""The frozen explorer: one HTML file in which a browser itself takes parts out of a run's checkpoints."""

from grokinterp.explorer.frozen.page import freeze

__all__ = ["freeze"]
