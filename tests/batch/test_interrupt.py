"""Ctrl-C, which every process of a terminal hears: the run ends, its workers with it, without a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes_for_batch import QuickLabeler, make_pictures, records_in

from promptseg.batch.labeler import LabelerSettings
from promptseg.batch.run import label_pictures

PROGRAM = """
import os, signal, sys
from fakes_for_batch import QuickLabeler
from promptseg.batch import LabelerSettings, find_pictures, label_pictures

def interrupt(outcome):
    if outcome.done == 3:
        os.killpg(0, signal.SIGINT)

if __name__ == "__main__":
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever who runs the tests made of it
    try:
        items = find_pictures(sys.argv[1])
        label_pictures(items, sys.argv[2], LabelerSettings(), workers=2, make=QuickLabeler, on_outcome=interrupt)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_workers_end_with_the_run(tmp_path):
    pictures, out, script = tmp_path / "pictures", tmp_path / "out", tmp_path / "interrupted.py"
    items = make_pictures(pictures, 9)
    script.write_text(PROGRAM)
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    # It returns when every process has ended: they all hold its output open.
    ended = subprocess.run(
        [sys.executable, script, pictures, out],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    assert (ended.returncode, ended.stderr) == (130, "")
    assert 3 <= len(records_in(out)) < 9
    summary = label_pictures(items, out, LabelerSettings(), make=QuickLabeler)
    assert summary.skipped >= 2
    assert len(records_in(out)) == 9


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_workers_do_not_hear_interrupts_while_they_start():
    from promptseg.batch.pool import _deaf

    with _deaf():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
