"""Palette: the colours of report, explorer and `gi.draw`, as text, without any drawing library."""

# No two of the six lie closer than 20 by CIEDE2000, for normal, protanope, deuteranope and tritanope eyes (a test
# simulates these by Machado et al. 2009). Middle tones: each has a contrast of 2.3 or more against the light and the
# dark page. What needs more curves than colours changes dashes and markers as well.
ACCENT = "#2b62c9"
WARM = "#d2944f"
SKY = "#00adff"
RED = "#bc0000"
PLUM = "#77435c"
NEUTRAL = "#8c9096"
LINES = (ACCENT, WARM, SKY, RED, PLUM, NEUTRAL)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star")

FAINT = "rgba(140, 144, 150, 0.22)"
CLEAR = "rgba(0, 0, 0, 0)"
PHASES = ("rgba(140, 144, 150, 0.13)", "rgba(210, 148, 79, 0.16)", "rgba(0, 173, 255, 0.12)")

# From the page's own background to the accent and past it; the page turns the dark end light on a dark page.
SEQUENTIAL = [[0.0, "rgba(43, 98, 201, 0)"], [0.6, ACCENT], [1.0, "#0d2b4e"]]
# Signed: nothing at 0, which stands in the middle.
SIGNED = [[0.0, WARM], [0.5, "rgba(140, 144, 150, 0.04)"], [1.0, ACCENT]]
# Cyclic: 0 and p - 1 are neighbours. Blue and violet tones only, the lightness turning once.
CYCLIC = [[0.0, "#2a62a5"], [0.25, "#4aa0cf"], [0.5, "#a9cfea"], [0.75, "#a086c9"], [1.0, "#2a62a5"]]
