"""Figures: what several sections, the explorer and notebooks draw, from arrays and traces."""
