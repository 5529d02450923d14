"""Our segmenter as a contestant: what it answers is joined as the protocols want it."""

from types import SimpleNamespace

import numpy as np
import pytest

from promptseg.evaluate.contestants.ours import Ours
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

SIZE = (6, 8)


def mask(left: int, right: int) -> RLE:
    dense = np.zeros(SIZE, np.bool_)
    dense[:, left:right] = True
    return RLE.encode(dense)


class Finder:
    """A segmenter that finds the given masks, whatever it is asked."""

    model, runtime = "mobile-sam", SimpleNamespace(name="none", precision="none")

    def __init__(self, *masks: RLE) -> None:
        self.masks = masks

    def embed(self, image: Image) -> Image:
        return image

    def segment(self, image: Image, prompts: object) -> Segments:
        return Segments(SIZE, self.masks)


@pytest.mark.parametrize(
    ("found", "expected"),
    [((), 0), ((mask(0, 2),), 12), ((mask(0, 2), mask(1, 3)), 18), ((mask(0, 1), mask(7, 8)), 12)],
)
def test_all_that_a_reference_finds_is_one_mask(found, expected):
    contestant = Ours(Finder(*found))  # type: ignore[arg-type]
    picture = Image.open(np.zeros((*SIZE, 3), np.uint8))
    contestant.start(picture)
    answer = contestant.reference(picture, mask(2, 5))
    assert len(answer) == 1
    assert answer.areas.tolist() == [expected]
