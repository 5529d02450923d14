"""Trains the head that tells the fast mode where small objects are, and writes it into the package.

    python tools/train_objectness.py look PICTURES... --labels FOLDER   # what the full grid finds; resumable
    python tools/train_objectness.py fit --labels FOLDER                # trains, prints recall, writes the weights

The label of a grid point is whether a click there finds a mask that passes SAM's filters and is smaller than ten
cells of the 32 x 32 grid: larger ones are found by the coarse grid anyway.
"""

import argparse
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

from promptseg import Segmenter

SIDE, SMALL, SCALE, WIDTH = 32, 10, 5.0, 32
TARGET = (
    Path(__file__).resolve().parent.parent / "src/promptseg/models/weights/mobile_sam_objectness.safetensors"
)


def look(pictures: list[Path], folder: Path) -> None:
    """Tries every point of the grid on every picture and stores which of them find small masks."""
    segmenter = Segmenter()
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        target = folder / f"{picture.parent.parent.name}_{picture.stem}.npz"
        if target.exists():
            continue
        embedded = segmenter.embed(picture)
        height, width = embedded.frame.resized
        centres = (np.arange(SIDE) + 0.5) / SIDE
        points = np.stack([np.tile(centres * width, SIDE), np.repeat(centres * height, SIDE)], -1).astype(
            np.float32
        )
        view = segmenter.runtime.view(embedded.features, embedded.frame.resized)
        rows, columns = -(-height // 4), -(-width // 4)

        def small(point: np.ndarray, view=view, rows: int = rows, columns: int = columns) -> bool:  # noqa: ANN001
            answer = segmenter.runtime.scout(view, point, 0.88)
            if answer.logits is None:
                return False
            logits = answer.logits[:, :rows, :columns]
            stable = (logits > 1).sum((1, 2)) >= 0.95 * np.maximum(1, (logits > -1).sum((1, 2)))
            cells = (logits > 0).mean((1, 2)) * SIDE**2
            return bool(((answer.scores > 0.88) & stable & (cells < SMALL)).any())

        with ThreadPoolExecutor(segmenter.runtime.threads) as pool:
            labels = np.array(list(pool.map(small, points)))
        np.savez_compressed(
            target, features=embedded.features.astype(np.float16), points=points, labels=labels
        )
        print(f"{target.name}: {labels.sum()} of {len(labels)}", flush=True)


def _network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(256, WIDTH, 1),
        nn.GELU("tanh"),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        nn.GELU("tanh"),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        nn.GELU("tanh"),
        nn.Conv2d(WIDTH, 1, 1),
    )


def _at(output: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    grid = (points / 1024 * 2 - 1)[None, None]
    return F.grid_sample(output, grid, align_corners=False, padding_mode="border")[0, 0, 0]


def fit(folder: Path, epochs: int) -> None:
    """Trains on four fifths of the pictures, tells how the others fare, and writes the weights."""
    torch.manual_seed(0)
    train, held = [], []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            item = tuple(
                torch.as_tensor(stored[key].astype(np.float32)) for key in ("features", "points", "labels")
            )
        (held if zlib.crc32(path.stem.encode()) % 5 == 0 else train).append(item)
    network = _network()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * len(train))
    print(f"{len(train)} pictures to train on, {len(held)} held out")
    for epoch in range(epochs):
        network.train()
        for index in torch.randperm(len(train)).tolist():
            features, points, labels = train[index]
            output = network(F.dropout2d(features * SCALE, 0.1))
            loss = F.binary_cross_entropy_with_logits(
                _at(output, points), labels, pos_weight=torch.tensor(3.0)
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        if epoch % 4 == 3 or epoch == epochs - 1:
            print(epoch + 1, _report(network, held), flush=True)
    layers = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    tensors = {f"{i}.weight": layer.weight.detach().half().numpy() for i, layer in enumerate(layers)}
    tensors |= {f"{i}.bias": layer.bias.detach().half().numpy() for i, layer in enumerate(layers)}  # type: ignore[union-attr]
    save_file(tensors, TARGET)
    print(f"wrote {TARGET.name}: {TARGET.stat().st_size / 1e3:.0f} kB")


@torch.no_grad()
def _report(network: nn.Module, held: list[tuple[torch.Tensor, ...]]) -> str:
    network.eval()
    if not held:
        return "no pictures held out"
    chances = [torch.sigmoid(_at(network(features * SCALE), points)) for features, points, _ in held]
    parts = []
    for least in (0.05, 0.1, 0.2, 0.3, 0.4):
        hit = sum(
            float(labels[chance > least].sum()) for chance, (_, _, labels) in zip(chances, held, strict=True)
        )
        share = np.mean([float((chance > least).float().mean()) for chance in chances])
        parts.append(
            f"{least}: finds {hit / sum(float(item[2].sum()) for item in held):.3f} with {share:.3f}"
        )
    return "; ".join(parts)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("look", "fit"))
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the layers are small
    if arguments.step == "look":
        look(arguments.pictures, arguments.labels)
    else:
        fit(arguments.labels, arguments.epochs)


if __name__ == "__main__":
    main()
