"""Clips over HTTP: kept under their hash, followed in lines, bounded, stopped when their reader leaves."""

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from promptseg.server.settings import Limits
from promptseg.video.track import VideoTrack

sys.path.append(str(Path(__file__).parents[1] / "video"))

from drawn import RED, disc, film, painted


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> bytes:
    pictures = [painted((disc(60 + 10 * number, 60, 24), RED)) for number in range(3)]
    return film(tmp_path_factory.mktemp("clip") / "a.mp4", pictures).read_bytes()


def upload(server, content: bytes, status: int = 201, **query: str):
    answer = server.http.post(
        "/v1/videos", content=content, params=query, headers={"Content-Type": "application/octet-stream"}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def follow(server, key: str, body: dict) -> list[dict]:
    answer = server.http.post(f"/v1/videos/{key}/follow", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


CLICK = {"object_id": 1, "label": "ball", "prompts": [{"type": "point", "x": 60, "y": 60}]}


def test_a_clip_is_kept_followed_and_deleted(start, clip) -> None:
    server = start()
    record = upload(server, clip, name="folder/ball.mp4")
    assert (record["name"], record["width"], record["height"], record["frames"]) == ("ball.mp4", 192, 120, 3)
    assert upload(server, clip, 200)["id"] == record["id"]
    assert server.http.get("/v1/videos").json() == {"videos": [record]}
    assert server.http.get(f"/v1/videos/{record['id']}").json() == record
    lines = follow(server, record["id"], {"objects": [CLICK], "format": "rle"})
    frames = [line for line in lines if line["type"] == "frame"]
    assert [line["frame"] for line in frames] == [0, 1, 2]
    assert all(line["masks"][0]["object_id"] == 1 and line["masks"][0]["label"] == "ball" for line in frames)
    assert frames[2]["masks"][0]["area"] > 1000
    assert frames[2]["masks"][0]["segmentation"]["size"] == [120, 192]
    assert any(line["type"] == "progress" for line in lines)
    assert lines[-1]["type"] == "done"
    assert lines[-1]["objects"] == [{"object_id": 1, "label": "ball"}]
    assert server.http.delete(f"/v1/videos/{record['id']}").status_code == 204
    for method in ("get", "delete"):
        assert getattr(server.http, method)(f"/v1/videos/{record['id']}").status_code == 404


def test_what_is_wrong_is_told(start, clip) -> None:
    server = start()
    assert upload(server, b"no film", 422)["error"]["type"] == "InputError"
    assert upload(server, b"", 422)["error"]["message"].startswith("The clip is empty")
    assert server.http.post("/v1/videos", content=clip, headers={"Content-Type": "text/plain"}).status_code == 415
    key = upload(server, clip)["id"]
    for body, status in (
        ({"objects": [{"object_id": 1, "prompts": []}]}, 422),
        ({"objects": [CLICK], "stride": 0}, 422),
        ({"objects": [CLICK], "start": 5, "end": 2}, 422),
        ({"objects": [{**CLICK, "frame": 9}]}, 422),
        ({}, 422),
    ):
        answer = server.http.post(f"/v1/videos/{key}/follow", json=body)
        assert answer.status_code == status, answer.text
    assert server.http.post(f"/v1/videos/{'0' * 64}/follow", json={"objects": [CLICK]}).status_code == 404


@pytest.mark.parametrize(
    ("limits", "status", "message"),
    [
        (Limits(max_upload_bytes=500), 413, "at most"),
        (Limits(max_video_pixels=1000), 422, "the limit of clips is 1,000"),
        (Limits(max_video_frames=2), 422, "more than 2 frames"),
        (Limits(max_video_seconds=0.05), 422, "longer than 0.05 seconds"),
        (Limits(video_bytes=500), 413, "500 bytes of clips"),
    ],
)
def test_limits_of_a_clip(start, clip, limits, status, message) -> None:
    content = clip if limits.max_upload_bytes > 500 else clip + bytes(100_000)
    assert message in upload(start(limits=limits), content, status)["error"]["message"]


def test_limit_of_clips(start, clip) -> None:
    server = start(limits=Limits(max_videos=1))
    upload(server, clip)
    assert "1 clips" in upload(server, clip + b"\0", 413)["error"]["message"]


@pytest.fixture
def stopped(monkeypatch) -> threading.Event:
    """Following takes for ever; set when it was stopped."""
    event = threading.Event()

    def slow(self, *given, **named):
        try:
            while True:
                time.sleep(0.02)
                named["on_progress"](1, 2)
                yield from ()
        finally:
            event.set()

    monkeypatch.setattr(VideoTrack, "propagate", slow)
    return event


def test_following_stops_when_its_reader_leaves(start, clip, stopped) -> None:
    server = start()
    key = upload(server, clip)["id"]
    with server.http.stream("POST", f"/v1/videos/{key}/follow", json={"objects": [CLICK]}) as answer:
        assert json.loads(next(answer.iter_lines()))["type"] == "progress"
    assert stopped.wait(60)


def test_deadline_of_following(start, clip, stopped) -> None:
    server = start(limits=Limits(video_seconds=4))
    key = upload(server, clip)["id"]
    answer = server.http.post(f"/v1/videos/{key}/follow", json={"objects": [CLICK]})
    last = json.loads(answer.text.splitlines()[-1])  # of an answer of 503, where nothing had been told yet
    assert last["error"]["type"] == "DeadlineError"
    assert stopped.wait(60)


def test_what_a_kill_left_of_an_upload_is_gone(data) -> None:
    from promptseg.server.videos import Videos

    folder = data / "videos"
    folder.mkdir()
    for name in ("a.clip", "b.clip", "b.json", ".c.clip.0.part"):
        (folder / name).write_text('{"id": "b"}')
    assert Videos(folder, Limits()).records() == [{"id": "b"}]
    assert sorted(file.name for file in folder.iterdir()) == ["b.clip", "b.json"]
