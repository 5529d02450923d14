"""The promises of SECURITY.md that no other test holds: each fails without its limit."""

import hmac
import io
import itertools
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow
from serving import ONE_THREAD, PATIENCE, connect, failure, rest, run, until

from promptseg.errors import InputError
from promptseg.server import middleware, pictures
from promptseg.server.counts import check_results
from promptseg.server.data_set_in import dressed, store_objects
from promptseg.server.http_errors import HttpError
from promptseg.server.settings import Limits, Settings
from promptseg.server.store import Picture, Store, now

IMAGE = "ab" * 32
BYTES, JSON = {"Content-Type": "application/octet-stream"}, {"Content-Type": "application/json"}
POINT = {"type": "point", "x": 1, "y": 1}


@pytest.mark.parametrize(
    ("limit", "within", "beyond"),
    [
        ({"max_prompts": 2}, {"prompts": [POINT] * 2}, {"prompts": [POINT] * 3}),
        ({"max_prompt_objects": 2}, {"prompts": [[POINT]] * 2}, {"prompts": [[POINT]] * 3}),
        (
            {"max_vertices": 3},
            {"prompts": [{"type": "polygon", "points": [[0, 0], [9, 0], [9, 9]]}]},
            {"prompts": [{"type": "scribble", "points": [[0, 0]] * 4}]},
        ),
    ],
)
def test_limits_of_prompts(start, astronaut, limit: dict[str, Any], within: Any, beyond: Any) -> None:
    server = start(limits=Limits(**limit))
    url = f"/v1/images/{server.upload(astronaut)['id']}/segment"
    assert server.http.post(url, json=within).status_code == 200
    failure(server.http.post(url, json=beyond), 413, "TooLargeError")


def test_limit_of_names(start) -> None:
    server = start(limits=Limits(max_names=2))
    assert server.http.put("/v1/classes", json={"classes": [{"name": "a"}] * 2}).status_code == 200
    failure(server.http.put("/v1/classes", json={"classes": [{"name": "a"}] * 3}), 413, "TooLargeError")
    failure(server.http.post(f"/v1/images/{IMAGE}/panoptic", json={"vocabulary": ["a"] * 3}), 413, "TooLargeError")
    text = {"content": b"a\nb\nc\n", "headers": {"Content-Type": "text/plain"}}
    assert server.http.post("/v1/classes/read", **text).json() == {"names": ["a", "b"]}


def test_limit_of_names_in_labels(tmp_path: Path) -> None:
    store = Store(tmp_path)
    objects = [{"label": label, "colour": None} for label in "abc"]
    assert [item["label"] for item in dressed(store, objects, 2)] == ["a", "b", "c"]
    assert json.loads(store.workspace("classes") or "")["classes"] == [
        {"name": "a", "colour": None},
        {"name": "b", "colour": None},
    ]
    assert store.numbered(["a", "b"], 2) == ["a", "b"]
    assert store.numbered(["c"], 2) == ["a", "b", "c"]
    assert store.numbered(["d"], 2) == ["a", "b", "d"]  # c was not remembered
    store.close()


def test_limit_of_masks_that_labels_add(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = Picture(IMAGE, 4, 4, "", "image/jpeg", 0, now())
    store.add_picture(record, b"abc")
    item = {"label": None, "colour": None, "score": None}
    assert store_objects(store, record, [item], "add", Limits(max_masks=2), "") == 1
    with pytest.raises(HttpError, match="at most 2 objects") as caught:
        store_objects(store, record, [item] * 2, "add", Limits(max_masks=2), "")
    assert caught.value.status == 413
    assert store_objects(store, record, [item] * 2, "replace", Limits(max_masks=2), "") == 2
    store.close()


def test_limits_of_what_was_clicked_in_label_studio() -> None:
    corners = {"value": {"points": [[0, 0]] * 3}}
    check_results([corners, {}], Limits(max_prompts=2, max_vertices=3))
    for results in ([{}] * 3, [corners] * 2):
        with pytest.raises(HttpError, match="one request takes at most") as caught:
            check_results(results, Limits(max_prompts=2, max_vertices=3))
        assert caught.value.status == 413


def test_limit_of_depth(start) -> None:
    server = start(limits=Limits(max_json_depth=3))
    assert server.http.put("/v1/classes", json={"classes": [{"name": "a"}]}).status_code == 200
    assert "deeper than 3" in failure(server.http.put("/v1/classes", json={"classes": [[[]]]}), 400, "JSONError")


def test_limit_of_stored_bytes(start, astronaut) -> None:
    server = start(limits=Limits(max_stored_bytes=len(astronaut) + 100_000))
    image = server.upload(astronaut)
    size = [image["height"], image["width"]]
    item = {"id": "a", "segmentation": {"size": size, "counts": [0, size[0] * size[1]]}, "prompts": [POINT] * 5000}
    answer = server.http.put(f"/v1/images/{image['id']}/objects", json={"objects": [item]})
    assert "Delete some" in failure(answer, 413, "TooLargeError")


def test_limit_of_searches(start, astronaut, monkeypatch) -> None:
    server = start(limits=Limits(max_everything=1))
    url = f"/v1/images/{server.upload(astronaut)['id']}"
    begun, may_end = threading.Event(), threading.Event()

    def edges(*given: Any, **options: Any) -> None:
        begun.set()
        assert may_end.wait(PATIENCE)
        raise InputError("enough")

    monkeypatch.setattr(server.parts.models.get("mobile-sam-clicks"), "edges", edges)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.http.post, f"{url}/edges", json={})
        assert begun.wait(PATIENCE)
        answer = server.http.post(f"{url}/proposals", json={"points_per_side": 2})
        may_end.set()
        assert "searching" in failure(answer, 503, "BusyError")
        assert answer.headers["Retry-After"] == "5"
        assert first.result().status_code == 422


def test_deadline_of_searches(start, astronaut) -> None:
    server = start(limits=Limits(everything_seconds=0.01))
    image = server.upload(astronaut)["id"]
    server.http.get(f"/v1/images/{image}/embedding")
    failure(server.http.post(f"/v1/images/{image}/edges", json={"points_per_side": 8}), 503, "DeadlineError")


@pytest.mark.parametrize("way", ["everything", "edges", "proposals"])
def test_limit_of_points(start, astronaut, way: str) -> None:
    server = start(limits=Limits(max_points_per_side=2))
    body = {"points_per_side": 3}
    answer = server.http.post(
        f"/v1/images/{server.upload(astronaut)['id']}/{way}", json={"options": body} if way == "everything" else body
    )
    assert "2" in failure(answer, 413, "TooLargeError")


def test_limit_of_mask_prompts(start, astronaut) -> None:
    server = start(limits=Limits(max_pixels=300_000))
    url = f"/v1/images/{server.upload(astronaut)['id']}/segment"

    def masks(*sides: int) -> Any:
        parts = [{"size": [side, side], "counts": [0, side * side]} for side in sides]
        return server.http.post(url, json={"prompts": [{"type": "mask", "segmentation": part} for part in parts]})

    assert masks(512).status_code == 200
    assert "together" in failure(masks(512, 512), 413, "TooLargeError")
    assert "at most as many as the picture" in failure(masks(2049), 422, "PromptError")


def test_limit_of_the_rounds_of_a_session(start, astronaut) -> None:
    server = start(limits=Limits(max_json_bytes=1500))
    image = server.upload(astronaut)["id"]
    session = server.http.post("/v1/sessions", json={"image": image}).json()["id"]
    body = {"prompts": [{"type": "polygon", "points": [[100.5 + x, 100.5 + x * x] for x in range(20)]}]}
    first, second, third, fourth = (server.http.post(f"/v1/sessions/{session}/prompts", json=body) for _ in range(4))
    assert (first.status_code, second.status_code) == (200, 200)
    assert third.status_code in (200, 413)
    assert "rounds" in failure(fourth, 413, "TooLargeError")


def test_limit_of_values(here) -> None:
    for values in (b"0," * 2_000_001, b"[]," * 250_001):
        answer = here.http.put("/v1/classes", content=b'{"classes": [' + values + b"0]}", headers=JSON)
        assert "values" in failure(answer, 413, "TooLargeError")


def test_limit_of_pictures_bytes_leaves_no_file(start, astronaut, examples: Path, data: Path) -> None:
    server = start(limits=Limits(max_stored_bytes=len(astronaut) + 100_000))
    server.upload(astronaut)
    coffee, upload = (examples / "coffee.jpg").read_bytes(), {"headers": {"Content-Type": "image/jpeg"}}
    failure(server.http.post("/v1/images?embed=false", content=coffee, **upload), 413, "TooLargeError")
    record = Picture(IMAGE, 4, 4, "", "image/jpeg", 0, now())
    with pytest.raises(HttpError, match="Delete some"):  # two uploads at a time: the second is found out late
        server.parts.store.add_picture(record, coffee)
    assert len([path for path in data.glob("images/??/*") if path.is_file()]) == 1


def test_names_become_no_paths(start, astronaut, data: Path) -> None:
    before = {path for path in data.parent.rglob("*") if "embeddings" not in path.parts}
    server = start()
    image = server.upload(astronaut, name="../../../images/evil.jpg")["id"]
    made = {path for path in data.parent.rglob("*") if path.is_file() and "embeddings" not in path.parts} - before
    made -= {data / "lock", *data.glob("promptseg.sqlite3*")}
    assert made == {data / "images" / image[:2] / image}


@pytest.mark.parametrize("form", ["PPM", "ICO", "TGA", "PCX", "EPS", "JPEG2000"])
def test_other_kinds_of_pictures_are_not_decoded(here, form: str) -> None:
    file = io.BytesIO()
    Pillow.new("RGB", (32, 32), (9, 99, 199)).save(file, form)
    failure(here.http.post("/v1/images", content=file.getvalue(), headers=BYTES), 422, "ImageError")


def test_more_than_the_queue_holds_is_told_to_come_again(start, astronaut, monkeypatch) -> None:
    server = start(limits=Limits(max_waiting=3), workers=1)
    image = server.upload(astronaut)["id"]
    begun, may_end = threading.Event(), threading.Event()
    monkeypatch.setattr(pictures, "_encode", lambda *given: (begun.set(), may_end.wait(PATIENCE), b"jpeg")[2])
    url = f"/v1/images/{image}/thumbnail"
    with ThreadPoolExecutor(40) as pool:
        inside = [pool.submit(server.http.get, url) for _ in range(4)]
        until(lambda: server.metric("promptseg_jobs_pending") == 4)
        refused = [asked.result() for asked in [pool.submit(server.http.get, url) for _ in range(36)]]
        may_end.set()
        assert [asked.result().content for asked in inside] == [b"jpeg"] * 4
    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in refused} == {(503, "1")}
    until(lambda: server.metric("promptseg_jobs_pending") == 0)
    assert server.http.get(url).status_code == 200


def test_no_time_limit_goes_by_the_clock(start, astronaut, examples: Path, monkeypatch) -> None:
    clock = itertools.count(2 * 10**9, -3600)  # an hour back whenever somebody looks
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    monkeypatch.setattr(pictures, "now", lambda: f"20{next(clock) // 3600 % 80 + 10}-01-01T00:00:00.000Z")
    server = start(limits=Limits(head_seconds=0.3, everything_seconds=0.01, max_sessions=2))
    with connect(server) as silent, connect(server) as slow:
        slow.sendall(b"PUT /v1/classes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        assert rest(silent) == b""  # ends
        assert rest(slow).startswith(b"HTTP/1.1 408")
    images = [server.upload(content)["id"] for content in (astronaut, (examples / "coffee.jpg").read_bytes())]
    assert [item["id"] for item in server.http.get("/v1/images").json()["images"]] == images
    assert server.http.post(f"/v1/images/{images[0]}/segment", json={"prompts": [POINT]}).status_code == 200
    failure(server.http.post(f"/v1/images/{images[0]}/edges", json={"points_per_side": 8}), 503, "DeadlineError")
    begun = [server.http.post("/v1/sessions", json={"image": images[0]}).json()["id"] for _ in range(3)]
    assert [server.http.get(f"/v1/sessions/{one}").status_code for one in begun] == [404, 200, 200]


def test_limits_of_memory_and_embeddings(tmp_path: Path, astronaut: bytes, examples: Path) -> None:
    limits = Limits(request_seconds=600, memory_bytes=6_000_000, embedding_bytes=2_200_000)
    with run(Settings(data=tmp_path, models=ONE_THREAD, limits=limits)) as server:
        for content in (astronaut, (examples / "coffee.jpg").read_bytes()):
            image = server.upload(content)["id"]
            assert server.http.get(f"/v1/images/{image}/embedding").status_code == 200
            assert 0 < server.parts.pictures.memory.bytes <= 6_000_000
            assert len([*tmp_path.glob("embeddings/*/*.embedding")]) == 1


def test_the_token_is_compared_in_constant_time(start, monkeypatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def noted(given: bytes, expected: bytes) -> bool:
        compared.append((given, expected))
        return real(given, expected)

    monkeypatch.setattr(middleware.hmac, "compare_digest", noted)
    token = "correct-horse"  # noqa: S105
    server = start(token=token)
    for given in ("c", "correct-horsf", token):
        server.http.get("/v1/limits", headers={"Authorization": f"Bearer {given}"})
    assert compared == [(given.encode(), token.encode()) for given in ("c", "correct-horsf", token)]


def test_errors_tell_nothing_of_paths(start, astronaut, data: Path) -> None:
    server = start()
    image = server.upload(astronaut)["id"]
    server.parts.store.path_of(image).write_bytes(b"damaged")
    server.parts.pictures.memory.drop(("pixels", image))
    server.parts.store._db.execute("pragma query_only = on")
    answers = [
        server.http.get(f"/v1/images/{image}/thumbnail"),
        server.http.put("/v1/classes", json={"classes": []}),
        server.http.post("/v1/images", content=b"x", headers={"Content-Type": "image/png"}),
        server.http.get(f"/v1/images/{IMAGE}"),
        server.http.post(f"/v1/images/{image}/import?format=coco", content=json.dumps({"images": str(data)})),
    ]
    assert answers[1].status_code == 503
    for answer in answers:
        assert answer.status_code >= 400
        assert str(data) not in answer.text
        assert "/promptseg" not in answer.text


def test_what_security_md_names_is_there() -> None:
    text = Path(__file__).parents[2].joinpath("SECURITY.md").read_text()
    sources = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert set(re.findall(r"`(test_\w+)`", text)) <= set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    assert {item.name for item in fields(Limits)} <= set(re.findall(r"`(\w+)`", text.partition("### Limits")[2]))
