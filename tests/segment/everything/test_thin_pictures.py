"""Pictures one pixel wide: equal masks are found once (case 15 of TRUST)."""

import numpy as np
import pytest


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_equal_masks_are_found_once(segmenter, size, mode):
    found = segmenter.everything(np.full((*size, 3), 90, np.uint8), mode=mode, points_per_side=6)
    assert len({str(mask.to_coco()) for mask in found.masks}) == len(found)
    assert len(found) <= 1 or size != (1, 1)
