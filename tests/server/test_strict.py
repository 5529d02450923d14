"""Strict JSON: linear time whatever the bytes, counts before items, few errors of many, no half characters."""

import contextlib
import json
import threading

import pytest
from serving import failure

from growth import growth
from promptseg.server import app, strict
from promptseg.server.http_errors import HttpError, from_validation
from promptseg.server.settings import Limits

JSON = {"Content-Type": "application/json"}
HALF = 2**17

HOSTILE = {
    "escaped quotes": lambda size: b'"' + b'\\"' * (size // 2),
    "quotes": lambda size: b'"' * size,
    "backslashes": lambda size: b'["' + b"\\" * size,
    "escaped quotes within": lambda size: b'["' + b'\\"[' * (size // 3) + b'"]',
    "surrogates": lambda size: b'"' + b"\\ud83d\\ude00" * (size // 12) + b'"',
    "brackets": lambda size: b"[" * size,
    "letters": lambda size: b'"' + b"a" * size,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_no_faster_than_the_body(name: str) -> None:
    def parse(body: bytes) -> None:
        with contextlib.suppress(HttpError):
            strict.parse(body, 64)

    # Twice the bytes; what is quadratic takes four times as long. Some take a millisecond, in which other work shows.
    assert growth(parse, HOSTILE[name](HALF), HOSTILE[name](2 * HALF), most=2.5, tries=20) < 3


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (b'"[[["', 0),
        (b'[["\\"[[["]]', 2),
        (b'["\\\\",[[]]]', 3),
        (b'["\\\\\\"[",{"[":[]}]', 3),
        (b'"' + b"x" * 65_534 + b'\\"[[", [[', 2),
        (b'"' + b"\\\\" * 40_000 + b'", [', 1),
        (b'"' + b"[" * 200_000 + b'",{}', 1),
        (b"[" * 70_000, 70_000),
    ],
)
def test_depth_counts_brackets_outside_strings(body: bytes, depth: int) -> None:
    assert strict._deepest(body) == depth


@pytest.mark.parametrize(
    "text", [r"\ud800", r"\uDFFF", r"\ud83d\ud83d\ude00", r"\ude00\ud83d", r"\ud83d x\ude00", r"\ud83d\\\ude00"]
)
def test_half_characters_are_refused_and_whole_ones_taken(here, picture, text: str) -> None:
    size = [picture["height"], picture["width"]]
    item = {"id": "a", "segmentation": {"size": size, "counts": [0, size[0] * size[1]]}, "extra": {"a": "HERE"}}
    body = json.dumps({"objects": [item]})
    for route, method in (
        (f"/v1/images/{picture['id']}/objects", "PUT"),
        (f"/v1/images/{picture['id']}/export?format=coco", "POST"),
    ):
        answer = here.http.request(method, route, content=body.replace("HERE", text), headers=JSON)
        assert "half a character" in failure(answer, 422, "SchemaError")
    whole = here.http.put("/v1/classes", content=rb'{"classes": [{"name": "\ud83d\ude00 \\ud800"}]}', headers=JSON)
    assert whole.json()["classes"][0]["name"] == "\U0001f600 \\ud800"


def test_many_wrong_items_are_few_errors(start, monkeypatch) -> None:
    server = start()
    image, many = "ab" * 32, 20_000
    made: list[int] = []
    monkeypatch.setattr(app, "from_validation", lambda errors: (made.append(len(errors)), from_validation(errors))[1])
    bodies = {
        "/v1/classes": {"classes": [0] * 1999},
        f"/v1/images/{image}/segment": {"prompts": [0] * 1000},
        f"/v1/images/{image}/label": {"masks": [{"size": [1, 1], "counts": [None] * many}]},
        f"/v1/images/{image}/objects": {"objects": [{"id": "a", "prompts": [0] * many}]},
        f"/v1/images/{image}/export?format=coco": {"objects": [], **{f"x{number}": 0 for number in range(many)}},
        "/label-studio/predict": {"tasks": [0] * 64, "label_config": ""},
    }
    for route, body in bodies.items():
        method = "PUT" if route.endswith(("classes", "objects")) else "POST"
        answer = server.http.request(method, route, json=body)
        assert len(failure(answer, 422, "SchemaError")) < 300
    assert len(made) == len(bodies)
    assert max(made) <= 20


def test_counts_are_checked_before_items(start) -> None:
    server = start(limits=Limits(max_prompts=3, max_vertices=5, max_names=2, max_masks=2))
    image = "ab" * 32
    refused = {
        ("PUT", "/v1/classes"): {"classes": [0, 0, 0]},
        ("POST", f"/v1/images/{image}/panoptic"): {"vocabulary": [0, 0, 0]},
        ("POST", f"/v1/images/{image}/segment"): {"prompts": [[0, 0], [0, 0]]},
        ("POST", "/v1/sessions/" + "0" * 32 + "/prompts"): {
            "prompts": [{"points": [0] * 3}, {"mask": {"points": [0] * 3}}]
        },
        ("POST", f"/v1/images/{image}/label"): {"masks": [0, 0, 0]},
        ("PUT", f"/v1/images/{image}/objects"): {"objects": [0, 0, 0]},
        ("POST", f"/v1/images/{image}/export?format=coco"): {"objects": [{"prompts": [0] * 21}]},
        ("POST", "/label-studio/predict"): {"tasks": [0] * 65},
    }
    for (method, route), body in refused.items():
        failure(server.http.request(method, route, json=body), 413, "TooLargeError")


def test_a_large_body_is_parsed_beside_the_loop(start, monkeypatch) -> None:
    server = start()
    threads: list[str] = []
    real = strict.parse
    monkeypatch.setattr(
        strict, "parse", lambda *given: (threads.append(threading.current_thread().name), real(*given))[1]
    )
    for length in (10, strict.THREAD_BYTES):
        body = {"classes": [{"name": "dog"}]}
        server.http.put("/v1/classes", content=json.dumps(body) + " " * length, headers=JSON)
    assert not threads[0].startswith("promptseg-body")
    assert threads[1].startswith("promptseg-body")


def test_a_long_wrong_text_is_shown_in_short(here) -> None:
    answer = here.http.put("/v1/classes", json={"classes": [{"name": "a " * 200_000}]})
    assert len(failure(answer, 422, "SchemaError")) < 300
