"""Dialogues over HTTP: the same masks as in Python, undo and redo, and they outlive the server."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from serving import failure

from promptseg import Box, Point
from promptseg.masks.rle import RLE
from promptseg.server.settings import Limits

ROUNDS = [[Point(220, 120)], [Point(400, 60, positive=False)], [Box(150, 20, 300, 240)]]


def body(prompts: list[Any], **more: Any) -> dict[str, Any]:
    return {"prompts": [prompt.to_json() for prompt in prompts], **more}


def masks(state: dict[str, Any]) -> list[RLE]:
    return [RLE.from_coco(mask["segmentation"]) for mask in state["masks"]]


def test_rounds_undo_redo_and_reset(here, picture, twin, astronaut) -> None:
    session = twin.session(astronaut)
    state = here.http.post("/v1/sessions", json={"image": picture["id"]}).json()
    url = f"/v1/sessions/{state['id']}"
    assert (state["masks"], state["rounds"], state["can_undo"]) == ([], [], False)
    for prompts in ROUNDS:
        state = here.http.post(f"{url}/prompts", json=body(prompts)).json()
        assert masks(state) == list(session.add(*prompts).masks)
    state = here.http.post(f"{url}/prompts", json=body([Point(60, 400)], object_id=4)).json()
    assert masks(state) == list(session.add(Point(60, 400), object_id=4).masks)
    assert [mask["object_id"] for mask in state["masks"]] == [0, 4]
    assert state["rounds"] == json.loads(json.dumps(session.to_json()["rounds"]))
    for _ in range(2):
        assert masks(here.http.post(f"{url}/undo").json()) == list(session.undo().masks)
    state = here.http.post(f"{url}/redo", json={"format": "rle"}).json()
    assert masks(state) == list(session.redo().masks)
    assert (state["can_undo"], state["can_redo"], len(state["rounds"])) == (True, True, 3)
    state = here.http.post(f"{url}/prompts", json=body([Point(60, 400)])).json()
    assert masks(state) == list(session.add(Point(60, 400)).masks)
    assert not state["can_redo"]
    state = here.http.post(f"{url}/reset").json()
    assert (state["masks"], state["can_undo"], state["can_redo"]) == ([], False, False)
    assert here.http.post(f"{url}/undo").json()["masks"] == []
    assert here.http.delete(url).status_code == 204
    failure(here.http.get(url), 404, "NotFoundError")


def test_a_dialogue_outlives_the_server_with_what_was_undone(data, astronaut) -> None:
    from serving import ONE_THREAD, run

    from promptseg.server.settings import Settings

    settings = Settings(data=data, models=ONE_THREAD, limits=Limits(request_seconds=600))
    with run(settings) as server:
        image = server.upload(astronaut)["id"]
        url = "/v1/sessions/" + server.http.post("/v1/sessions", json={"image": image}).json()["id"]
        for prompts in ROUNDS:
            full = server.http.post(f"{url}/prompts", json=body(prompts)).json()
        before = server.http.post(f"{url}/undo").json()
    with run(settings) as server:
        assert server.http.get(url).json() == before
        assert server.http.post(f"{url}/redo").json() == full


def test_a_wrong_round_changes_nothing(here, picture) -> None:
    url = "/v1/sessions/" + here.http.post("/v1/sessions", json={"image": picture["id"]}).json()["id"]
    before = here.http.post(f"{url}/prompts", json=body(ROUNDS[0])).json()
    failure(here.http.post(f"{url}/prompts", json=body([Point(9999, 1)])), 422, "PromptError")
    failure(here.http.post(f"{url}/prompts", json=body([Point(1, 1)], granularity="all")), 422, "SchemaError")
    assert here.http.get(url).json() == before


def test_requests_at_the_same_time_come_one_after_the_other(here, picture) -> None:
    url = "/v1/sessions/" + here.http.post("/v1/sessions", json={"image": picture["id"]}).json()["id"]

    def add(number: int) -> int:
        return here.http.post(f"{url}/prompts", json=body([Point(220, 120)], object_id=number)).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(add, range(8))) == {200}
    state = here.http.get(url).json()
    assert len(state["rounds"]) == len(state["masks"]) == 8


@pytest.mark.parametrize(("limits", "kind"), [(Limits(max_rounds=1), "TooLargeError")])
def test_rounds_are_limited(start, astronaut, limits, kind) -> None:
    server = start(limits=limits)
    image = server.upload(astronaut)["id"]
    url = "/v1/sessions/" + server.http.post("/v1/sessions", json={"image": image}).json()["id"]
    assert server.http.post(f"{url}/prompts", json=body(ROUNDS[0])).status_code == 200
    failure(server.http.post(f"{url}/prompts", json=body(ROUNDS[1])), 413, kind)


def test_the_session_unused_for_longest_goes(start, astronaut) -> None:
    server = start(limits=Limits(max_sessions=2))
    image = server.upload(astronaut)["id"]
    first, second = (server.http.post("/v1/sessions", json={"image": image}).json()["id"] for _ in range(2))
    server.http.post(f"/v1/sessions/{first}/reset")
    third = server.http.post("/v1/sessions", json={"image": image}).json()["id"]
    statuses = [server.http.get(f"/v1/sessions/{session}").status_code for session in (first, second, third)]
    assert statuses == [200, 404, 200]
