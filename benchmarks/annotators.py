"""Two annotators in two browsers work on one server for some minutes; nothing that was answered may be lost.

    make studio && python benchmarks/annotators.py --seconds 300

Each clicks, paints, gives classes, takes away, undoes and changes pictures, on the same three pictures as the other.
Every save is noted with the version that it was made from and the one that it became: versions go up one by one, and an
object leaves a picture only where somebody took it away. Writes `annotators.md`; fails where something is lost.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import server_load
from peer import commit

ROOT = Path(__file__).parents[1]


def play(seconds: int, folder: Path) -> dict[str, int]:
    """Starts a server, lets both work, and returns what was counted."""
    port = server_load.free_port()
    command = [sys.executable, "-m", "promptseg.cli.app", "serve", "--port", str(port), "--data", str(folder / "data")]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/"
        server_load.await_server(f"{url}healthz", server)
        surroundings = {"STUDIO_PATIENCE": "600", **os.environ}
        script = ["node", "e2e/annotators.mjs", str(seconds), url, str(folder)]
        done = subprocess.run(script, cwd=ROOT / "web", capture_output=True, text=True, env=surroundings)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return json.loads(done.stdout.splitlines()[-1])
    finally:
        server.terminate()
        server.wait()


def report(found: dict[str, int]) -> str:
    """Returns the report."""
    date = datetime.now(UTC).date().isoformat()
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in found.items())
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores for server and browsers"
    return f"""# Two annotators on one server

{date}, commit {commit()}, {machine}
(Chromium without a graphics processor), a machine that was busy with other work.
Command: `make studio && python benchmarks/annotators.py --seconds {found["seconds"]}`.

Both work on the same three pictures: they click, paint, give classes, take away, undo and change pictures. *Conflicts*
are saves that the server refused since the other had saved meanwhile; the page merged and sent them again. *Lost* are
objects that were shown as saved and are gone though nobody took them away; *gaps* are saves whose version is not the
next one of its picture, or that were not made from the one before.

| what | number |
|---|---|
{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = report(play(given.seconds, Path(folder)))
    (Path(__file__).parent / "annotators.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
