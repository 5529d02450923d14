"""How little a mask depends on the threshold (SAM paper, appendix B; specification A3.7)."""

import numpy as np

from promptseg.arrays import Float32


def stability(logits: Float32, offset: float = 1.0) -> float:
    """Returns the area above a logit of `offset` over that above its negative; 0 without any."""
    return np.count_nonzero(logits > offset) / max(1, np.count_nonzero(logits > -offset))
