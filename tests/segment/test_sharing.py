"""One segmenter for many: threads, dialogues side by side, forked and spawned processes, any number of threads."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from promptseg import Box, Point, Segmenter
from promptseg.masks.overlap import iou

PROMPTS = [Point(220, 150), Point(100, 80), Box(60, 20, 380, 290), Point(300, 200), Box(10, 10, 200, 200)]


def test_eight_threads_get_what_one_gets(segmenter, embedded):
    image = embedded("chelsea")
    alone = [segmenter.segment(image, prompt).masks for prompt in PROMPTS]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda n: segmenter.segment(image, PROMPTS[n % 5]).masks, range(24)))
    assert all(masks == alone[number % 5] for number, masks in enumerate(together))


def test_dialogues_side_by_side(segmenter, embedded):
    rounds = [(Point(220, 150), Point(30, 30, positive=False)), (Point(100, 80), Point(300, 200))]
    alone = []
    for prompts in rounds:
        session = segmenter.session(embedded("chelsea"))
        alone.append([session.add(prompt).masks for prompt in prompts])
    sessions = [segmenter.session(embedded("chelsea")) for _ in rounds]
    assert [[sessions[who].add(rounds[who][turn]).masks for who in (0, 1)] for turn in (0, 1)] == [
        [alone[0][0], alone[1][0]],
        [alone[0][1], alone[1][1]],
    ]


def test_the_number_of_threads_changes_no_mask(segmenter, embedded):
    """Promised is an IoU above 0.999: sums in another order may turn a pixel of the border."""
    several = Segmenter(runtime="onnx", threads=2)
    for prompt in PROMPTS:
        (one,), (other,) = (made.segment(embedded("chelsea"), prompt).masks for made in (segmenter, several))
        assert iou(one, other) > 0.999


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_fork_after_an_engine_was_used(examples, runtime):
    """The child gets the same masks; an alarm ends it if it waits for threads that are not there."""
    program = (
        "import os, signal, sys\nfrom promptseg import Image, Point, Segmenter\n"
        "from promptseg.masks.overlap import iou\n"
        f"picture = Image.open({str(examples / 'chelsea.jpg')!r})\n"
        f"segmenter = Segmenter(runtime={runtime!r}, threads=2)\nimage = segmenter.embed(picture)\n"
        "mask, = segmenter.segment(image, Point(220, 150)).masks\nchild = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(150)\n"
        "    same, = segmenter.segment(image, Point(220, 150)).masks\n"
        "    again, = segmenter.segment(segmenter.embed(picture), Point(220, 150)).masks\n"
        "    os._exit(0 if min(iou(same, mask), iou(again, mask)) > 0.999 else 1)\n"
        "os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ended.returncode != -signal.SIGALRM % 256, "the child waits for ever"
    assert ended.returncode == 0, ended.stderr
