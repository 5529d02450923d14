"""What was answered is kept: across restarts, and when the server is killed at any moment."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow
from serving import ONE_THREAD, PATIENCE, failure, run

from promptseg.errors import OutputError
from promptseg.masks.rle import RLE
from promptseg.server.http_errors import HttpError
from promptseg.server.settings import Limits, Settings
from promptseg.server.store import Picture, Store, StoredSession, now


def png(number: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def serve(data: Path) -> "tuple[subprocess.Popen[str], str]":
    command = [sys.executable, "-m", "promptseg.cli.app", "serve", "--port", "0", "--data", str(data)]
    process = subprocess.Popen([*command, "--runtime", "onnx"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://[\d.:]+", line)
    assert found, line
    return process, found[0]


class Writer(threading.Thread):
    """Uploads pictures, puts objects and begins sessions as fast as it can; notes what was answered."""

    def __init__(self, url: str, first: int, enough: threading.Semaphore) -> None:
        super().__init__()
        self._url, self._first, self._enough = url, first, enough
        self.pictures: dict[str, bytes] = {}
        self.objects: dict[str, tuple[int, str]] = {}
        self.sessions: list[str] = []

    def run(self) -> None:
        mask = RLE.encode(np.ones((40, 40), np.bool_)).to_coco()
        with httpx.Client(base_url=self._url, timeout=600) as http:
            try:
                for number in range(self._first, self._first + 100_000):
                    content = png(number)
                    answer = http.post("/v1/images?embed=false", content=content, headers={"Content-Type": "image/png"})
                    if not answer.is_success:
                        continue
                    image = answer.json()["id"]
                    self.pictures[image] = content
                    for name in ("first", "second"):
                        body = {"objects": [{"id": f"{name}-{number}", "segmentation": mask}]}
                        answer = http.put(f"/v1/images/{image}/objects", json=body)
                        self.objects[image] = (answer.json()["version"], body["objects"][0]["id"])
                    self._enough.release()
            except httpx.TransportError:
                return  # killed


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_kill_loses_no_answered_request(tmp_path: Path) -> None:
    writers: list[Writer] = []
    for round_ in range(2):
        process, url = serve(tmp_path)
        enough = threading.Semaphore(0)
        mine = [Writer(url, 1_000_000 * (2 * round_ + number), enough) for number in range(2)]
        for writer in mine:
            writer.start()
        for _ in range(6 + round_):
            enough.acquire()
        os.kill(process.pid, signal.SIGKILL)  # in the middle of other requests
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        for writer in mine:
            writer.join()
        writers += mine
    with run(Settings(data=tmp_path, models=ONE_THREAD, limits=Limits(request_seconds=600))) as server:
        stored = {item["id"] for item in server.http.get("/v1/images").json()["images"]}
        for writer in writers:
            assert writer.pictures
            for image, content in writer.pictures.items():
                assert image in stored
                assert server.http.get(f"/v1/images/{image}/file").content == content
            for image, (version, name) in writer.objects.items():
                kept = server.http.get(f"/v1/images/{image}/objects").json()
                newer = kept["version"] > version  # written, but killed before the answer
                assert newer or (kept["version"], kept["objects"][0]["id"]) == (version, name)
        leftovers = [path for path in tmp_path.glob("images/*/*") if path.name not in stored]
        assert leftovers == []


@pytest.fixture
def record() -> Picture:
    return Picture("ab" * 32, 4, 3, "x.png", "image/png", 3, now())


def test_two_servers_never_share_a_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(OutputError, match="Another server"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--data"):
        Store(tmp_path / "file" / "below")
    (tmp_path / "promptseg.sqlite3").write_bytes(b"no database at all, but long enough for a header" * 99)
    with pytest.raises(OutputError, match="--data"):
        Store(tmp_path)


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store._db.execute("pragma user_version = 99")
    store.close()
    with pytest.raises(OutputError, match="newer"):
        Store(tmp_path)


def test_a_failed_change_is_taken_back(tmp_path: Path, record: Picture) -> None:
    store = Store(tmp_path)
    store.add_picture(record, b"abc")
    with pytest.raises(KeyError):
        store.put_session(StoredSession("s", "no such picture", "m", 0, "[]"), 10)
    with pytest.raises(KeyError):
        store.put_objects("no such picture", "[]", 0, None)
    assert store.count_sessions() == 0
    store.put_session(StoredSession("s", record.id, "m", 0, "[]"), 10)
    assert store.drop_picture(record.id)
    assert (store.count_sessions(), store.usage()[0], store.objects(record.id).version) == (0, 0, 0)
    store.close()


def test_leftovers_of_a_kill_are_swept(tmp_path: Path, record: Picture) -> None:
    store = Store(tmp_path)
    store.add_picture(record, b"abc")
    store.close()
    orphan = tmp_path / "images" / "cd" / ("cd" * 32)
    orphan.parent.mkdir()
    orphan.write_bytes(b"x")
    part = orphan.with_name(".cdcd.0123.part")
    part.write_bytes(b"x")
    store = Store(tmp_path)
    assert not orphan.exists()
    assert not part.exists()
    assert store.path_of(record.id).read_bytes() == b"abc"
    store.close()


def test_the_folder_is_private(tmp_path: Path) -> None:
    store = Store(tmp_path / "mine")
    mode: Any = (tmp_path / "mine").stat().st_mode
    assert not mode & 0o077
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="no such rights here")
def test_a_folder_that_others_can_read_is_tightened(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "some folder"
    folder.mkdir(mode=0o755)
    Store(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o750)
    monkeypatch.setattr(Path, "chmod", lambda self, mode: os.rename("/nowhere", "/nowhere"))
    with pytest.raises(OutputError, match="chmod 700 '"):
        Store(folder)


def test_all_work_counts_and_what_shrinks_is_taken(tmp_path: Path, record: Picture) -> None:
    store = Store(tmp_path)
    store.add_picture(record, b"abc")
    most = store.usage()[1] + 100_000
    store.close()
    store = Store(tmp_path, most)
    store.put_objects(record.id, "x" * 80_000, 1, None)
    used = store.usage()[1]
    for write in (
        lambda: store.put_objects(record.id, "x" * 150_000, 1, None),
        lambda: store.put_session(StoredSession("s", record.id, "m", 1, "x" * 50_000), 10),
        lambda: store.put_workspace("classes", "x" * 50_000),
    ):
        with pytest.raises(HttpError, match="Delete some") as caught:
            write()
        assert caught.value.status == 413
        assert store.usage()[1] == used
    store._most_bytes = 1  # as after a start with a smaller limit
    store.put_objects(record.id, "x" * 10_000, 1, None)
    assert store.drop_picture(record.id)
    assert store.usage()[1] < used - 60_000
    store.close()


def test_what_was_deleted_is_not_left_in_the_database(tmp_path: Path, record: Picture) -> None:
    store = Store(tmp_path)
    store.add_picture(record, b"abc")
    store.put_objects(record.id, "a secret " * 9, 1, None)
    store.drop_picture(record.id)
    store.close()
    assert b"a secret" not in b"".join(path.read_bytes() for path in tmp_path.glob("promptseg.sqlite3*"))


def test_a_deleted_picture_leaves_no_embedding(tmp_path: Path, astronaut: bytes, examples: Path) -> None:
    with run(Settings(data=tmp_path, models=ONE_THREAD, limits=Limits(request_seconds=600))) as server:
        images = [server.upload(content)["id"] for content in (astronaut, (examples / "coffee.jpg").read_bytes())]
        for image in images:
            assert server.http.get(f"/v1/images/{image}/embedding").status_code == 200
        assert len([*tmp_path.glob("embeddings/*/*.embedding")]) == 2
        assert server.http.delete(f"/v1/images/{images[0]}").status_code == 204
        (kept,) = tmp_path.glob("embeddings/*/*.embedding")
        assert images[1].encode() in kept.read_bytes()[:512]


def test_a_cache_that_cannot_be_written_fails_nothing(tmp_path: Path, astronaut: bytes) -> None:
    (tmp_path / "embeddings").mkdir()
    with run(Settings(data=tmp_path, models=ONE_THREAD, limits=Limits(request_seconds=600))) as server:
        (tmp_path / "embeddings").rmdir()
        (tmp_path / "embeddings").write_bytes(b"in the way")
        image = server.upload(astronaut)["id"]
        for _ in range(2):
            assert server.http.get(f"/v1/images/{image}/embedding").status_code == 200
        assert 'promptseg_embeddings_total{how="memory"} 1.0' in server.http.get("/metrics").text


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, path.stat().st_size // 2)])
def test_a_file_that_is_removed_while_it_is_read(tmp_path: Path, harm: Any, monkeypatch) -> None:
    with run(Settings(data=tmp_path, models=ONE_THREAD, limits=Limits(memory_bytes=1))) as server:
        images = [server.upload(png(number))["id"] for number in range(3)]
        real = Path.read_bytes

        def read(path: Path) -> bytes:  # it goes after it was looked for and before it is opened
            if path.name in images and path.exists():
                harm(path)
            return real(path)

        monkeypatch.setattr(Path, "read_bytes", read)
        gone = harm is Path.unlink
        for image, route in zip(images, ("thumbnail", "embedding", "file"), strict=True):
            answer = server.http.get(f"/v1/images/{image}/{route}")
            if gone:
                assert "Upload it again" in failure(answer, 404, "NotFoundError")
            elif route != "file":
                failure(answer, 422, "ImageError")
            assert str(tmp_path) not in answer.text
        assert server.http.get("/healthz").status_code == 200


def test_a_picture_that_is_deleted_while_it_is_embedded(tmp_path: Path, astronaut: bytes, monkeypatch) -> None:
    with run(Settings(data=tmp_path, models=ONE_THREAD, limits=Limits(request_seconds=600))) as server:
        image = server.upload(astronaut)["id"]
        segmenter = server.parts.models.get("mobile-sam-clicks")
        real, begun, may_end = segmenter.embed, threading.Event(), threading.Event()

        def slow(picture: Any) -> Any:
            begun.set()
            assert may_end.wait(PATIENCE)
            return real(picture)

        monkeypatch.setattr(segmenter, "embed", slow)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.http.get, f"/v1/images/{image}/embedding")
            assert begun.wait(PATIENCE)
            assert server.http.delete(f"/v1/images/{image}").status_code == 204
            may_end.set()
            assert "deleted meanwhile" in failure(asked.result(), 404, "NotFoundError")
        assert [*tmp_path.glob("embeddings/*/*.embedding")] == []
        assert server.parts.pictures.memory.bytes == 0
