"""The queue: it refuses when it is full, forgets who has left, and keeps deadlines. Work here waits for events."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from serving import failure, until

from promptseg import Image
from promptseg.server.http_errors import HttpError
from promptseg.server.jobs import Cancelled, Job, JobQueue
from promptseg.server.settings import Limits
from promptseg.server.store import Picture, now
from promptseg.stopping import check_stop

LONG = 600.0


class Gatekeeper:
    """Work that says when it has begun, and ends when it may."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Semaphore(0), threading.Event()
        self.seen: list[str] = []

    def work(self, name: str) -> Any:
        def run(job: Job) -> str:
            self.begun.release()
            while not self.may_end.wait(0.01):
                if job.cancelled:
                    self.seen.append(f"{name} was cancelled")
                    raise Cancelled
            self.seen.append(name)
            return name

        return run


@pytest.fixture
def keeper() -> Iterator[Gatekeeper]:
    keeper = Gatekeeper()
    yield keeper
    keeper.may_end.set()


def in_thread(semaphore: threading.Semaphore) -> Any:
    return asyncio.to_thread(semaphore.acquire)


def test_a_full_queue_refuses_and_recovers(keeper: Gatekeeper) -> None:
    async def scene() -> None:
        queue = JobQueue(1, 1, 1)
        first = asyncio.ensure_future(queue.run(keeper.work("a"), seconds=LONG))
        await in_thread(keeper.begun)
        second = asyncio.ensure_future(queue.run(keeper.work("b"), seconds=LONG))
        await asyncio.sleep(0)
        with pytest.raises(HttpError) as caught:
            await queue.run(keeper.work("c"), seconds=LONG)
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
        keeper.may_end.set()
        assert await asyncio.gather(first, second) == ["a", "b"]
        assert await queue.run(keeper.work("d"), seconds=LONG) == "d"
        queue.close()

    asyncio.run(scene())


def test_what_waits_never_starts_when_its_caller_has_left(keeper: Gatekeeper) -> None:
    async def scene() -> None:
        queue = JobQueue(1, 5, 1)
        first = asyncio.ensure_future(queue.run(keeper.work("a"), seconds=LONG))
        await in_thread(keeper.begun)
        second = asyncio.ensure_future(queue.run(keeper.work("b"), seconds=LONG))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        keeper.may_end.set()
        await first
        queue.close()
        assert keeper.seen == ["a"]

    asyncio.run(scene())


def test_a_deadline_stops_what_runs(keeper: Gatekeeper) -> None:
    async def scene() -> None:
        queue = JobQueue(1, 5, 1)
        with pytest.raises(HttpError) as caught:
            await queue.run(keeper.work("slow"), seconds=0.05)
        assert caught.value.kind == "DeadlineError"
        queue.close()
        assert keeper.seen == ["slow was cancelled"]

    asyncio.run(scene())


def test_long_jobs_leave_a_thread_for_short_ones(keeper: Gatekeeper) -> None:
    async def scene() -> None:
        queue = JobQueue(2, 5, 2)
        long = [asyncio.ensure_future(queue.run(keeper.work(name), seconds=LONG, long=True)) for name in "ab"]
        await in_thread(keeper.begun)
        assert await queue.run(lambda job: "short", seconds=LONG) == "short"
        with pytest.raises(HttpError):
            await queue.run(keeper.work("c"), seconds=LONG, long=True)
        keeper.may_end.set()
        await asyncio.gather(*long)
        assert keeper.seen == ["a", "b"]
        assert (queue.long, queue.pending) == (0, 0)
        queue.close()

    asyncio.run(scene())


class SlowEmbedding:
    """Stands in front of a segmenter's `embed`: counts calls, and lets them end when it may."""

    def __init__(self, segmenter: Any) -> None:
        self.real, self.calls = segmenter.embed, 0
        self.begun, self.may_end = threading.Semaphore(0), threading.Event()

    def __call__(self, image: Any, **options: Any) -> Any:
        self.calls += 1
        self.begun.release()
        assert self.may_end.wait(600)
        return self.real(image, **options)


@pytest.fixture
def slow(start, monkeypatch) -> Iterator[Any]:
    server = start(limits=Limits(max_waiting=1), workers=1)
    segmenter = server.parts.models.get("mobile-sam-clicks")
    embedding = SlowEmbedding(segmenter)
    monkeypatch.setattr(segmenter, "embed", embedding)
    yield server, embedding
    embedding.may_end.set()


CLICK = {"prompts": [{"type": "point", "x": 220, "y": 120}]}


def test_identical_requests_share_one_embedding(slow, astronaut) -> None:
    server, embedding = slow
    url = f"/v1/images/{server.upload(astronaut)['id']}/segment"
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(server.http.post, url, json=CLICK)]
        embedding.begun.acquire()
        answers += [pool.submit(server.http.post, url, json={**CLICK, "format": "none"}) for _ in range(5)]
        until(lambda: server.metric('promptseg_embeddings_total{how="shared"}') == 5)
        embedding.may_end.set()
        statuses = [answer.result().status_code for answer in answers]
    assert embedding.calls == 1
    assert statuses.count(200) >= 2  # one worker and one place to wait: the decoding of the others may be refused
    assert set(statuses) <= {200, 503}


def test_a_busy_server_says_when_to_come_again(slow, astronaut, examples) -> None:
    server, embedding = slow
    images = [server.upload(astronaut), server.upload((examples / "coffee.jpg").read_bytes())]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(server.http.post, f"/v1/images/{images[0]['id']}/segment", json=CLICK)
        embedding.begun.acquire()
        waiting = pool.submit(server.http.get, f"/v1/images/{images[1]['id']}/thumbnail")
        until(lambda: server.metric("promptseg_jobs_pending") == 2)
        answer = server.http.get(f"/v1/images/{images[0]['id']}/thumbnail")
        failure(answer, 503, "BusyError")
        assert answer.headers["Retry-After"] == "1"
        assert server.http.get("/healthz").status_code == 200
        embedding.may_end.set()
        assert (first.result().status_code, waiting.result().status_code) == (200, 200)


def test_a_client_that_leaves_cancels_what_waits(slow, astronaut, examples) -> None:
    server, embedding = slow
    first, second = server.upload(astronaut), server.upload((examples / "coffee.jpg").read_bytes())
    host, _, port = server.url.removeprefix("http://").partition(":")
    body = b'{"prompts": [{"type": "point", "x": 20, "y": 20}]}'
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.http.post, f"/v1/images/{first['id']}/segment", json=CLICK)
        embedding.begun.acquire()
        with socket.create_connection((host, int(port))) as leaving:
            leaving.sendall(
                b"POST /v1/images/%s/segment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (second["id"].encode(), len(body), body)
            )
            until(lambda: server.metric("promptseg_jobs_pending") == 2)
        until(lambda: server.metric("promptseg_clients_left_total") == 1)
        embedding.may_end.set()
        assert answer.result().status_code == 200
    assert embedding.calls == 1  # the second picture was never begun


def test_everything_stops_when_its_reader_leaves(start, astronaut) -> None:
    server = start()
    image = server.upload(astronaut)["id"]
    url = f"/v1/images/{image}/everything"
    with server.http.stream("POST", url, json={"options": {"points_per_side": 64}}) as answer:
        next(answer.iter_lines())
    until(lambda: server.metric("promptseg_searches") == server.metric("promptseg_jobs_pending") == 0)


def test_a_deadline_is_503_and_the_server_goes_on(start, astronaut, monkeypatch) -> None:
    server = start(limits=Limits(request_seconds=0.05))
    segmenter = server.parts.models.get("mobile-sam-clicks")
    embedding = SlowEmbedding(segmenter)
    image = Image.open(astronaut).digest
    record = Picture(image, 512, 512, "", "image/jpeg", len(astronaut), now())
    assert server.parts.store.add_picture(record, astronaut)
    monkeypatch.setattr(segmenter, "embed", embedding)
    failure(server.http.post(f"/v1/images/{image}/segment", json=CLICK), 503, "DeadlineError")
    embedding.may_end.set()
    assert server.http.get("/healthz").status_code == 200


def test_closing_waits_for_no_work_that_does_not_end() -> None:
    may_end, begun = threading.Event(), threading.Semaphore(0)

    async def scene() -> None:
        queue = JobQueue(1, 5, 1)

        def deaf(job: Job) -> None:
            begun.release()
            may_end.wait(600)

        first = asyncio.ensure_future(queue.run(deaf, seconds=LONG))
        waiting = asyncio.ensure_future(queue.run(lambda job: None, seconds=LONG))
        await in_thread(begun)
        assert not queue.close(0.01)
        may_end.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert queue.close()

    asyncio.run(scene())


def test_work_deep_down_stops_with_its_job() -> None:
    begun = threading.Event()

    def work(job: Job) -> None:
        while True:
            check_stop()
            begun.set()

    async def scene() -> None:
        queue = JobQueue(1, 5, 1)
        running = asyncio.ensure_future(queue.run(work, seconds=LONG))
        await asyncio.to_thread(begun.wait)
        running.cancel()
        assert queue.close(LONG)

    asyncio.run(scene())
