"""Label Studio's backend contract: health, setup, predict; and which pictures are fetched."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from serving import failure

from promptseg import Box, Point
from promptseg.errors import FormatError
from promptseg.masks.raster import polygon_to_mask
from promptseg.masks.rle import RLE
from promptseg.server.labelling.brush import brush_rle
from promptseg.server.labelling.config import parse_config
from promptseg.server.settings import LabelStudio

CONFIG = """<View><Image name="image" value="$photo" zoom="true"/>
<BrushLabels name="brush" toName="image"><Label value="Person"/><Label value="Helmet" background="#f00"/></BrushLabels>
<PolygonLabels name="outline" toName="image"><Label value="Flag"/></PolygonLabels>
<KeyPointLabels name="dot" toName="image" smart="true"><Label value="Person"/><Label value="Flag"/></KeyPointLabels>
<RectangleLabels name="frame" toName="image" smart="true"><Label value="Person"/></RectangleLabels></View>"""


def unpacked(rle: list[int]) -> np.ndarray:
    """Reads brush run lengths as Label Studio's editor does, bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in rle)
    place = 0

    def read(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    length, word = read(32), read(5) + 1
    counters = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < length:
        repeated = read(1)
        count = read(counters[read(2)]) + 1
        values += [read(word)] * count if repeated else [read(word) for _ in range(count)]
    assert len(values) == length
    return np.array(values, np.uint8)


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_brush_run_lengths_are_what_the_editor_reads(mask: np.ndarray) -> None:
    channels = unpacked(brush_rle(RLE.encode(mask))).reshape(*mask.shape, 4)
    assert np.array_equal(channels, np.repeat(mask[..., None] * np.uint8(255), 4, axis=2))


def test_long_runs_are_split() -> None:
    mask = np.zeros((200, 300), np.bool_)
    mask[20:] = True
    assert np.array_equal(unpacked(brush_rle(RLE.encode(mask)))[::4] > 0, mask.ravel())


def test_the_labelling_interface_is_read() -> None:
    config = parse_config(CONFIG)
    assert (config.image, config.key) == ("image", "photo")
    assert [(tag.kind, tag.name, tag.labels) for tag in config.tags] == [
        ("BrushLabels", "brush", ("Person", "Helmet")),
        ("PolygonLabels", "outline", ("Flag",)),
    ]
    assert config.tag_for("Flag").name == "outline"
    assert config.tag_for(None).name == "brush"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<View>",
        "<View><Image name='i' value='$x'/></View>",
        "<View><BrushLabels name='b' toName='i'/></View>",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><View>&a;</View>',
        "<View>" * 40_000,
    ],
)
def test_interfaces_without_masks_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="labelling interface"):
        parse_config(text)


def click(kind: str, value: dict[str, Any], label: str = "Person", **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "value": {**value, kind: [label]},
        "original_width": 512,
        "original_height": 512,
        "from_name": "dot",
        "to_name": "image",
        "id": "x1",
        **more,
    }


def ask(server: Any, address: str, *results: dict[str, Any], config: str = CONFIG) -> Any:
    """Asks as Label Studio does, with the fields that it sends."""
    return server.http.post(
        "/label-studio/predict",
        json={
            "tasks": [{"id": 3, "data": {"photo": address}, "annotations": [], "meta": {}}],
            "model_version": "x",
            "project": "1.1700000000",
            "label_config": config,
            "params": {"login": None, "password": None, "context": {"result": list(results)} if results else None},
        },
    )


@pytest.fixture(scope="module")
def address(astronaut: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(astronaut).decode()


def test_health_setup_and_webhook(here) -> None:
    health = here.http.get("/label-studio/health").json()
    assert health["status"] == "UP"
    body = {"project": "1.17", "schema": CONFIG, "hostname": "http://x", "access_token": "t", "extra_params": None}
    version = here.http.post("/label-studio/setup", json=body).json()["model_version"]
    assert version == health["model_class"]
    answer = here.http.post("/label-studio/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 1}})
    assert (answer.status_code, answer.json()) == (201, {"status": "ok"})


def test_clicks_become_brush_strokes(here, twin, astronaut, address) -> None:
    x0, y0, x1, y1 = (share * 5.12 for share in (43.0, 23.5, 78.0, 11.5))
    prompts = [Point(x0, y0), Point(x1, y1, positive=False)]
    answer = ask(
        here,
        address,
        click("keypointlabels", {"x": 43.0, "y": 23.5, "width": 0.3}, "Helmet", is_positive=True),
        click("keypointlabels", {"x": 78.0, "y": 11.5, "width": 0.3}, "Helmet", is_positive=False),
    )
    (prediction,) = answer.json()["results"]
    (result,) = prediction["result"]
    expected = twin.segment(astronaut, prompts)
    assert np.array_equal(unpacked(result["value"]["rle"])[::4] > 0, expected.dense()[0].ravel())
    assert result["value"]["format"] == "rle"
    assert result["value"]["brushlabels"] == ["Helmet"]
    assert (result["from_name"], result["to_name"], result["type"]) == ("brush", "image", "brushlabels")
    assert (result["original_width"], result["original_height"], result["image_rotation"]) == (512, 512, 0)
    assert prediction["score"] == pytest.approx(result["score"])


def test_boxes_become_polygons_where_the_label_is_one_of_polygons(here, twin, astronaut, address) -> None:
    box = {"x": 150 / 5.12, "y": 20 / 5.12, "width": 150 / 5.12, "height": 220 / 5.12, "rotation": 0}
    results = ask(here, address, click("rectanglelabels", box, "Flag")).json()["results"][0]["result"]
    drawn = np.zeros((512, 512), np.bool_)
    for result in results:
        assert (result["type"], result["from_name"]) == ("polygonlabels", "outline")
        drawn |= polygon_to_mask(np.array(result["value"]["points"]) * 5.12, (512, 512))
    expected = twin.segment(astronaut, Box(150, 20, 300, 240)).dense()[0]
    assert (drawn & expected).sum() / (drawn | expected).sum() > 0.98


def test_turned_boxes_and_polygons_are_taken(here, address) -> None:
    box = {"x": 40, "y": 10, "width": 20, "height": 30, "rotation": 20}
    polygon = {"points": [[30, 5], [58, 5], [58, 45], [30, 45]]}
    for result in (click("rectanglelabels", box), click("polygonlabels", polygon)):
        assert len(ask(here, address, result).json()["results"][0]["result"]) == 1


def test_nothing_clicked_is_nothing_predicted(here) -> None:
    assert ask(here, "data:,x").json()["results"][0]["result"] == []
    beside = click("keypointlabels", {"x": 1, "y": 1}, is_positive=False)
    tiny = {"original_width": 2, "original_height": 2}
    assert ask(here, _tiny(), {**beside, **tiny}).json()["results"][0]["result"] == []


def _tiny() -> str:
    import io

    from PIL import Image as Pillow

    file = io.BytesIO()
    Pillow.new("RGB", (2, 2)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ({"type": "keypointlabels"}, "PromptError"),
        (click("keypointlabels", {"x": "a", "y": 1}), "PromptError"),
        (click("polygonlabels", {"points": [[1, 1]]}), "PromptError"),
        ({**click("keypointlabels", {"x": 1, "y": 1}), "original_width": 100}, "FormatError"),
    ],
)
def test_wrong_results_are_refused(here, address, result, kind) -> None:
    failure(ask(here, address, result), 422, kind)


CLICK = click("keypointlabels", {"x": 43, "y": 23})


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "/etc/passwd",
        "/data/upload/1/a.jpg",
        "data:image/png;base64,@@",
        "s3://bucket/a.jpg",
    ],
)
def test_nothing_is_fetched_unless_a_label_studio_is_named(here, address) -> None:
    failure(ask(here, address, CLICK), 422, "ImageError")


class Uploads(BaseHTTPRequestHandler):
    """A Label Studio that serves one picture to who has the token."""

    content = b""
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/data/away":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/")
        else:
            right = self.headers["Authorization"] == "Token secret" and self.path.startswith("/data/upload/1/")
            self.send_response(200 if right else 404)
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *given: Any) -> None:
        pass


@pytest.fixture
def label_studio(astronaut: bytes) -> Iterator[str]:
    Uploads.content, Uploads.asked = astronaut, []
    with HTTPServer(("127.0.0.1", 0), Uploads) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_pictures_of_the_named_label_studio_are_fetched_and_no_others(start, label_studio) -> None:
    server = start(label_studio=LabelStudio(url=label_studio, token="secret"))  # noqa: S106
    for address in ("/data/upload/1/a%20b.jpg", f"{label_studio}/data/upload/1/a.jpg?x=1"):
        answer = ask(server, address, CLICK)
        assert len(answer.json()["results"][0]["result"]) == 1, answer.text
    assert Uploads.asked == ["/data/upload/1/a%20b.jpg", "/data/upload/1/a.jpg?x=1"]
    refused = (
        "http://example.com/data/upload/1/a.jpg",
        f"{label_studio}.example.com/data/upload/1/a.jpg",
        f"{label_studio}@example.com/data/x",
        "//example.com/data/a.jpg",
        "/api/users",
        "/data/../api/users",
        "/data/%2e%2e/api/users",
    )
    for address in refused:
        failure(ask(server, address, CLICK), 422, "ImageError")
    assert len(Uploads.asked) == 2
    for address in ("/data/missing.jpg", "/data/away"):
        failure(ask(server, address, CLICK), 422, "ImageError")


def test_a_label_studio_that_is_down_is_503(start) -> None:
    server = start(label_studio=LabelStudio(url="http://127.0.0.1:9"))
    failure(ask(server, "/data/upload/1/a.jpg", CLICK), 503, "UpstreamError")


@pytest.mark.parametrize(
    "results",
    [
        5,
        "text",
        {"a": 1},
        [{"type": "keypoint", "value": {"x": 10**400, "y": 1}}],
        [{"type": "polygon", "value": {"points": [[1, 2], [3, 10**400], [5, 6]]}}],
        [{"type": "rectangle", "value": {"x": 1, "y": 1, "width": 2, "height": 2, "rotation": 10**400}}],
        [{"type": ["keypoint"], "value": {}, "original_width": 1e308, "original_height": []}],
    ],
)
def test_odd_results_are_the_clients_fault(here, astronaut: bytes, results: object) -> None:
    address = "data:image/jpeg;base64," + base64.b64encode(astronaut).decode()
    body = {"tasks": [{"data": {"photo": address}}], "label_config": CONFIG, "params": {"context": {"result": results}}}
    assert here.http.post("/label-studio/predict", json=body).status_code == 422


def test_an_address_that_is_none(start) -> None:
    server = start(label_studio=LabelStudio(url="http://localhost:1"))
    body = {
        "tasks": [{"data": {"photo": "http://[::1"}}],
        "label_config": CONFIG,
        "params": {"context": {"result": [{"type": "keypoint", "value": {"x": 1, "y": 1}}]}},
    }
    assert "no address" in failure(server.http.post("/label-studio/predict", json=body), 422, "ImageError")
