"""Downloads: only whole, right files ever appear in the cache."""

import contextlib
import dataclasses
import hashlib
import http.client
import http.server
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from promptseg.errors import OutputError, WeightsError
from promptseg.models import store
from promptseg.models.registry import ModelCard
from promptseg.models.store import cache_folder, download, file_sha256, find_weights

CONTENT = bytes(range(256)) * 12_000  # three chunks


def card_of(content: bytes = CONTENT, **changes: object) -> ModelCard:
    card = ModelCard(
        name="toy",
        architecture="vit_t",
        parameters=1,
        licence="Apache-2.0",
        origin="a test",
        url="https://example.org/toy.pth",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return dataclasses.replace(card, **changes)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1/toy.pth")
            self.end_headers()
            return
        if self.path == "/404":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        half = self.path == "/half"
        with contextlib.suppress(OSError):
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if half else CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def opener(address: str) -> store.Opener:
    """Fetches the address on the loopback in place of the card's."""
    return lambda _: urllib.request.urlopen(address, timeout=10)  # noqa: S310 - the loopback


class Fake:
    """A connection that sends these pieces; an exception among them is raised."""

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self.pieces = list(pieces)

    def __call__(self, _: str) -> "Fake":
        return self

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, _: int) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, BaseException):
            raise piece
        return piece


def test_a_good_download(tmp_path: Path, server: str) -> None:
    seen: list[int] = []
    path = download(card_of(), tmp_path / "new", opener=opener(server), progress=lambda done, total: seen.append(done))
    assert path == tmp_path / "new" / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)
    assert os.listdir(path.parent) == ["toy.pth"]


def test_a_right_file_is_not_fetched_again_and_a_wrong_one_is(tmp_path: Path, server: str) -> None:
    def never(_: str) -> Fake:
        raise AssertionError("no connection is needed")

    (tmp_path / "toy.pth").write_bytes(b"x" * len(CONTENT))
    download(card_of(), tmp_path, opener=opener(server))
    assert download(card_of(), tmp_path, opener=never).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("pieces", "hint"),
    [
        ([], "ended after 0 of"),
        ([CONTENT[:-1]], "ended after"),
        ([CONTENT, b"x"], "sends more than"),
        ([CONTENT[::-1]], "SHA-256"),
        ([CONTENT[:9], ConnectionResetError("reset")], "interrupted: reset"),
        ([CONTENT[:9], TimeoutError("slow")], "interrupted: slow"),
        ([CONTENT[:9], http.client.IncompleteRead(b"")], "interrupted"),
    ],
)
@pytest.mark.parametrize("before", [None, b"the old file"])
def test_bad_downloads_leave_nothing(pieces: list, hint: str, before: bytes | None, tmp_path: Path) -> None:
    if before:
        (tmp_path / "toy.pth").write_bytes(before)
    with pytest.raises(WeightsError, match=hint):
        download(card_of(), tmp_path, opener=Fake(*pieces))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([before] if before else [])


def test_a_connection_cut_half_way(tmp_path: Path, server: str) -> None:
    with pytest.raises(WeightsError, match=r"ended after|interrupted"):
        download(card_of(), tmp_path, opener=opener(server + "/half"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_stopping_leaves_nothing(stop: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(stop)):
        download(card_of(), tmp_path, opener=Fake(CONTENT[:1000], stop))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://example.org/toy.pth", "file:///etc/passwd", "ftp://a/toy.pth", "toy.pth"])
def test_https_only(url: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="by https only"):
        download(card_of(url=url), tmp_path, opener=Fake(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_redirects_must_be_https(tmp_path: Path, server: str) -> None:
    with pytest.raises(WeightsError, match=r"redirected to http://127\.0\.0\.1/toy\.pth, which is not https"):
        download(card_of(), tmp_path, opener=lambda _: store._open_https(server + "/elsewhere"))


@pytest.mark.parametrize(
    "error",
    [urllib.error.URLError("Name or service not known"), ConnectionRefusedError(111, "refused"), TimeoutError("t")],
)
def test_offline_says_the_manual_way(error: OSError, tmp_path: Path) -> None:
    def offline(_: str) -> Fake:
        raise error

    with pytest.raises(WeightsError) as caught:
        download(card_of(), tmp_path, opener=offline)
    message = str(caught.value)
    assert "https://example.org/toy.pth" in message
    assert "promptseg models convert toy.pth --model toy" in message
    assert list(tmp_path.iterdir()) == []


def test_a_missing_page(tmp_path: Path, server: str) -> None:
    with pytest.raises(WeightsError, match="cannot be reached") as caught:
        download(card_of(), tmp_path, opener=opener(server + "/404"))
    response = caught.value.__cause__
    assert isinstance(response, urllib.error.HTTPError)
    response.close()


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="PROMPTSEG_CACHE"):
        download(card_of(), tmp_path / "file", opener=Fake(CONTENT))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("promptseg.files.os.fsync", full)
    with pytest.raises(OutputError, match=r"No space left.*PROMPTSEG_CACHE"):
        download(card_of(), tmp_path, opener=Fake(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_killed_downloads_are_never_taken_for_the_file(tmp_path: Path, server: str) -> None:
    program = textwrap.dedent(f"""
        import sys, time
        sys.path[:0] = {[str(Path(__file__).parent)]!r}
        from test_weight_store import CONTENT, Fake, card_of
        from promptseg.models.store import download
        class Slow(Fake):
            def read(self, count):
                piece = super().read(count)
                if not self.pieces:
                    print("half", flush=True)
                    time.sleep(60)
                return piece
        from pathlib import Path
        download(card_of(), Path(sys.argv[1]), opener=Slow(CONTENT[:100_000], CONTENT[100_000:]))
    """)
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"half\n"
        victim.send_signal(signal.SIGKILL)
        victim.wait(20)
    left = list(tmp_path.iterdir())
    assert [path.suffix for path in left] == [".part"]
    assert not (tmp_path / "toy.pth").exists()
    assert download(card_of(), tmp_path, opener=opener(server)).read_bytes() == CONTENT
    assert left[0].exists()  # it might belong to a download that is still running
    (tmp_path / "toy.pth").unlink()
    day_ago = time.time() - 25 * 3600
    os.utime(left[0], (day_ago, day_ago))
    download(card_of(), tmp_path, opener=opener(server))
    assert os.listdir(tmp_path) == ["toy.pth"]


def test_concurrent_downloads(tmp_path: Path, server: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        paths = list(pool.map(lambda _: download(card_of(), tmp_path, opener=opener(server)), range(12)))
    assert set(paths) == {tmp_path / "toy.pth"}
    assert file_sha256(paths[0]) == card_of().sha256
    assert os.listdir(tmp_path) == ["toy.pth"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PROMPTSEG_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"PROMPTSEG_CACHE": "", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/promptseg"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/promptseg"),
        ({"HOME": "/c"}, "/c/.cache/promptseg"),
    ],
)
def test_cache_folder(environment: dict[str, str], expected: str) -> None:
    assert cache_folder(environment) == Path(expected)


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(WeightsError, match="PROMPTSEG_CACHE"):
        cache_folder({})


def test_find_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="promptseg models download toy"):
        find_weights(card_of(), tmp_path)
    (tmp_path / "toy.safetensors").write_bytes(b"")
    assert find_weights(card_of(), tmp_path) == tmp_path / "toy.safetensors"
    monkeypatch.setattr(store, "embedded_weights_path", lambda: Path("inside"))
    assert find_weights(card_of(embedded=True), tmp_path) == Path("inside")


def test_hash_of_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        file_sha256(tmp_path)
