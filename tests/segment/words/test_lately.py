"""What is remembered of pictures: made once, whoever asks meanwhile waits."""

import threading

import numpy as np
import pytest

from promptseg.images import Image
from promptseg.segment.words.engine import Lately


def picture(shade):
    return Image(np.full((4, 4, 3), shade, np.uint8))


def test_two_who_ask_at_once_share_what_is_made():
    asked, entered, leave = [], threading.Event(), threading.Event()

    def make(image):
        asked.append(image.digest)
        entered.set()
        assert leave.wait(30)
        return len(asked)

    kept, found = Lately(make), []
    threads = [threading.Thread(target=lambda: found.append(kept.of(picture(1)))) for _ in range(2)]
    threads[0].start()
    assert entered.wait(30)
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join()
    assert found == [1, 1]
    assert len(asked) == 1


def test_what_failed_is_tried_again():
    tries = []

    def make(image):
        tries.append(image)
        if len(tries) == 1:
            raise RuntimeError("no")
        return "made"

    kept = Lately(make)
    with pytest.raises(RuntimeError, match="no"):
        kept.of(picture(1))
    assert kept.of(picture(1)) == "made"


def test_only_the_latest_pictures_are_kept():
    made = []
    kept = Lately(lambda image: made.append(image.digest))
    for shade in [*range(9), 1, 0]:
        kept.of(picture(shade))
    assert len(made) == 10
