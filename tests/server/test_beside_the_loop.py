"""What takes more than a moment happens beside the event loop: large bodies, large answers, lists of many things."""

import contextlib
import io
import json
import threading
import zipfile
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.responses import JSONResponse
from PIL import Image as Pillow
from serving import failure

from growth import growth
from promptseg.masks.rle import RLE
from promptseg.server import data_set_in, data_set_out, forms, json_out, lines, middleware, strict
from promptseg.server.forms import file_of_form
from promptseg.server.http_errors import HttpError
from promptseg.server.json_out import json_bytes
from promptseg.server.labelling import tasks

JSON = {"Content-Type": "application/json"}
LARGE = 10_000
"""Letters; what is larger, takes more than a moment."""


class Watch:
    """Notes in which threads functions are called with much, or give much back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch, self.loop, self.seen = monkeypatch, set[int](), dict[str, set[int]]()
        admit = middleware.GuardMiddleware._admit

        def admitted(guard: Any, *given: Any) -> None:
            self.loop.add(threading.get_ident())
            admit(guard, *given)

        monkeypatch.setattr(middleware.GuardMiddleware, "_admit", admitted)

    def __call__(self, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def noted(*given: Any, **more: Any) -> Any:
            result = real(*given, **more)
            if any(_size(value) >= LARGE for value in (*given, result)):
                self.seen.setdefault(f"{owner.__name__.rpartition('.')[2]}.{name}", set()).add(threading.get_ident())
            return result

        self._monkeypatch.setattr(owner, name, noted)


def _size(value: Any) -> int:
    if isinstance(value, list | dict):
        return len(repr(value))
    return len(value) if isinstance(value, str | bytes) else 0


def noise(seed: int, side: int = 150) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def test_large_bodies_and_answers_leave_the_loop_alone(start, monkeypatch) -> None:
    watch = Watch(monkeypatch)
    for owner, name in (
        (strict, "parse"),
        (strict, "check_counts"),
        (data_set_in, "unpacked"),
        (data_set_in, "incoming"),
        (data_set_in, "class_list"),
        (data_set_in, "parse_json"),
        (json_out, "_text"),
        (json, "dumps"),
        (JSONResponse, "render"),
        (tasks, "_from_data"),
    ):
        watch(owner, name)
    form = forms.file_of_form
    monkeypatch.setattr("promptseg.server.routes.images.file_of_form", lambda *given: form(*given))
    watch(__import__("promptseg.server.routes.images", fromlist=["images"]), "file_of_form")
    server = start()
    file = io.BytesIO()
    Pillow.fromarray(noise(1)).save(file, "PNG")
    answer = server.http.post("/v1/images?embed=false", files={"file": ("a.png", file.getvalue())})
    assert answer.status_code == 201, answer.text
    url = f"/v1/images/{answer.json()['id']}"
    mask = RLE.encode(noise(2)[:, :, 0] > 127).to_coco()
    assert len(mask["counts"]) > LARGE
    objects = [{"id": str(number), "segmentation": mask} for number in range(3)]
    assert server.http.put(f"{url}/objects", json={"objects": objects}).status_code == 200
    assert len(server.http.get(f"{url}/objects").content) > 3 * LARGE
    record = server.http.post(f"{url}/export?format=coco").json()
    assert len(server.http.post(f"{url}/import?format=coco", json=record).json()["objects"]) == 3
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a.json", json.dumps(record))
    read = server.http.post("/v1/import", content=archive.getvalue(), headers={"Content-Type": "application/zip"})
    assert read.json()["objects"] == 3, read.text
    assert server.http.put("/v1/classes", json={"classes": [{"name": "d" * 200}] * 100}).status_code == 200
    names = server.http.post("/v1/classes/read", content=b"dog\n" * LARGE, headers={"Content-Type": "text/plain"})
    assert names.json() == {"names": ["dog"]}
    failure(server.http.put("/v1/classes", content=b'"' + b'\\"' * LARGE, headers=JSON), 400, "JSONError")
    failure(server.http.put("/v1/classes", json={"classes": [{"name": 0}] * 1999}), 422, "SchemaError")
    tagged = (
        '<View><Image name="i" value="$i"/><BrushLabels name="t" toName="i"><Label value="D"/></BrushLabels></View>'
    )
    clicks = [{"type": "keypointlabels", "value": {"x": 5, "y": 5, "keypointlabels": ["D"]}}]
    task = {"tasks": [{"data": {"i": "data:," + "%41" * LARGE}}], "label_config": tagged}
    answer = server.http.post("/label-studio/predict", json={**task, "params": {"context": {"result": clicks}}})
    failure(answer, 422, "ImageError")
    assert {"strict.parse", "data_set_in.class_list", "data_set_in.incoming", "tasks._from_data"} <= set(watch.seen)
    assert {"json_out._text", "images.file_of_form"} <= set(watch.seen)
    assert len(watch.loop) == 1
    assert {name for name, threads in watch.seen.items() if threads & watch.loop} == set()


def form(*parts: tuple[str, str | None, bytes], boundary: bytes = b"--xy") -> bytes:
    written = b""
    for name, file_name, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name else "")
        written += b"--%s\r\n%s\r\nContent-Type: image/png\r\n\r\n%s\r\n" % (boundary, head.encode(), content)
    return written + b"--" + boundary + b"--\r\n"


KIND = 'multipart/form-data; charset=utf-8; boundary="--xy"'


def test_the_file_of_a_form() -> None:
    hard = b"\r\n---xy\r\n--\r\n\r\n--xy----xy" + bytes(range(256)) * 9
    assert file_of_form(form(("file", "犬.png", hard)), KIND) == (hard, "犬.png")
    assert file_of_form(form(("a", None, b"1"), ("file", "b c.png", b""), ("d", None, b"2")), KIND) == (b"", "b c.png")
    with httpx.Client() as client:
        request = client.build_request("POST", "http://x/", files={"file": ('a"\\b.png', b"--")}, data={"k": "v"})
    content, name = file_of_form(request.read(), request.headers["content-type"])
    assert (content, name[:1]) == (b"--", "a")
    preamble = b"to be passed over\r\n" + form(("file", "a", b"x"))
    assert file_of_form(preamble, KIND) == (b"x", "a")


@pytest.mark.parametrize(
    ("content", "kind", "status", "says"),
    [
        (form(("file", "a", b"1"), ("file", "b", b"2")), KIND, 400, "more than one file"),
        (form(("other", "a", b"1")), KIND, 422, "called 'file'"),
        (form(("file", None, b"1")), KIND, 422, "called 'file'"),
        (form(("file", "a", b"1"))[:-8], KIND, 400, "cut off"),
        (form(("file", "a", b"1")).replace(b"\r\n\r\n", b"\r\n"), KIND, 400, "no head"),
        (form(("k", None, b"v"), boundary=b"--xy") * 1 + b"", KIND, 422, "called 'file'"),
        (form(*[("k", None, b"v")] * 20), KIND, 400, "more than 15 parts"),
        (b"x", KIND, 400, "boundary"),
        (b"x", "multipart/form-data", 400, "boundary"),
        (b"x", "multipart/form-data; boundary=" + "x" * 99, 400, "boundary"),
        (b"x", "multipart/form-data; boundary*=klingon''x", 400, "boundary"),
    ],
)
def test_forms_that_are_none(content: bytes, kind: str, status: int, says: str) -> None:
    with pytest.raises(HttpError, match=says) as caught:
        file_of_form(content, kind)
    assert caught.value.status == status


@pytest.mark.parametrize("piece", [b"\r\n", b"\r\n--", b"\r\n--" + b"-" * 60, b"\r\n\r\n", b"--xy"])
def test_forms_take_time_linear_in_their_bytes(piece: bytes) -> None:
    kind = "multipart/form-data; boundary=" + "-" * 69

    def work(size: int) -> None:
        with contextlib.suppress(HttpError):
            file_of_form(form(("file", "a", piece * (size // len(piece))), boundary=b"-" * 69), kind)

    assert growth(work, 2**20, 2**22, 10) < 10


def test_json_is_what_the_framework_writes() -> None:
    values = [
        {"a": [1, {"b": [[[[1.5, "é"]]]]}], "c": None, "d": {}, "e": [], "f": True, "g": {"h": {"i": {"j": {"k": 1}}}}},
        [],
        "x",
        {"masks": [{"polygons": [[[[1.0, 2.0]]]]}]},
    ]
    for value in values:
        assert json_bytes(value) == JSONResponse(value).body
    assert json_bytes({"a": "\ud800"}) == b'{"a":"?"}'
    with pytest.raises(ValueError, match="Out of range"):
        json_bytes({"a": float("nan")})


def test_who_reads_slowly_is_not_remembered_for(monkeypatch) -> None:
    """Lines beyond some wait in the work, not in memory; and the work still hears that it is to stop."""
    monkeypatch.setattr(lines, "MOST_WAITING", 3)
    monkeypatch.setattr(lines, "_LOOK_SECONDS", 0.01)
    put: list[bytes] = []
    looks = 0  # since the last line
    stop, waits = threading.Event(), threading.Event()

    class Stopped(Exception):
        pass

    def check() -> None:
        nonlocal looks
        if stop.is_set():
            raise Stopped
        looks += 1
        if looks == 3:  # once before a line, and again and again while there is no room for it
            waits.set()

    def send(put_: Any, line: bytes) -> None:
        nonlocal looks
        put.append(line)
        looks = 0

    told = lines.Lines(SimpleNamespace(limits=SimpleNamespace(everything_seconds=1)), lambda job, tell: {})  # type: ignore[arg-type]
    job: Any = SimpleNamespace(check=check, loop=SimpleNamespace(call_soon_threadsafe=send))
    ended: list[bool] = []

    def work(job: Any, tell: Any) -> dict[str, Any]:
        try:
            for number in range(100):
                tell({"number": number})
        except Stopped:
            ended.append(True)
        return {}

    told._work = work
    thread = threading.Thread(target=told._do, args=(job,))
    thread.start()
    for count in (3, 4):
        assert waits.wait(60)
        assert len(put) == count
        waits.clear()
        if count == 3:
            told._room.release()
    assert put == [b'{"number":%d}\n' % number for number in range(4)]
    stop.set()
    thread.join(60)
    assert ended == [True]


def test_a_data_set_is_laid_out_beside_the_loop(start, monkeypatch) -> None:
    watch = Watch(monkeypatch)
    made: list[int] = []
    real = data_set_out._unique_names
    monkeypatch.setattr(
        data_set_out, "_unique_names", lambda given: (made.append(threading.get_ident()), real(given))[1]
    )
    server = start()
    file = io.BytesIO()
    Pillow.fromarray(noise(1, 20)).save(file, "PNG")
    server.upload(file.getvalue())
    failure(server.http.post("/v1/export", json={"format": "coco"}), 422, "InputError")
    assert made
    assert not set(made) & watch.loop
