"""The wheel that `make wheel` builds: what is in it, and that it works where nothing else is."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

ROOT = Path(__file__).parents[2]
FOREIGN = ("PYTHON", "PROMPTSEG_", "VIRTUAL_ENV", "MAKE", "MFLAGS")
"""Variables that would carry this environment into another one begin so."""


STARTUP_S = 120


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, **more}


def build() -> Path:
    """Builds the wheel."""
    subprocess.run(["make", "--no-print-directory", "wheel"], cwd=ROOT, env=environment(), check=True)
    (wheel,) = (ROOT / "dist").glob("promptseg-*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Installs a wheel with its server, and nothing else, into a new environment; returns where its commands are."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], env=environment(), check=True)
    commands = folder / "bin"
    pip = [str(commands / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-compile", f"{wheel}[server]"], env=environment(), check=True)
    return commands


@contextlib.contextmanager
def served(command: list[str], folder: Path) -> Iterator[str]:
    """Starts a server on a port that is free, and waits until it answers at the address that it names."""
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://([\d.]+):(\d+)", line)
            assert found, line
            end = time.monotonic() + STARTUP_S
            while not listens(found[1], int(found[2])):
                assert process.poll() is None
                assert time.monotonic() < end, "The server does not answer."
            yield found[0]
        finally:
            process.terminate()


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=STARTUP_S).close()
    except ConnectionRefusedError:
        return False
    return True


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
        return answer.read().decode()


def test_a_fresh_environment_segments_and_serves_the_studio(tmp_path: Path) -> None:
    wheel = build()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        "promptseg/py.typed",
        "promptseg/models/weights/mobile_sam.safetensors",
        "promptseg/server/static/index.html",
        "promptseg/server/static/licences.txt",
    } <= names
    assert {name.rsplit("/", 1)[-1] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    folders = {name.partition("/")[0] for name in names}
    assert folders == {"promptseg", next(name for name in folders if name.endswith(".dist-info"))}
    assert not [name for name in names if re.search(r"\.(ts|svelte|map)$|/(tests?/|test_|conftest)", name)]
    assert wheel.stat().st_size < 80_000_000  # a registry takes files of up to 100 MB

    commands = install(wheel, tmp_path / "fresh")
    picture = ROOT / "examples/chelsea.jpg"
    segment = [str(commands / "promptseg"), "segment", str(picture), "--point", "220,150", "-o", "masks"]
    subprocess.run(segment, cwd=tmp_path, env=environment(), check=True)
    (mask,) = (tmp_path / "masks").glob("*_mask_*.png")
    with Pillow.open(mask) as opened:
        pixels = np.asarray(opened) > 0
    assert pixels[150, 220]
    assert 0.05 < pixels.mean() < 0.95

    serve = [str(commands / "promptseg"), "serve", "--port", "0", "--data", "data"]
    with served(serve, tmp_path) as url:
        index = fetch(url)
        assert '<div id="app"' in index
        for asset in re.findall(r'(?:src|href)="(/[^"]+)"', index):
            assert fetch(f"{url}{asset}")
