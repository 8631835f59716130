"""Measuring: circuits x checkpoints -> trace, cached."""

from grokinterp.measuring.choosing import choose, default_names
from grokinterp.measuring.measurement import measure
from grokinterp.measuring.reading import kept, scalars, snapshot_of

__all__ = ["choose", "default_names", "kept", "measure", "scalars", "snapshot_of"]
