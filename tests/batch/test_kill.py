"""kill -9 at any moment: what is there is whole, what is lost is the picture in hand, and the end is the same."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes_for_batch import make_pictures, records_in

from promptseg.batch.labeler import LabelerSettings
from promptseg.batch.manifest import Manifest

SCRIPT = Path(__file__).with_name("doomed_run.py")
PICTURES = 26


def run(pictures, out, workers, fatal):
    """Returns when every process of the run has ended: they all hold its output open."""
    command = [sys.executable, SCRIPT, pictures, out, str(workers), str(fatal)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def done(out):
    with Manifest(out, LabelerSettings().essence()) as manifest:
        return {name for name in manifest.entries if manifest.is_done(name)}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    make_pictures(folder, PICTURES)
    return folder


@pytest.fixture(scope="module")
def whole(pictures, tmp_path_factory):
    """The records of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole")
    finished = run(pictures, out, 1, 0)
    assert finished.stdout == f"{PICTURES} 0 0\n", finished.stderr
    records = records_in(out)
    assert len(records) == PICTURES
    return records


@pytest.mark.parametrize(("workers", "kills"), [(1, 20), (2, 3)])
def test_killed_again_and_again(pictures, whole, tmp_path, workers, kills):
    moments, finished = random.Random(workers), set()  # noqa: S311
    for _ in range(kills):
        killed = run(pictures, tmp_path, workers, moments.randint(1, 7))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        there = {name: content for name, content in records_in(tmp_path).items() if name.endswith(".json")}
        assert there.items() <= whole.items(), "whole, and the same"
        before, finished = finished, done(tmp_path)
        assert before <= finished
        assert len(finished) <= len(there) <= len(finished) + 1, "at most the picture in hand is lost"
    assert 0 < len(finished) < PICTURES
    last = run(pictures, tmp_path, workers, 0)
    assert last.stdout == f"{PICTURES - len(finished)} {len(finished)} 0\n", last.stderr
    assert records_in(tmp_path) == whole, "nothing is left behind"
