"""Runs over many pictures: suggestions, progress, stopping, going on."""

from pathlib import Path

import pytest
import serving
from serving import failure, until

from promptseg.server.settings import Limits

EXAMPLES = Path(__file__).parents[2] / "examples"


def state(server, run: str) -> dict:
    return next(one for one in server.http.get("/v1/runs").json()["runs"] if one["id"] == run)


def test_words_become_suggestions_of_their_class_and_are_found_once(start, monkeypatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 900.0)
    server = start()
    ids = [server.upload((EXAMPLES / "coffee.jpg").read_bytes(), name="coffee.jpg")["id"]]
    wanted = {"classes": [{"phrase": "the cup", "label": "Cup"}, {"phrase": "a spoon"}]}
    run = server.http.post("/v1/runs", json=wanted)
    assert run.status_code == 201, run.text
    begun = run.json()
    assert (begun["total"], begun["classes"]) == (1, ["Cup", "spoon"])
    until(lambda: state(server, begun["id"])["state"] not in ("waiting", "running"))
    done = state(server, begun["id"])
    assert (done["state"], done["done"], done["failed"], done["error"]) == ("done", 1, 0, None)
    stored = server.http.get(f"/v1/images/{ids[0]}/objects").json()["objects"]
    assert all(item["suggested"] and 0 <= item["score"] <= 1 for item in stored)
    labels = {item["label"] for item in stored}
    assert "Cup" in labels
    assert labels <= {entry["name"] for entry in server.http.get("/v1/classes").json()["classes"]}
    assert (done["found"], server.http.get("/v1/images").json()["images"][0]["objects"]) == (len(stored), 0)
    again = server.http.post("/v1/runs", json={**wanted, "images": ids}).json()
    until(lambda: state(server, again["id"])["state"] == "done")
    assert state(server, again["id"])["found"] == 0  # it is there already


def test_a_run_is_stopped_and_goes_on_also_after_a_restart(start, data, monkeypatch) -> None:
    from promptseg.server.label_all import LabelRuns

    server = start()
    server.upload((EXAMPLES / "coffee.jpg").read_bytes(), name="coffee.jpg")
    server.upload((EXAMPLES / "chelsea.jpg").read_bytes(), name="chelsea.jpg")
    seen: list[str] = []

    async def picture(self, image, body) -> int:
        import asyncio

        await asyncio.sleep(0 if seen else 30)
        seen.append(image)
        return 1

    monkeypatch.setattr(LabelRuns, "_picture", picture)
    run = server.http.post("/v1/runs", json={"classes": [{"phrase": "cup"}]}).json()["id"]
    until(lambda: state(server, run)["state"] == "running")
    assert server.http.post(f"/v1/runs/{run}/stop").json()["state"] == "stopped"
    assert state(server, run)["done"] == 0
    seen.append("from here on at once")
    assert server.http.post(f"/v1/runs/{run}/resume").json()["state"] in ("waiting", "running", "done")
    until(lambda: state(server, run)["state"] == "done")
    assert (state(server, run)["done"], state(server, run)["found"]) == (2, 2)
    failure(server.http.post(f"/v1/runs/{'0' * 32}/stop"), 404, "NotFoundError")


def test_runs_that_were_at_work_when_the_server_ended_are_stopped(data) -> None:
    from promptseg.server.store import Store

    store = Store(data)
    with store.change() as db:
        db.execute("insert into runs values ('1', 'running', '{}')")

    from promptseg.server.label_all import LabelRuns

    LabelRuns(store, *[None] * 4)  # type: ignore[arg-type]
    assert store.rows("select state from runs") == [("stopped",)]
    store.close()


def test_limit_of_runs(start, monkeypatch) -> None:
    from promptseg.server.label_all import LabelRuns

    async def picture(self, image, body) -> int:
        import asyncio

        await asyncio.sleep(600)
        return 0

    monkeypatch.setattr(LabelRuns, "_picture", picture)
    server = start(limits=Limits(max_runs=1))
    server.upload((EXAMPLES / "coffee.jpg").read_bytes(), name="coffee.jpg")
    wanted = {"classes": [{"phrase": "cup"}]}
    assert server.http.post("/v1/runs", json=wanted).status_code == 201
    failure(server.http.post("/v1/runs", json=wanted), 413, "TooLargeError")


@pytest.mark.parametrize("wanted", [{"classes": [{"phrase": ""}]}, {"images": ["x"]}, {"model": "no-such"}])
def test_wrong_runs_begin_nothing(here, wanted) -> None:
    before = len(here.http.get("/v1/runs").json()["runs"])
    assert here.http.post("/v1/runs", json=wanted).status_code in (404, 422)
    assert len(here.http.get("/v1/runs").json()["runs"]) == before


def test_no_more_runs_wait_than_there_may_be(data) -> None:
    from promptseg.server.http_errors import HttpError
    from promptseg.server.label_all import LabelRuns
    from promptseg.server.store import Store

    store = Store(data)
    runs = LabelRuns(store, *[None] * 3, Limits(max_runs=1))  # type: ignore[arg-type]
    runs._write("1", "waiting", {}, new=True)
    runs._write("1", "waiting", {}, new=True)  # its own place
    with pytest.raises(HttpError, match="1 runs wait already"):
        runs._write("2", "waiting", {}, new=True)
    assert store.rows("select id from runs") == [("1",)]
    store.close()
