"""The promises of SECURITY.md that no other test holds: each fails without its limit."""

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from serving import ONE_THREAD, failure, run

from promptseg.server import middleware
from promptseg.server.settings import Limits, Settings

IMAGE = "ab" * 32
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


def test_limit_of_searches_and_their_deadline(start, astronaut) -> None:
    server = start(limits=Limits(everything_seconds=0.01))
    image = server.upload(astronaut)["id"]
    server.http.get(f"/v1/images/{image}/embedding")
    body = {"points_per_side": 8}
    failure(server.http.post(f"/v1/images/{image}/edges", json=body), 503, "DeadlineError")
    server.parts.jobs._most_long = 0
    assert "searching" in failure(server.http.post(f"/v1/images/{image}/edges", json=body), 503, "BusyError")


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
