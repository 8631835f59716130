"""Figures on pages: plotly from the site's own copy, put in after Markdown and search have read the page."""

import hashlib
import os
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

DRAFT = os.environ.get("GROKINTERP_DOCS_DRAFT") == "1"
"""The site without what takes minutes: pictures are of untrained networks, notebooks have no outputs."""

SCRIPT = "assets/plotly.min.js"

_FIGURES: dict[str, str] = {}


def placed(figure: Any) -> str:
    """A line of HTML that stands for a figure (an object of plotly, or its JSON as a notebook holds it)."""
    made = go.Figure(figure)
    made.update_layout(paper_bgcolor="rgba(0, 0, 0, 0)", plot_bgcolor="rgba(0, 0, 0, 0)", font_color="#8c9096")
    text = made.to_json()
    assert text is not None
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    options = {"displaylogo": False, "responsive": True}
    _FIGURES[key] = pio.to_html(made, full_html=False, include_plotlyjs=False, div_id=f"figure-{key}", config=options)
    return f'<div class="figure" id="place-{key}"></div>'


def filled(html: str, root: str) -> str:
    """A page of the site with its figures in their places; `root` leads from the page to the site's."""
    used = [key for key in _FIGURES if f'id="place-{key}"' in html]
    if not used:
        return html
    for key in used:
        html = html.replace(
            f'<div class="figure" id="place-{key}"></div>', f'<div class="figure">{_FIGURES[key]}</div>'
        )
    return html.replace("</head>", f'<script src="{root}{SCRIPT}"></script></head>', 1)
