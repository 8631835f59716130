"""Networks written down by formula: what a measure should say of them is known, whoever wrote the measure.

A kind is one file here, and stands in the list as soon as the file does.
"""

import importlib
import pkgutil

from grokinterp.constructions._building import build
from grokinterp.constructions._construction import CONSTRUCTIONS, Construction, Network

__all__ = ["CONSTRUCTIONS", "Construction", "Network", "build"]

for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")
