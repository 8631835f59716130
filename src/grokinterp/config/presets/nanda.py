"""Nanda et al. 2023, mainline: the default."""

from grokinterp.config import RunConfig, SplitConfig, TaskConfig

ORDER = 10

PRESETS = [
    RunConfig(
        # 114 output columns, biases in the MLP trained and decayed.
        task=TaskConfig("a + b", {"p": 113, "layout": "a b ="}),
        split=SplitConfig(split="nanda"),
    ),
]
