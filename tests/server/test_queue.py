"""The queue of pictures: states, who did what, numbers, tokens of annotators."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from serving import failure

from promptseg.errors import InputError
from promptseg.masks.rle import RLE
from promptseg.server.settings import Settings
from promptseg.server.store import MOST_HISTORY

KEN = {"X-Promptseg-Annotator": "Ken"}
MIA = {"X-Promptseg-Annotator": "Mia%20%E7%BE%8E"}


def uploaded(server, seed: int = 1) -> str:
    file = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(seed).integers(0, 256, (200, 300, 3), np.uint8)).save(file, "PNG")
    return server.upload(file.getvalue(), name=f"{seed}.png")["id"]


def square(key: str, side: int, **more):
    dense = np.zeros((200, 300), np.bool_)
    dense[:side, :side] = True
    return {"id": key, "segmentation": RLE.encode(dense).to_coco(), **more}


def test_states_are_kept_with_who_and_when(start) -> None:
    server = start()
    image = uploaded(server)
    url = f"/v1/images/{image}"
    assert server.http.get(url).json()["state"] == "todo"
    server.http.put(f"{url}/objects", json={"objects": [square("1", 20, label="dog")]}, headers=MIA)
    server.http.put(f"{url}/objects", json={"objects": []}, headers=MIA)
    server.http.put(f"{url}/review", json={"state": "done", "seconds": 12.5}, headers=MIA)
    said = server.http.put(
        f"{url}/review", json={"state": "rejected", "comment": "the tail", "seconds": 2}, headers={}
    ).json()
    assert (said["state"], said["comment"], said["seconds"], said["annotator"]) == ("rejected", "the tail", 14.5, "")
    server.http.put(f"{url}/review", json={"seconds": 1}, headers=MIA)  # time alone is no change
    assert server.http.get(url).json()["annotator"] == ""
    changes = server.http.get(f"{url}/history").json()["changes"]
    assert [(one["annotator"], one["what"], one["detail"]) for one in changes] == [
        ("", "state", "rejected: the tail"),
        ("Mia 美", "state", "done"),
        ("Mia 美", "objects", "0"),  # what one does in a row is one change
    ]
    assert changes[0]["at"] >= changes[2]["at"]
    said = server.http.put(f"{url}/review", json={"comment": "the ears"}, headers=MIA).json()
    assert (said["state"], said["comment"]) == ("rejected", "the ears")
    assert server.http.get(f"{url}/history").json()["changes"][0]["detail"] == "rejected: the ears"
    server.http.delete(url)
    failure(server.http.put(f"{url}/review", json={"state": "done"}), 404, "NotFoundError")
    failure(server.http.get(f"{url}/history"), 404, "NotFoundError")


def test_a_history_is_no_longer_than_its_limit(start) -> None:
    server = start()
    image = uploaded(server)
    for number in range(MOST_HISTORY + 5):
        server.http.put(f"/v1/images/{image}/review", json={"state": ("todo", "done")[number % 2]})
    assert len(server.http.get(f"/v1/images/{image}/history").json()["changes"]) == MOST_HISTORY


def test_wrong_states_change_nothing(start) -> None:
    server = start()
    url = f"/v1/images/{uploaded(server)}/review"
    for wrong in ({"state": "finished"}, {"seconds": -1}, {"seconds": 1e9}, {"comment": "x" * 2001}):
        failure(server.http.put(url, json=wrong), 422, "SchemaError")


def test_statistics_count_what_there_is(start) -> None:
    server = start()
    first, second = uploaded(server, 1), uploaded(server, 2)
    server.http.put("/v1/classes", json={"classes": [{"name": "unused"}, {"name": "dog"}]})
    objects = [
        square("1", 10, label="dog", seconds=4),
        square("2", 50, label="dog"),
        square("3", 150, seconds=9.5),
        square("4", 90, label="dog", suggested=True, score=0.25, seconds=100),
    ]
    server.http.put(f"/v1/images/{first}/objects", json={"objects": objects}, headers=MIA)
    server.http.put(f"/v1/images/{second}/objects", json={"objects": [{**objects[0], "seconds": 1}]}, headers=KEN)
    server.http.put(f"/v1/images/{second}/review", json={"state": "done", "seconds": 30}, headers=KEN)
    found = server.http.get("/v1/statistics").json()
    assert (found["pictures"], found["objects"], found["suggested"], found["seconds"]) == (2, 4, 1, 30)
    assert found["states"] == {"todo": 1, "done": 1, "review": 0, "accepted": 0, "rejected": 0}
    assert found["classes"] == [
        {"name": "unused", "objects": 0, "pictures": 0, "small": 0, "medium": 0, "large": 0, "seconds_each": None},
        {"name": "dog", "objects": 3, "pictures": 2, "small": 2, "medium": 1, "large": 0, "seconds_each": 2.5},
        {"name": None, "objects": 1, "pictures": 1, "small": 0, "medium": 0, "large": 1, "seconds_each": 9.5},
    ]
    assert found["seconds_each"] == 4.8  # of those whose time is known
    people = [(one["name"], one["pictures"], one["objects"], one["seconds_each"]) for one in found["annotators"]]
    assert people == [("Mia 美", 1, 3, 6.8), ("Ken", 1, 1, 1.0)]
    record = server.http.get(f"/v1/images/{first}").json()
    assert (record["objects"], record["suggested"], record["least"]) == (3, 1, 0.25)


def test_each_annotator_may_have_a_token(start) -> None:
    server = start(annotators={"Mia": "mia-mia-mia", "Ken": "ken-ken-ken"})
    failure(server.http.get("/v1/images"), 401, "TokenError")
    failure(server.http.get("/v1/images", headers={"Authorization": "Bearer mia-ken-mia"}), 401, "TokenError")
    server.http.headers["Authorization"] = "Bearer ken-ken-ken"
    image = uploaded(server)
    # The token says who it is, whatever else is said.
    said = server.http.put(f"/v1/images/{image}/review", json={"state": "done"}, headers=MIA).json()
    assert said["annotator"] == "Ken"
    assert server.http.get("/healthz").json()["token"] is True


def test_tokens_of_annotators_are_of_their_own() -> None:
    for wrong in ({"a": "short"}, {"a": "same-same", "b": "same-same"}):
        with pytest.raises(InputError):
            Settings(annotators=wrong)
    assert Settings(host="0.0.0.0", annotators={"a": "long enough".replace(" ", "-")}).guarded  # noqa: S104
