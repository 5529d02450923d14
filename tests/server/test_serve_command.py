"""`promptseg serve`: what it refuses at once, and that it starts."""

import importlib
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from test_store import serve

from promptseg.server.jobs import CLOSING_SECONDS
from promptseg.server.settings import default_data
from promptseg.server.static import studio


def refused(*options: str, **environment: str) -> str:
    command = [sys.executable, "-m", "promptseg.cli.app", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_bad_options_are_refused(tmp_path) -> None:
    assert "--token" in refused("--host", "0.0.0.0", "--data", str(tmp_path))  # noqa: S104
    assert "8 ASCII" in refused("--data", str(tmp_path), PROMPTSEG_TOKEN="short")  # noqa: S106
    assert "no model" in refused("--model", "gpt", "--data", str(tmp_path))
    people = tmp_path / "people"
    for text, says in (
        ("Mia\n", "a name and a token"),
        ("Mia a-token-a\nMia b-token-b\n", "twice"),
        ("\n", "no annotator"),
    ):
        people.write_text(text)
        assert says in refused("--annotators", str(people), "--data", str(tmp_path / "data"))
    (tmp_path / "file").write_text("")
    assert "--data" in refused("--data", str(tmp_path / "file"))


def test_it_starts_says_where_and_stops(tmp_path) -> None:
    process, url = serve(tmp_path)
    try:
        assert httpx.get(f"{url}/healthz", timeout=600).json()["status"] == "ok"
        assert ("make studio" in httpx.get(url, timeout=600).text) == (studio() is None)
        port = url.rpartition(":")[2]
        assert "another --port" in refused("--port", port, "--data", str(tmp_path / "other"))
        assert "Another server" in refused("--port", "0", "--data", str(tmp_path))
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_the_default_folder_follows_the_environment(tmp_path) -> None:
    assert default_data({"PROMPTSEG_DATA": "/d"}).as_posix() == "/d"
    assert default_data({"XDG_DATA_HOME": "/x", "HOME": "/h"}).as_posix() == "/x/promptseg"
    assert default_data({"XDG_DATA_HOME": "relative", "HOME": "/h"}).as_posix() == "/h/.local/share/promptseg"


def test_without_the_extra_the_message_says_so() -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; sys.argv[1:] = ['serve']; "
        "from promptseg.cli.app import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'pip install "promptseg[server]"' in done.stderr


@pytest.mark.parametrize("module", ["promptseg", "promptseg.server", "promptseg.server.settings", "promptseg.cvat"])
def test_no_web_framework_comes_with_the_package(module) -> None:
    code = f"import sys, {module}; print([name for name in ('fastapi', 'starlette', 'httpx') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


STUCK = """
import importlib, sys, threading
importlib.import_module("promptseg.cli.serve").GRACE_SECONDS = 0.2
from promptseg.server import pictures
def stuck(*given):
    print("stuck", flush=True)
    threading.Event().wait()
pictures._decode = stuck
from promptseg.cli.app import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_whatever_runs(tmp_path, number: int) -> None:
    command = [sys.executable, "-c", STUCK, "serve", "--port", "0", "--data", str(tmp_path), "--runtime", "onnx"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        port = process.stdout.readline().partition("127.0.0.1:")[2].partition("/")[0]
        with socket.create_connection(("127.0.0.1", int(port))) as client:
            client.sendall(b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n")
            client.sendall(b"Content-Length: 1\r\n\r\nx")
            assert process.stdout.readline() == "stuck\n"
            process.send_signal(number)
            code = process.wait(60)
        assert code in (-signal.SIGTERM, 130)
        assert "Traceback" not in process.stderr.read()


def test_it_promises_to_stop_within_ten_seconds() -> None:
    assert importlib.import_module("promptseg.cli.serve").GRACE_SECONDS + CLOSING_SECONDS < 10
