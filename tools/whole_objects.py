"""Makes labelled whole objects of pictures whose things are only boxed or named, for the recipes of clicks.

    python tools/whole_objects.py DATA -o DATA/wholes

Reads the folders of DATA that are named below, those that are there. A box (that of the
labels; for named pictures, of which the object is the large one in the middle, the largest that the detector is sure
of) is drawn by MobileSAM's own decoder. A mask is kept if SAM expects it to be right, if it is steady, and if it fills
the box to its sides. The output is one data set for each folder, in COCO's layout.
"""

import argparse
import json
import shutil
import zlib
from pathlib import Path

import numpy as np

from promptseg import Box, Segmenter
from promptseg.images import Image
from promptseg.masks.overlap import stability
from promptseg.runtimes.factory import create_detector
from promptseg.segment.words.boxes import boxes_of

FOLDERS = {
    "raccoon": 80,
    "caltech101": 1000,
    "imagenet1000": 1000,
    "grocery": 320,
    "clothing": 340,
    "coco_more": 350,
    "fruit": 120,
    "kangaroo": 60,
}
"""How many pictures of each are looked at, evenly strided."""
SURE, STEADY, FITS = 0.88, 0.88, 0.8
"""The least that SAM expects of a mask, its least stability, and the least IoU of its own box with the given one."""
SEEN, CENTRAL, LARGE = 0.2, 0.25, 0.12
"""How sure the detector must be, how far from the middle of the picture the box's may lie, and its least share."""
SMALLEST = 0.01
"""Of the picture: smaller boxes are left out."""
MOST = 4
"""Boxes of a picture."""


def boxed(folder: Path) -> dict[str, np.ndarray]:
    """Returns the boxes (N, 4) of pictures by name."""
    content = json.loads((folder / "boxes.json").read_text("utf-8"))
    return {name: np.array([item["box"] for item in items], float).reshape(-1, 4) for name, items in content.items()}


def central(detector, image: Image) -> np.ndarray:  # noqa: ANN001 - as `create_detector` returns it
    """Returns the box (1, 4) of the object that fills most of the middle of a picture, or none."""
    found = boxes_of(detector, image)
    sides = np.array([image.size.width, image.size.height] * 2)
    relative = found.corners / sides
    shares = (relative[:, 2:] - relative[:, :2]).prod(1)
    middles = np.abs((relative[:, 2:] + relative[:, :2]) / 2 - 0.5).max(1)
    fits = np.flatnonzero((found.scores > SEEN) & (middles < CENTRAL) & (shares > LARGE))
    return found.corners[fits[:1]]


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder of embeddings")
    given = parser.parse_args()
    segmenter = Segmenter("mobile-sam", threads=given.threads, cache=given.cache)
    detector = create_detector("onnx", threads=given.threads)
    for name, most in FOLDERS.items():
        folder, target = given.data / name, given.output / name
        if not folder.is_dir() or (target / "instances.json").exists():
            continue
        known = boxed(folder) if (folder / "boxes.json").exists() else None
        files = sorted((folder / "images").iterdir())
        records, annotations = [], []
        for file in files[:: max(1, len(files) // most)][:most]:
            image = Image.open(file)
            boxes = central(detector, image) if known is None else known.get(file.name, np.empty((0, 4)))
            area = image.size.width * image.size.height
            boxes = boxes[((boxes[:, 2:] - boxes[:, :2]).prod(1) > SMALLEST * area).nonzero()[0]]
            random = np.random.default_rng(zlib.crc32(file.name.encode()))
            boxes = boxes[random.permutation(len(boxes))[:MOST]]
            if not len(boxes):
                continue
            found = segmenter.segment(segmenter.embed(image), [[Box(*map(float, box))] for box in boxes])
            kept = [
                mask
                for mask, score, logits, box in zip(found.masks, found.scores, found.low_res_logits, boxes, strict=True)
                if score > SURE and stability(logits) > STEADY and fit(mask.bbox, box) > FITS
            ]
            if not kept:
                continue
            (target / "images").mkdir(parents=True, exist_ok=True)
            if not (link := target / "images" / file.name).exists():
                shutil.copyfile(file, link)
            number = len(records)
            records.append(
                {"id": number, "file_name": file.name, "height": image.size.height, "width": image.size.width}
            )
            annotations += [
                {
                    "id": len(annotations) + place + 1,
                    "image_id": number,
                    "category_id": 1,
                    "segmentation": mask.to_coco(),
                    "area": mask.area,
                    "bbox": [mask.bbox[0], mask.bbox[1], mask.bbox[2] - mask.bbox[0], mask.bbox[3] - mask.bbox[1]],
                    "iscrowd": 0,
                }
                for place, mask in enumerate(kept)
            ]
        content = {"images": records, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}
        if records:
            (target / "instances.json").write_text(json.dumps(content), "utf-8")
        print(f"{name}: {len(annotations)} objects in {len(records)} pictures", flush=True)


def fit(box: tuple[float, float, float, float], wanted: np.ndarray) -> float:
    """Returns the IoU of two boxes."""
    low, high = np.maximum(box[:2], wanted[:2]), np.minimum(box[2:], wanted[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    areas = float((box[2] - box[0]) * (box[3] - box[1]) + (wanted[2] - wanted[0]) * (wanted[3] - wanted[1]))
    return shared / max(1e-9, areas - shared)


if __name__ == "__main__":
    main()
