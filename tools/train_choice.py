"""Trains the network that chooses among the three masks of a single click, and writes it into the package.

    python tools/train_choice.py look DATA --cache DIR   # clicks on every object of the training pictures; resumable
    python tools/train_choice.py fit --cache DIR         # trains, prints mean IoU of held-out pictures, writes the file

DATA has the folders of the recipe sam-clicks (`promptseg.train.recipes.sam_clicks.MIXTURE`), whose prepared pictures
are shared (`--lessons`). Of every object three places are clicked: the deepest, one of the deeper half, and any.
"""

import argparse
import json
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from promptseg.datasets.open import open_dataset
from promptseg.hands import prompts
from promptseg.models.companions.choice import FEATURES, FILES, features
from promptseg.models.network import Network
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.train import pictures
from promptseg.train.recipes.sam_clicks import MIXTURE

MODEL = "mobile-sam-clicks"
TARGET = Path(__file__).resolve().parent.parent / "src/promptseg/models/weights" / FILES[MODEL]
HIDDEN, STEPS, BATCH, RATE, DROP = 32, 1000, 256, 2e-3, 0.2
OBJECTS = 5


def look(lessons: list[Path], cache: Path, runtime: Runtime) -> None:
    """Clicks on the objects of prepared pictures and stores what the three masks look like and are worth."""
    cache.mkdir(parents=True, exist_ok=True)
    for done, path in enumerate(lessons):
        target = cache / f"{path.stem}.npz"
        if not target.exists():
            found = _clicks(path, runtime)
            if found:
                x, order, ious = (np.stack(column) for column in zip(*found, strict=True))
                np.savez(target, features=x, ious=np.take_along_axis(ious, order, 1))
        if done % 20 == 0:
            print(f"{done} of {len(lessons)} pictures", flush=True)


def prepared(data: Path, folder: Path, threads: int | None) -> list[Path]:
    """Prepares the pictures of the recipe sam-clicks, or finds them prepared."""
    lessons: list[Path] = []
    encoder = create_runtime(Network.load("mobile-sam"), threads=threads)
    for name, (_, count, most, least) in MIXTURE.items():
        dataset = open_dataset(data / name, min_area=least)
        lessons += pictures.prepare(dataset, folder, encoder, name=name, objects=most, pictures=count)
    return lessons


def _clicks(path: Path, runtime: Runtime) -> list[tuple[npt.NDArray[np.float32], ...]]:
    lesson, random = pictures.read(path), np.random.default_rng(zlib.crc32(path.stem.encode()))
    assert lesson.features is not None  # noqa: S101 - `prepare` was given a runtime
    with np.load(path) as stored:
        height, width = (-(-int(side) // 4) for side in stored["resized"])
    counted = lesson.counted[:height, :width]
    found = []
    for index in random.permutation(len(lesson.masks))[:OBJECTS]:
        truth = lesson.masks[index][:height, :width]
        inside = (truth > 0.5) & (counted > 0)
        if inside.sum() < pictures.LEAST_CELLS:
            continue
        places = [
            prompts.deepest_point(inside)[0],
            prompts.inner_point(inside, random),
            prompts.random_point(inside, random),
        ]
        points = np.array([[place, (0, 0)] for place in places], np.float32) * 4
        labels = np.tile(np.array([[1, -1]], np.int64), (len(places), 1))
        answers = runtime.decode(lesson.features, DecoderInputs(points, labels))
        for place, logits, scores in zip(places, answers.logits, answers.scores, strict=True):
            masks = logits[1:, :height, :width]
            order, x = features(masks, scores[1:], place)
            both = ((masks > 0) * truth * counted).sum((1, 2))
            either = ((masks > 0) * counted).sum((1, 2)) + (truth * counted).sum() - both
            found.append((x, order, (both / np.maximum(either, 1e-6)).astype(np.float32)))
    return found


def fit(cache: Path, *, held: int = 5) -> None:
    """Trains on all pictures but every fifth, says how those fare; then trains on all and writes the file."""
    groups, x, ious = [], [], []
    for path in sorted(cache.glob("*.npz")):
        with np.load(path) as stored:
            x.append(stored["features"])
            ious.append(stored["ious"])
        groups += [path.stem] * len(x[-1])
    inputs, truths = np.concatenate(x), np.concatenate(ious)
    sets = np.array([group.split("_")[0] for group in groups])
    weights = np.array([MIXTURE[name][0] / (sets == name).sum() for name in sets])
    out = np.array([zlib.crc32(group.encode()) % held == 0 for group in groups])
    trained = _train(inputs[~out], truths[~out], weights[~out])
    chosen = truths[out][np.arange(out.sum()), _answers(trained, inputs[out]).argmax(1)]
    score = inputs[out][:, 0:36:12]
    before = truths[out][np.arange(out.sum()), score.argmax(1)]
    for name in MIXTURE:
        rows = sets[out] == name
        best = truths[out][rows].max(1).mean()
        print(
            f"{name}: best score {before[rows].mean():.3f}, chosen {chosen[rows].mean():.3f}, oracle {best:.3f}"
        )
    write("first", *_train(inputs, truths, weights))


def _train(
    x: np.ndarray, truths: np.ndarray, weights: np.ndarray
) -> tuple[nn.Sequential, np.ndarray, np.ndarray]:
    """Maximises the expected IoU of a choice drawn by the softmax of the outputs."""
    torch.manual_seed(0)
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    network = nn.Sequential(
        nn.Linear(FEATURES, HIDDEN),
        nn.ReLU(),
        nn.Dropout(DROP),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Dropout(DROP),
        nn.Linear(HIDDEN, 3),
    )
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS)
    inputs = torch.tensor((x - mean) / deviation, dtype=torch.float32)
    worth, chances = torch.tensor(truths, dtype=torch.float32), torch.tensor(weights)
    for _ in range(STEPS):
        rows = torch.multinomial(chances, BATCH, replacement=True)
        outputs = network(inputs[rows])
        loss = -3 * (outputs.softmax(1) * worth[rows]).sum(1).mean()
        loss = loss + 0.3 * nn.functional.mse_loss(outputs.sigmoid(), worth[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval(), mean, deviation


@torch.no_grad()
def _answers(trained: tuple[nn.Sequential, np.ndarray, np.ndarray], x: np.ndarray) -> np.ndarray:
    network, mean, deviation = trained
    return network(torch.tensor((x - mean) / deviation, dtype=torch.float32)).numpy()


def write(part: str, network: nn.Sequential, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Puts one of the two networks into the file, beside the other."""
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    record = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    record["model"] = MODEL
    record["trained"] = (
        "tools/train_choice.py, tools/train_correction.py: COCO, VOC, CCP, nuclei training pictures"
    )
    record[part] = {
        "mean": _plain(mean),
        "deviation": _plain(deviation),
        "weights": [_plain(layer.weight.detach().numpy()) for layer in layers],
        "biases": [_plain(layer.bias.detach().numpy()) for layer in layers],
    }
    TARGET.write_text(json.dumps(record) + "\n")
    print(f"wrote {TARGET.name}: {TARGET.stat().st_size / 1e3:.0f} kB")


def _plain(array: np.ndarray) -> list:
    return (
        [[float(f"{value:.5g}") for value in row] for row in array]
        if array.ndim > 1
        else _plain(array[None])[0]
    )


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("look", "fit"))
    parser.add_argument("data", type=Path, nargs="?", help="with look: the folder of training sets")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--lessons", type=Path, help="folder of prepared pictures; by default inside --cache")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    if given.step == "fit":
        return fit(given.cache)
    if given.data is None:
        parser.error("look needs the folder of training sets")
    lessons = prepared(given.data, given.lessons or given.cache / "lessons", given.threads)
    look(lessons, given.cache, create_runtime(Network.load(MODEL), threads=given.threads))


if __name__ == "__main__":
    main()
