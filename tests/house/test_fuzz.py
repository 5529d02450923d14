"""tools/fuzz.py, derandomised and short (`make fuzz` runs for a minute), and that it finds what there is to find."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from promptseg.errors import FormatError
from promptseg.stopping import check_stop

TOOLS = Path(__file__).parents[2] / "tools"
sys.path.append(str(TOOLS))
import fuzz  # noqa: E402


def refuse(data):
    raise FormatError("no")


def warn(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.float32(3e38) * np.float32(10)


def out_of_memory(data):
    try:
        raise MemoryError
    except MemoryError as error:
        raise FormatError("no") from error


def long(data):
    while True:
        check_stop()


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda data: None, None),
        (refuse, None),
        (long, None),
        (lambda data: 1 / 0, "ZeroDivisionError"),
        (warn, "RuntimeWarning"),
        (out_of_memory, "memory"),
    ],
)
def test_what_is_a_fault(monkeypatch, work, expected):
    monkeypatch.setattr(fuzz, "STOPPED", 0.05)
    found = fuzz.fault(fuzz.Target(work, [], 32), b"")
    assert (found and found.partition(":")[0].partition(" ")[0]) == expected


def test_a_peak_of_memory_is_a_fault(tmp_path):
    """In a process of its own, whose peak nothing has raised before."""
    script = tmp_path / "large.py"
    script.write_text(
        f"import sys\nsys.path.append({str(TOOLS)!r})\nimport fuzz\n"
        "large = fuzz.Target(lambda data: bytearray(b'1' * 80_000_000), [], 32)\n"
        "print(fuzz.fault(large, b''))\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("memory")


def test_a_death_is_found_and_the_rest_goes_on(monkeypatch, tmp_path):
    """A target that dies of one of its files, run as `tools/fuzz.py` runs itself."""
    script = tmp_path / "doomed.py"
    script.write_text(
        f"import os, sys\nsys.path.append({str(TOOLS)!r})\nimport fuzz\n"
        f"def die(data):\n    if fuzz.json.loads(data) == 0: os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
        "fuzz.__file__, fuzz.TARGETS = __file__, {'json': fuzz.Target(die, [lambda data, *_: None], 32)}\n"
        "fuzz.kept = lambda name: [b'1', b'0', b'2']\n"
        "sys.exit(fuzz.main())\n"
    )
    ended = subprocess.run(
        [sys.executable, script, "--count=1", f"--findings={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert "json: death: SIGKILL" in ended.stdout
    assert "json: 4 files, 1 findings of 1 kinds" in ended.stdout
    assert (tmp_path / "json.0.-2").read_bytes() == b"0"


def test_nothing_is_found(tmp_path):
    command = [sys.executable, TOOLS / "fuzz.py", "--count=40", "--seconds=30", f"--findings={tmp_path}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LANG": "C.UTF-8"})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(ended.stdout.splitlines()) == len(fuzz.TARGETS)
    assert not list(tmp_path.iterdir())


def test_values_are_changed_as_values():
    """Most mutants of JSON are JSON, and those of a header leave its length true."""
    for name, count in (("coco", 60), ("safetensors", 40)):
        target, sound, parsed = fuzz.TARGETS[name], fuzz.kept(name), 0
        for number in range(100):
            data = fuzz.mutant(sound, target.ways, 1, number)
            content = data if name == "coco" else data[8 : 8 + int.from_bytes(data[:8], "little")]
            try:
                json.loads(content)
                parsed += 1
            except ValueError:
                pass
        assert parsed > count, name


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in fuzz.CORPUS.rglob("*") if path.is_file()) < 200_000
