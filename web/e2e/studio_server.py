"""A server with the studio, and how a scenario is played on it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

WEB = Path(__file__).parents[1]
STARTUP_S = 120


class Server:
    """A server process with a folder of its own."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data, self.options = data, options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "promptseg.cli.app", "serve", "--port", str(self.port)]
        self.log = (self.data.parent / "server.log").open("ab")
        self.process = subprocess.Popen(
            [*command, "--data", str(self.data), "--runtime", "onnx", *self.options], stdout=self.log, stderr=self.log
        )
        end = time.monotonic() + STARTUP_S
        while not self._answers():
            assert self.process.poll() is None, (self.data.parent / "server.log").read_text()
            assert time.monotonic() < end, "The server does not answer."

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}healthz", timeout=5) as answer:  # noqa: S310
                return json.load(answer)["studio"]
        except OSError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


def play(
    scenario: str, server: Server, script: str = "scenarios", firefox: str | None = None, limit: int = 900
) -> Path:
    """Plays a scenario of a script in Chromium, or in a Firefox; returns the folder of what it downloaded.

    Args:
        scenario: its name.
        server: where it is played.
        script: which file has it.
        firefox: the program, if it is to be played in Firefox.
        limit: seconds that it may take.
    """
    out = server.data.parent / "out"
    node = shutil.which("node")
    assert node, "Node is not installed."
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium or firefox, "Chromium is not installed."
    command = [node, f"e2e/{script}.mjs", scenario, server.url, str(out)]
    programs = {"CHROMIUM": chromium or "", "FIREFOX": firefox or "", "PYTHON": sys.executable}
    surroundings = {**os.environ, "NO_COLOR": "1", **programs}
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=limit, env=surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    return out
