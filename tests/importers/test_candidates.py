"""Which readings a file's parameters leave open: the places and kinds of norms, the likeliest first."""

import pytest
import torch

from grokinterp.importers.reading import candidates

BLOCKS, FINAL = ("blocks.0.ln1", "blocks.0.ln2"), ("ln_final",)


@pytest.mark.parametrize(
    ("norms", "bias", "places"),
    [
        ((), False, ["none layer no", "pre layer final", "pre rms final", "post layer no"]),
        (BLOCKS + FINAL, True, ["pre layer final", "post layer final"]),
        (BLOCKS + FINAL, False, ["pre rms final", "pre layer final", "post rms final", "post layer final"]),
        (BLOCKS, True, ["post layer no", "pre layer no"]),
        (BLOCKS[1:], False, ["post rms no", "post layer no", "pre rms no", "pre layer no"]),
        (FINAL, True, ["none layer final"]),
        (FINAL, False, ["none rms final", "none layer final"]),
    ],
)
def test_norms_are_where_their_parameters_are(norms, bias, places):
    """Without any they may have been folded into the weights; a bias is a LayerNorm's; a final one is of pre-norms."""
    weights = {f"{norm}.{letter}": torch.ones(4) for norm in norms for letter in ("w", *("b" if bias else ""))}
    found = candidates._norms({"embed.W_E": torch.ones(5, 4), **weights})
    words = [f"{x['normalization']} {x['norm_kind']} {'final' if x['final_norm'] else 'no'}" for x in found]
    assert words == places
