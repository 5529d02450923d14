"""The Python client: prompts in, `Segments` out, errors of the same kinds."""

import httpx
import pytest

from promptseg import Box, Image, Mask, Point, Segments, Text
from promptseg.client import Client, SearchProgress
from promptseg.errors import ImageError, InputError, PromptError, ServerError


@pytest.fixture
def client(here):
    with Client(here.url, timeout=600) as client:
        yield client


@pytest.fixture
def image(client, examples):
    return client.upload(examples / "astronaut.jpg")


def test_pictures(client, image, examples) -> None:
    assert image.id == Image.open(examples / "astronaut.jpg").digest
    assert (image.size, image.name) == ((512, 512), "astronaut.jpg")
    assert image.id in [item.id for item in client.images()]
    assert client.upload((examples / "astronaut.jpg").read_bytes(), embed=False).id == image.id
    assert client.health()["status"] == "ok"
    assert client.models()["default"] == "mobile-sam-clicks"
    with pytest.raises(ImageError):
        client.upload(b"nothing")
    with pytest.raises(ImageError, match="Check the path"):
        client.upload("no/such/file.jpg")


def test_masks_are_those_of_a_segmenter(client, image, twin, examples) -> None:
    seen = twin.embed(examples / "astronaut.jpg")
    objects = [[Point(220, 120), Point(400, 60, positive=False)], [Box(150, 20, 300, 240)]]
    found, expected = client.segment(image, objects), twin.segment(seen, objects)
    assert found.masks == expected.masks
    assert found.prompts == expected.prompts
    assert found.object_ids.tolist() == [0, 1]
    rough = Mask(expected.dense()[1])
    assert client.segment(image, rough).masks == twin.segment(seen, rough).masks
    assert client.segment(image, Point(220, 120), granularity="part").granularities == ("part",)
    assert (client.embedding(image) == seen.features).all()


def test_everything_with_progress(client, image, twin, examples) -> None:
    told = list(client.iter_everything(image, points_per_side=3))
    assert (
        told[-1 if isinstance(told[-1], SearchProgress) else 0] == SearchProgress(9, 9) or SearchProgress(9, 9) in told
    )
    expected = twin.everything(examples / "astronaut.jpg", points_per_side=3)
    found = client.everything(image, points_per_side=3)
    assert found.masks == expected.masks
    assert found.to_records() == expected.to_records()
    assert any(isinstance(part, Segments) for part in told)


def test_sessions(client, image, twin, examples) -> None:
    mine, theirs = twin.session(examples / "astronaut.jpg"), client.session(image)
    assert theirs.add(Point(220, 120)).masks == mine.add(Point(220, 120)).masks
    assert theirs.add(Point(60, 400), object_id=1).masks == mine.add(Point(60, 400), object_id=1).masks
    assert theirs.undo().masks == mine.undo().masks
    again = client.restore(theirs.id)
    assert (again.can_undo, again.can_redo) == (True, True)
    assert again.redo().masks == mine.redo().masks
    assert len(again.reset()) == 0


def test_objects_and_label_files(client, image) -> None:
    cut = client.segment(image, Point(220, 120))
    version = client.put_objects(image, [{"id": "a", "segmentation": cut.masks[0].to_coco(), "label": "face"}])
    stored = client.objects(image)
    assert stored["version"] == version
    assert client.export(image, "svg").startswith(b"<svg")
    record = cut.with_labels("face").to_coco(1, "astronaut.jpg")
    (item,) = client.import_labels(image, "coco", record)
    assert item["segmentation"] == cut.masks[0].to_coco()
    with pytest.raises(ServerError) as caught:
        client.put_objects(image, [], base_version=version + 7)
    assert (caught.value.status, caught.value.kind) == (409, "ConflictError")


def test_errors_are_those_of_the_api(client, image) -> None:
    with pytest.raises(PromptError, match="512 x 512"):
        client.segment(image, Point(9000, 5))
    assert len(client.segment(image, Text("a zebra"))) == 0
    with pytest.raises(InputError):
        client.everything(image, box_nms_thresh=7)
    with pytest.raises(ServerError) as caught:
        client.restore("0" * 32)
    assert caught.value.status == 404
    with Client("http://127.0.0.1:9") as nobody, pytest.raises(ServerError, match="promptseg serve"):
        nobody.health()


def test_a_busy_server_is_asked_again() -> None:
    answers = [503, 503, 200]

    def answer(request: httpx.Request) -> httpx.Response:
        status = answers.pop(0)
        body = {"status": "ok"} if status == 200 else {"error": {"type": "BusyError", "message": "busy"}}
        return httpx.Response(status, json=body, headers={"Retry-After": "0"})

    with Client(transport=httpx.MockTransport(answer)) as client:
        assert client.health() == {"status": "ok"}
    answers[:] = [503, 503]
    with Client(transport=httpx.MockTransport(answer), retries=1) as client, pytest.raises(ServerError) as caught:
        client.health()
    assert (caught.value.status, caught.value.retry_after) == (503, 0)


def test_a_stream_that_is_cut_is_noticed(image) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b'{"type": "progress", "done": 1, "total": 2}\n')

    with Client(transport=httpx.MockTransport(answer)) as client:
        told = client.iter_everything(image)
        assert next(told) == SearchProgress(1, 2)
        with pytest.raises(ServerError, match="cut off"):
            next(told)


def test_the_token_is_sent(start) -> None:
    server = start(token="correct-horse")  # noqa: S106
    with Client(server.url) as stranger, pytest.raises(ServerError) as caught:
        stranger.images()
    assert caught.value.status == 401
    with Client(server.url, token="correct-horse") as friend:  # noqa: S106
        assert friend.images() == []
