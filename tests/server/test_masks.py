"""Masks over HTTP are those of the Python API."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from serving import failure

from promptseg import Box, Circle, Mask, Point, Polygon, Scribble
from promptseg.masks.raster import polygon_to_mask
from promptseg.masks.rle import RLE

DISC = np.hypot(*(np.mgrid[:512, :512] - np.array([120, 220])[:, None, None])) < 60

NOT_HERE = {"type": "point", "x": 1, "y": 1, "positive": False}

PROMPTS: dict[str, list[Any]] = {
    "point": [Point(220, 120)],
    "points": [Point(220, 120), Point(400, 60, positive=False)],
    "box": [Box(150, 20, 300, 240)],
    "polygon": [Polygon(((180, 60), (260, 60), (260, 180), (180, 180)))],
    "circle": [Circle(220, 120, 50)],
    "scribble": [Scribble(((200, 90), (240, 150)), 8), Scribble(((420, 60), (440, 90)), positive=False)],
    "mask": [Mask(DISC)],
}


def ask(here, picture, **body: Any) -> Any:
    return here.http.post(f"/v1/images/{picture['id']}/segment", json=body)


@pytest.fixture(scope="session")
def seen(twin, astronaut) -> Any:
    return twin.embed(astronaut)


@pytest.mark.parametrize("name", list(PROMPTS))
def test_every_prompt_type_gives_the_mask_of_the_python_api(here, picture, twin, seen, name) -> None:
    prompts = PROMPTS[name]
    answer = ask(here, picture, prompts=[prompt.to_json() for prompt in prompts]).json()
    expected = twin.segment(seen, prompts)
    (mask,) = answer["masks"]
    assert RLE.from_coco(mask["segmentation"]) == expected.masks[0]
    assert mask["score"] == pytest.approx(float(expected.scores[0]), abs=1e-6)
    assert mask["box"] == list(expected.masks[0].bbox)
    assert mask["area"] == expected.masks[0].area > 0
    assert 0 < mask["stability_score"] <= 1
    assert answer["image"] == {"id": picture["id"], "width": 512, "height": 512}


def test_several_objects_and_granularities(here, picture, twin, seen) -> None:
    objects = [[Point(220, 120)], [Box(150, 20, 300, 240), Point(30, 30, positive=False)]]
    body = [[prompt.to_json() for prompt in parts] for parts in objects]
    masks = ask(here, picture, prompts=body, granularity="all").json()["masks"]
    expected = twin.segment(seen, objects, granularity="all")
    assert [RLE.from_coco(mask["segmentation"]) for mask in masks] == list(expected.masks)
    assert [(mask["object_id"], mask["granularity"]) for mask in masks] == [
        (number, kind) for number in (0, 1) for kind in ("part", "object", "whole")
    ]


def test_masks_in_every_format(here, picture, twin, seen) -> None:
    prompts = [PROMPTS["box"][0].to_json()]
    expected = twin.segment(seen, PROMPTS["box"]).dense()[0]
    by_format = {
        form: ask(here, picture, prompts=prompts, format=form).json()["masks"][0]
        for form in ("rle", "polygons", "png", "none")
    }
    drawn = np.zeros((512, 512), np.bool_)
    for rings in by_format["polygons"]["polygons"]:
        for ring in rings:
            drawn ^= polygon_to_mask(np.array(ring), (512, 512))
    assert np.array_equal(drawn, expected)
    shown = np.asarray(Pillow.open(io.BytesIO(base64.b64decode(by_format["png"]["png"]))))
    assert np.array_equal(shown, expected * np.uint8(255))
    assert not {"segmentation", "polygons", "png"} & by_format["none"].keys()


def lines(here, picture, **body: Any) -> list[dict[str, Any]]:
    with here.http.stream("POST", f"/v1/images/{picture['id']}/everything", json=body) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.iter_lines()]


def test_everything_streams_what_python_finds(here, picture, twin, seen) -> None:
    told = lines(here, picture, options={"points_per_side": 4})
    expected = twin.everything(seen, points_per_side=4)
    masks = [mask for line in told if line["type"] == "masks" for mask in line["masks"]]
    assert [RLE.from_coco(mask["segmentation"]) for mask in masks] == list(expected.masks)
    assert [mask["stability_score"] for mask in masks] == expected.stability_scores.tolist()
    assert all(len(mask["points"]) == 1 and len(mask["crop_box"]) == 4 for mask in masks)
    assert told[-1]["type"] == "done"
    assert told[-1]["count"] == len(expected) > 0
    progress = [(line["done"], line["total"]) for line in told if line["type"] == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == (16, 16)


def test_too_many_masks_end_the_stream_with_an_error(start, astronaut) -> None:
    from promptseg.server.settings import Limits

    server = start(limits=Limits(max_masks=1))
    told = lines(server, server.upload(astronaut), options={"points_per_side": 4})
    assert told[-1]["type"] == "error"
    assert told[-1]["error"]["type"] == "TooLargeError"


@pytest.mark.parametrize(
    ("route", "body", "status", "kind", "says"),
    [
        ("segment", {"prompts": [{"type": "point", "x": 9000, "y": 5}]}, 422, "PromptError", "512 x 512"),
        ("segment", {"prompts": [{"type": "point", "x": "a", "y": 5}]}, 422, "SchemaError", "body.prompts.0.point.x"),
        ("segment", {"prompts": []}, 422, "SchemaError", "prompts"),
        ("segment", {"prompts": [{"type": "spell"}]}, 422, "SchemaError", "spell"),
        ("segment", {"prompts": [{"type": "audio", "file": "/etc/passwd"}]}, 422, "SchemaError", "audio"),
        ("segment", {"prompts": [{"type": "point", "x": 1, "y": 1}], "colour": 1}, 422, "SchemaError", "colour"),
        (
            "segment",
            {"prompts": [{"type": "point", "x": 1, "y": 1, "positive": False}]},
            422,
            "PromptError",
            "positive",
        ),
        ("segment", {"prompts": [{"type": "box", "box": [1, 1, 1, 5]}]}, 422, "PromptError", "width and a height"),
        ("segment", {"prompts": [{"type": "text", "phrase": " "}]}, 422, "PromptError", "phrase"),
        (
            "segment",
            {"prompts": [{"type": "mask", "segmentation": {"size": [40000, 50000], "counts": "0"}}]},
            422,
            "PromptError",
            "50000 x 40000",
        ),
        (
            "segment",
            {"prompts": [{"type": "mask", "segmentation": {"size": [9, 9], "counts": "~~~"}}]},
            422,
            "PromptError",
            "mask",
        ),
        ("segment", {"prompts": [{"type": "point", "x": 1, "y": 1}], "model": "gpt"}, 404, "NotFoundError", "gpt"),
        ("segment", {"prompts": [{"type": "point", "x": 1, "y": 1}] * 1001}, 413, "TooLargeError", "1,001"),
        ("segment", {"prompts": [[{"type": "point", "x": 1, "y": 1}]] * 300}, 413, "TooLargeError", "300"),
        ("segment", {"prompts": [{"type": "scribble", "points": [[1, 1]] * 20_001}]}, 413, "TooLargeError", "20,001"),
        ("everything", {"options": {"points_per_side": 65}}, 413, "TooLargeError", "64"),
        ("everything", {"options": {"box_nms_thresh": 7}}, 422, "InputError", "box_nms_thresh"),
        ("edges", {"points_per_side": 100000}, 413, "TooLargeError", "points_per_side"),
        ("edges", {"bits": 7}, 422, "SchemaError", "bits"),
        ("proposals", {"top": 10**9}, 413, "TooLargeError", "top"),
        ("instances", {"vocabulary": []}, 422, "SchemaError", "vocabulary"),
        ("everything", {"options": {"point_grids": [[[0, 0]]]}}, 422, "SchemaError", "point_grids"),
    ],
)
def test_what_is_wrong_is_said(here, picture, route, body, status, kind, says) -> None:
    answer = here.http.post(f"/v1/images/{picture['id']}/{route}", json=body)
    assert says in failure(answer, status, kind)


def test_words_cover_and_name_a_picture(here, picture, twin, seen) -> None:
    route = f"/v1/images/{picture['id']}"
    found = here.http.post(f"{route}/panoptic", json={"vocabulary": ["person", "flag"]}).json()["masks"]
    assert [mask["label"] for mask in found] == list(twin.panoptic(seen, ["person", "flag"]).segments.labels)
    masks = [RLE.encode(DISC).to_coco()]
    body = {"masks": masks, "vocabulary": ["a face", "a bicycle"]}
    (named,) = here.http.post(f"{route}/label", json=body).json()["masks"]
    assert named["label"] == "a face"


def test_what_a_phrase_finds_says_what_it_names(here, picture) -> None:
    route = f"/v1/images/{picture['id']}/segment"
    prompts = [[{"type": "text", "phrase": "the People"}], [{"type": "point", "x": 20, "y": 20}]]
    found = here.http.post(route, json={"prompts": prompts, "format": "none"}).json()["masks"]
    said = {(mask["object_id"], mask["label"], mask.get("noun")) for mask in found}
    assert said == {(0, "the People", "people"), (1, None, None)}


@pytest.mark.parametrize("way", ["semantic", "instances"])
def test_maps_of_classes_are_those_of_the_python_api(here, picture, twin, seen, way) -> None:
    found = here.http.post(f"/v1/images/{picture['id']}/{way}", json={"vocabulary": ["person", "flag"]}).json()["masks"]
    expected = getattr(twin, way)(seen, ["person", "flag"])
    segments = expected if way == "instances" else expected.segments
    assert [RLE.from_coco(mask["segmentation"]) for mask in found] == list(segments.masks)
    assert [mask["label"] for mask in found] == list(segments.labels)
    assert found


def test_edges_are_a_grey_picture(here, picture, twin, seen) -> None:
    body = {"points_per_side": 4, "bits": 16, "invert": True}
    answer = here.http.post(f"/v1/images/{picture['id']}/edges", json=body)
    assert answer.headers["content-type"] == "image/png"
    shown = np.asarray(Pillow.open(io.BytesIO(answer.content)))
    expected = np.rint((1 - twin.edges(seen, points_per_side=4)) * 65535)
    assert shown.shape == (512, 512)
    assert np.abs(shown - expected).max() <= 1


def test_proposals_are_those_of_the_python_api(here, picture, twin, seen) -> None:
    body = {"points_per_side": 4, "top": 7}
    found = here.http.post(f"/v1/images/{picture['id']}/proposals", json=body).json()["masks"]
    expected = twin.proposals(seen, 7, points_per_side=4)
    assert [RLE.from_coco(mask["segmentation"]) for mask in found] == list(expected.masks)
    assert len(found) == 7


def test_unknown_pictures_and_ids_that_are_none(here) -> None:
    body = {"prompts": [{"type": "point", "x": 1, "y": 1}]}
    failure(here.http.post(f"/v1/images/{'0' * 64}/segment", json=body), 404, "NotFoundError")
    failure(here.http.post("/v1/images/..%2f..%2fetc/segment", json=body), 404, "NotFoundError")
    failure(here.http.post("/v1/images/zz/segment", json=body), 422, "SchemaError")


def test_options_have_the_defaults_of_python() -> None:
    from promptseg.segment.everything.options import EverythingOptions
    from promptseg.server.schemas import EverythingBody

    assert EverythingOptions(**EverythingBody().model_dump()) == EverythingOptions()


def test_a_browser_decodes_the_same_mask(here, picture, twin, seen) -> None:
    """The rules of docs/server.md, step by step, in plain ONNX Runtime."""
    import onnxruntime

    from promptseg.geometry import ResizeFrame
    from promptseg.masks.overlap import iou
    from promptseg.masks.upsample import upsample_to_rle
    from promptseg.models.companions.choice import features as features_of
    from promptseg.models.companions.correction import likeliest
    from promptseg.models.companions.perceptron import Perceptron
    from promptseg.models.companions.retouch import retouch_inputs, window
    from promptseg.prompts.encode import encode_object
    from promptseg.segment.places.retouch import shades
    from promptseg.segment.places.tidy import tidied

    answer = here.http.get(f"/v1/images/{picture['id']}/embedding", params={"dtype": "float16"})
    shape = [int(side) for side in answer.headers["X-Promptseg-Shape"].split(",")]
    features = np.frombuffer(answer.content, "<f2").astype(np.float32).reshape(shape)
    height, width = (int(side) for side in answer.headers["X-Promptseg-Size"].split(","))
    h, w = (int(side) for side in answer.headers["X-Promptseg-Resized"].split(","))
    address = here.http.get("/v1/models").json()["models"][0]
    graphs = {
        name: onnxruntime.InferenceSession(here.http.get(address[name]).content, providers=["CPUExecutionProvider"])
        for name in ("decoder", "mask_decoder", "view", "sketch", "retouch")
    }

    def decode(points: Any, labels: Any, mask: Any = None) -> tuple[Any, Any]:
        feeds = {
            "features": features,
            "points": np.array([points], np.float32) * (w / width, h / height),
            "labels": np.array([labels], np.int64),
        }
        feeds["points"] = feeds["points"].astype(np.float32)
        if mask is None:
            return graphs["decoder"].run(None, feeds)
        return graphs["mask_decoder"].run(None, {**feeds, "mask_logits": mask[None, None]})

    frame = ResizeFrame.fit((height, width))
    logits, scores = decode([(220, 120), (0, 0)], [1, -1])
    numbers = here.http.get(address["choice"]).json()
    click = (220 * w / width / 4, 120 * h / height / 4)
    order, x = features_of(logits[0, 1:, : -(-h // 4), : -(-w // 4)], scores[0, 1:], click)
    first = numbers["first"]
    x = (x - np.array(first["mean"])) / np.array(first["deviation"])
    for weight, bias in zip(first["weights"][:-1], first["biases"][:-1], strict=True):
        x = np.maximum(np.array(weight) @ x + bias, 0)
    best = 1 + int(order[np.argmax(np.array(first["weights"][-1]) @ x + first["biases"][-1])])
    session = twin.session(seen)
    assert upsample_to_rle(logits[0, best], frame) == session.add(Point(220, 120)).masks[0]

    rows, columns = -(-h // 16), -(-w // 16)
    parts = graphs["view"].run(None, {"features": features, "rows": np.arange(rows), "columns": np.arange(columns)})
    names = [item.name for item in graphs["view"].get_outputs()]
    point = np.array([(220 * w / width, 120 * h / height)], np.float32)
    coarse, _ = graphs["sketch"].run(None, {**dict(zip(names, parts, strict=True)), "points": point})
    fine = logits[:, 1:, 2::4, 2::4][:, :, :rows, :columns]
    assert ((coarse > 0) == (fine > 0)).mean() > 0.99

    before, score = logits[0, best], scores[0, best]
    logits, scores = decode([(220, 120), (400, 60), (0, 0)], [1, 0, -1], before)
    followed = np.where((logits[0, 0] > 0) & (before <= 0), before, logits[0, 0])  # a click beside it adds nothing
    usual = 0 if iou(upsample_to_rle(before, frame), upsample_to_rle(logits[0, 0], frame)) >= 0.7 else 4
    six = np.stack([*logits[0], followed, before])
    clicks = np.array([(*click, 1), (400 * w / width / 4, 60 * h / height / 4, 0)], np.float32)
    chosen = likeliest(
        Perceptron.of(numbers["later"]),
        six[:, : -(-h // 4), : -(-w // 4)],
        np.array([*scores[0], scores[0, 0], score], np.float32),
        clicks,
        1,
        usual,
    )
    assert chosen != 4  # that one is put together from two masks of the picture, not enlarged
    place = window(six[chosen, : -(-h // 4), : -(-w // 4)], before[: -(-h // 4), : -(-w // 4)], clicks)
    inputs = retouch_inputs(
        shades(seen),
        six[chosen, : -(-h // 4), : -(-w // 4)],
        before[: -(-h // 4), : -(-w // 4)],
        clicks,
        features,
        place,
    )
    drawn = graphs["retouch"].run(None, inputs.feeds())[0][0, 0]
    retouched = six[chosen].copy()
    part = retouched[: -(-h // 4), : -(-w // 4)][place]
    part[:] = drawn[: part.shape[0], : part.shape[1]]
    found = session.add(Point(400, 60, positive=False)).masks[0]
    assert iou(found, upsample_to_rle(six[chosen], frame)) < 1
    assert iou(found, upsample_to_rle(retouched, frame)) > 0.9999

    logits, _ = decode([(150, 20), (300, 240)], [2, 3])
    box = Box(150, 20, 300, 240)
    expected = tidied(upsample_to_rle(logits[0, 0], frame), encode_object((box,), frame), frame)
    assert expected == twin.segment(seen, box).masks[0]

    again = here.http.get(
        answer.url.path, params={"dtype": "float16"}, headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304
    assert not again.content


def test_a_search_that_is_ended_early_gives_what_it_has_found(here, picture) -> None:
    url = f"/v1/images/{picture['id']}/everything"
    whole = here.http.post(url, json={"options": {"points_per_side": 16}})
    count = json.loads(whole.text.splitlines()[-1])["count"]
    name = "ab" * 16
    lines: list[dict[str, Any]] = []
    with here.http.stream("POST", url, json={"options": {"points_per_side": 16}, "search": name}) as answer:
        for line in answer.iter_lines():
            lines.append(json.loads(line))
            if len(lines) == 20:
                assert here.http.post(f"{url}/finish", json={"search": name}).status_code == 204
    last = lines[-1]
    assert (last["type"], last["cut"]) == ("done", True)
    assert 0 < last["count"] < count
    assert last["count"] == sum(len(line["masks"]) for line in lines if line["type"] == "masks")
    progress = [line for line in lines if line["type"] == "progress"]
    assert progress[-1]["done"] < progress[-1]["total"]
    failure(here.http.post(f"{url}/finish", json={"search": name}), 404, "NotFoundError")
