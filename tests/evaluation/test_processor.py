"""What a fast step changes of the processor, others do not see."""

import numpy as np
import pytest

from grokinterp.evaluation.processor import processor_settings


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numpy_knows_its_smallest_numbers(kind):
    """Also where it is first asked for them as denormals are flushed, as an import of scipy then asks."""
    cache = getattr(np.finfo, "_finfo_cache", {})
    kept = dict(cache)
    cache.clear()
    try:
        with processor_settings():
            limits = np.finfo(kind)
        assert limits.smallest_subnormal > 0
    finally:
        cache.update(kept)
