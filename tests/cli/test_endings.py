"""Readers that leave, streams that are closed and interrupts: the command ends quietly."""

import os
import subprocess
import sys

HERE = {**os.environ, "PYTHONWARNINGS": "ignore"}
COMMAND = [sys.executable, "-m", "promptseg"]


def test_closed_streams():
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        ended = subprocess.run(
            ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, "models"], capture_output=True, env=HERE, check=False
        )
        assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False), closed


def test_a_reader_that_has_left():
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([*COMMAND, "models"], stdout=write, stderr=subprocess.PIPE, env=HERE, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, b"")
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([*COMMAND, "nothing"], stdout=write, stderr=write, env=HERE, check=False)
    os.close(write)
    assert ended.returncode == 2


def test_an_interrupt_during_imports(tmp_path):
    """The keyboard interrupts while click is being imported."""
    (tmp_path / "click.py").write_text(
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    environment = {**HERE, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    ended = subprocess.run([*COMMAND, "models"], capture_output=True, env=environment, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")
