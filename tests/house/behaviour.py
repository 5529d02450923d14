"""What promptseg answers, written down: every kind of request on a picture, as plain values.

Two uses. `python tests/house/behaviour.py OUT.json PICTURE ...` writes a hash of every answer, to compare two commits
on one machine to the byte (`--against BEFORE.json`). The test beside this file holds the answers on two small pictures,
with room for the rounding of other processors.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from promptseg import Box, Circle, Mask, Point, Polygon, Reference, Scribble, Segmenter, Segments, Text

EXPORTS = ("coco", "labelme", "sa1b", "records", "svg", "overlay", "index", "png", "cutout", "yolo")
FORMATS = ("png", "overlay", "cutout", "coco", "yolo", "labelme", "svg")
Answers = Iterator[tuple[str, Any]]


def shown(segments: Segments) -> list[dict[str, Any]]:
    """Returns masks as plain values."""
    return [
        {
            "mask": mask.to_coco(),
            "score": float(segments.scores[index]),
            "label": segments.labels[index],
            "object": int(segments.object_ids[index]),
            "granularity": segments.granularities[index],
        }
        for index, mask in enumerate(segments.masks)
    ]


def prompts(width: int, height: int) -> dict[str, Any]:
    """Returns one request of every kind of place, and some of several."""

    def at(x: float, y: float) -> tuple[float, float]:
        return x * width, y * height

    middle, aside = Point(*at(0.5, 0.5)), Point(*at(0.1, 0.15), positive=False)
    box = Box(*at(0.25, 0.2), *at(0.8, 0.9))
    corners = (at(0.3, 0.3), at(0.7, 0.28), at(0.75, 0.8), at(0.3, 0.75))
    rough = np.zeros((height, width), bool)
    rough[height // 4 : height * 3 // 4, width // 3 : width * 2 // 3] = True
    stroke = Scribble((at(0.4, 0.5), at(0.5, 0.45), at(0.6, 0.55)), width=7)
    return {
        "click": middle,
        "clicks": [middle, aside],
        "box": box,
        "box and clicks": [box, middle, aside],
        "two boxes": [box, Box(*at(0.05, 0.05), *at(0.4, 0.5))],
        "polygon": Polygon(corners),
        "circle": Circle(*at(0.5, 0.5), min(width, height) / 5),
        "scribble": stroke,
        "scribble and not": [stroke, Scribble((at(0.05, 0.9), at(0.3, 0.95)), positive=False)],
        "mask": Mask(rough),
        "two objects": [[middle], [Point(*at(0.2, 0.8))]],
    }


def places(segmenter: Segmenter, image: Any, size: tuple[int, int]) -> Answers:
    """Every kind of place, every granularity, tiles, and a dialogue of five rounds."""
    height, width = size
    for name, request in prompts(width, height).items():
        yield name, shown(segmenter.segment(image, request))
    click = Point(width / 2, height / 2)
    for granularity in ("part", "object", "whole", "all"):
        yield f"click {granularity}", shown(segmenter.segment(image, click, granularity=granularity))
    yield "dialogue", _dialogue(segmenter, image, width, height)


def _dialogue(segmenter: Segmenter, image: Any, width: int, height: int) -> dict[str, Any]:
    session = segmenter.session(image)
    rounds = [
        shown(session.add(Point(width * x, height * y, positive=sign)))
        for x, y, sign in ((0.5, 0.5, True), (0.6, 0.6, True), (0.2, 0.2, False), (0.45, 0.7, True), (0.8, 0.1, False))
    ]
    rounds.append(shown(session.add(Box(width / 5, height / 5, width / 2, height / 2), object_id=3)))
    rounds.append(shown(session.undo()))
    again = segmenter.restore(image, session.to_json())
    return {"rounds": rounds, "record": session.to_json(), "again": shown(again.segments)}


def words(segmenter: Segmenter, image: Any, picture: Path, size: tuple[int, int]) -> Answers:
    """Phrases, references, and both beside places."""
    height, width = size
    middle = Point(width / 2, height / 2)
    for phrase in ("person", "cat", "a cup", "sky"):
        yield f"text {phrase}", shown(segmenter.segment(image, Text(phrase)))
    yield "match", shown(segmenter.match(image, "person", threshold=0))
    yield "two texts", shown(segmenter.segment(image, [Text("person"), Text("dog")]))
    yield "text and click", shown(segmenter.segment(image, [Text("animal"), middle]))
    reference = Reference(str(picture), Box(width / 4, height / 4, width * 3 / 4, height * 3 / 4))
    found = shown(segmenter.segment(image, reference))
    yield "reference", found
    session = segmenter.session(image)
    with contextlib.suppress(ValueError):
        session.add(Text("person"))
        session.add(middle)
    yield "words in a dialogue", shown(session.segments)


def maps(segmenter: Segmenter, image: Any) -> Answers:
    """Everything, edges, proposals, and the maps of classes."""
    fast = segmenter.everything(image, points_per_side=16)
    yield "everything", shown(fast)
    yield "everything exact", shown(segmenter.everything(image, mode="exact", points_per_side=6))
    for name, found in (("panoptic", segmenter.panoptic(image)), ("semantic", segmenter.semantic(image))):
        yield name, [shown(found.segments), [category.thing for category in found.categories]]
    yield "instances", shown(segmenter.instances(image, ["person", "dog", "grass"]))
    yield "label", list(segmenter.label(image, fast[:6]).labels)
    yield "ranks", [list(names) for names in segmenter.rank_labels(image, fast[:3], top=3)]
    yield "edges", np.round(segmenter.edges(image, points_per_side=8), 3).tolist()
    yield "proposals", shown(segmenter.proposals(image, 20, points_per_side=8))


def tiles(segmenter: Segmenter, picture: Path, size: tuple[int, int]) -> Answers:
    """A picture in tiles."""
    height, width = size
    tiled = segmenter.embed_tiles(picture, tile=256)
    for name in ("click", "box", "polygon", "scribble", "circle", "mask"):
        yield f"tiles {name}", shown(segmenter.segment(tiled, prompts(width, height)[name]))
    if max(size) > 256:
        yield "everything in tiles", shown(segmenter.everything(picture, tile=256, points_per_side=8))


def commands(picture: Path, size: tuple[int, int]) -> Answers:
    """What the command prints and writes."""
    from click.testing import CliRunner

    from promptseg.cli.app import app

    height, width = size
    click = f"{width // 2},{height // 2}"
    box = f"{width // 5},{height // 5},{width // 2},{height // 2}"
    every = [part for name in FORMATS for part in ("-f", name)]
    calls = {
        "segment": ["segment", picture.name, "--point", click, "--not", "3,3", *every],
        "segment objects": ["segment", picture.name, "--box", box, "--box", "1,1,60,50", *every],
        "segment words": ["segment", picture.name, "--text", "person", "--text", "a cup", *every],
        "everything": ["everything", picture.name, "--points-per-side", "8"],
        "panoptic": ["panoptic", picture.name],
        "edges": ["edges", picture.name, "--points-per-side", "8"],
    }
    here = Path.cwd()
    for name, call in calls.items():
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / picture.name).write_bytes(picture.read_bytes())  # files say where their picture is
            os.chdir(folder)
            try:
                output = "out/edges.png" if name == "edges" else "out"
                done = CliRunner().invoke(app, [*call, "-o", output])
            finally:
                os.chdir(here)
            files = {
                str(path.relative_to(folder)): written(path)
                for path in sorted((Path(folder) / "out").rglob("*"))
                if path.is_file()
            }
        yield f"command {name}", {"code": done.exit_code, "said": done.stdout, "files": files}


def written(path: Path) -> Any:
    """Returns what stands in a file, without the time at which it was written."""
    content = path.read_bytes()
    if path.suffix == ".json":
        return json.loads(content)
    if path.suffix == ".png":
        with Pillow.open(io.BytesIO(content)) as image:
            return {"size": image.size, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}
    if path.suffix in (".txt", ".svg", ".yaml"):
        return content.decode()
    return hashlib.sha256(content).hexdigest()


def served(folder: Path, picture: Path, size: tuple[int, int]) -> Answers:
    """What a server answers."""
    from fastapi.testclient import TestClient

    from promptseg.server.app import create_app
    from promptseg.server.settings import Limits, Settings

    height, width = size
    settings = Settings(data=folder, limits=Limits(request_seconds=600))
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
        sent = client.post("/v1/images", files={"file": (picture.name, picture.read_bytes())})
        image = sent.json()["id"]
        click = {"type": "point", "x": width / 2, "y": height / 2}
        person = {"type": "text", "phrase": "person"}
        for form in ("rle", "polygons", "png", "none"):
            body = {"prompts": [click], "format": form, "granularity": "all"}
            yield f"http segment {form}", client.post(f"/v1/images/{image}/segment", json=body).json()
        for name, path, body in (
            ("text", "segment", {"prompts": [person]}),
            ("wrong", "segment", {"prompts": [{**click, "x": 1e6}]}),
            ("malformed", "segment", {"prompts": [{"type": "point", "x": "1"}]}),
            ("panoptic", "panoptic", {"vocabulary": ["person", "grass"]}),
        ):
            answer = client.post(f"/v1/images/{image}/{path}", json=body)
            yield f"http {name}", [answer.status_code, answer.json()]
        search = client.post(f"/v1/images/{image}/everything", json={"options": {"points_per_side": 8}})
        lines = [json.loads(line) for line in search.text.splitlines()]
        found = [line for line in lines if line["type"] != "progress"]
        yield "http everything", found
        masks = [mask["segmentation"] for line in found for mask in line.get("masks", ())][:4]
        labelled = client.post(f"/v1/images/{image}/label", json={"masks": masks})
        yield "http label", [labelled.status_code, labelled.json()]
        session = client.post("/v1/sessions", json={"image": image}).json()["id"]
        rounds = [
            client.post(f"/v1/sessions/{session}/prompts", json={"prompts": [{**click, "x": x * width}]})
            for x in (0.5, 0.6)
        ]
        rounds.append(client.post(f"/v1/sessions/{session}/undo"))
        yield "http dialogue", [{**answer.json(), "id": ""} for answer in rounds]
        objects = [{"id": f"a{row}", "segmentation": mask, "label": "b"} for row, mask in enumerate(masks)]
        put = client.put(f"/v1/images/{image}/objects", json={"objects": objects})
        yield "http put", [put.status_code, {**put.json(), "updated": ""}]
        for form in EXPORTS:
            way = f"/v1/images/{image}/export?format={form}"
            answer = client.post(way, json={"objects": objects})
            yield f"http export {form}", [answer.status_code, _unpacked(answer.content)]
        yield "http openapi", client.get("/openapi.json").json()


def _unpacked(content: bytes) -> Any:
    """Returns what is in an export; an archive's files by name, whatever the time at which it was made."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return hashlib.sha256(content).hexdigest()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def answers(picture: Path, segmenter: Segmenter, *, quick: bool = False) -> Answers:
    """Asks everything about one picture, or what is quickly answered."""
    image = segmenter.embed(picture)
    size = (image.size.height, image.size.width)
    yield from places(segmenter, image, size)
    yield from words(segmenter, image, picture, size)
    if quick:
        return
    yield from maps(segmenter, image)
    yield from tiles(segmenter, picture, size)
    yield from commands(picture, size)
    with tempfile.TemporaryDirectory() as folder:
        yield from served(Path(folder), picture, size)


def digest(value: Any) -> str:
    """Returns a hash of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def main() -> int:
    """Writes the hashes, and says what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--against", type=Path, help="what another commit wrote")
    parser.add_argument("--quick", action="store_true", help="places and words only")
    parser.add_argument("--values", type=Path, help="a folder for the answers themselves")
    given = parser.parse_args()
    segmenter = Segmenter(runtime="onnx", threads=1)
    found: dict[str, str] = {}
    for picture in given.pictures:
        for name, value in answers(picture.resolve(), segmenter, quick=given.quick):
            found[f"{picture.name}: {name}"] = digest(value)
            if given.values is not None:
                given.values.mkdir(parents=True, exist_ok=True)
                (given.values / f"{picture.stem} {name}.json").write_text(json.dumps(value, sort_keys=True))
        given.output.write_text(json.dumps(found, indent=1))
        print(picture.name, len(found), flush=True)
    if given.against is None:
        return 0
    before = json.loads(given.against.read_text())
    other = sorted(name for name in before.keys() | found.keys() if before.get(name) != found.get(name))
    print(*(f"differs: {name}" for name in other), f"{len(other)} of {len(found)} differ", sep="\n")
    return bool(other)


if __name__ == "__main__":
    sys.exit(main())
