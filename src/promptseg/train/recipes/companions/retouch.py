"""The network that draws the border of a corrected mask anew.

Shapes: B windows of SIDE x SIDE cells.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from promptseg.arrays import Float32
from promptseg.datasets.open import open_dataset
from promptseg.datasets.samples import Sample
from promptseg.errors import InputError
from promptseg.models.companions.choice import Choice
from promptseg.models.companions.retouch import RetouchNetwork
from promptseg.models.companions.retouch_network import Retouch
from promptseg.models.int8 import SCALE, in_int8
from promptseg.models.network import DEFAULT_MODEL, Network
from promptseg.models.registry import loaded
from promptseg.models.store import file_sha256
from promptseg.models.tensors import write_safetensors
from promptseg.runtimes.companions import Companions
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.onnx_graphs import OnnxGraphs
from promptseg.train import pictures
from promptseg.train.config import TrainConfig
from promptseg.train.recipes.companions.dialogues import SIDE, RecordedDialogue, Window, draw, hold, mirrored
from promptseg.train.recipes.sam_clicks import require_folders
from promptseg.train.task import Recipe

SETS = {
    "coco": (300, 240),
    "voc": (400, 240),
    "ccp": (400, 110),
    "nuclei": (0, 60),
    "wholes/caltech101": (400, 80),
    "wholes/coco_more": (400, 60),
}
"""Folders of the data: the smallest object (pixels), and how many pictures, evenly strided. The wholes, which
`tools/whole_objects.py` makes of pictures with boxes, are left out where they are missing."""
TALK = (3, 7)
"""Objects of a picture and prompts for each."""
BATCH, RATE, FALL, MEASURED = 8, 1.5e-3, 2.0, 160
"""Windows of a step, learning rate, weight of what an answer falls below the mask so far, most dialogues measured."""


def retouch(data: Path, *, start: str | None = None, cache: str | None = None, held: float = 1 / 6) -> Recipe:
    """Trains the network that draws the border of a corrected mask anew.

    First on dialogues without such a network. Then, with `start`, on dialogues in which the network that was trained so
    far already answers, so that it meets its own masks. A third of them begin with a box, and half of the first clicks
    are not in the middle. Half of a batch is answered twice: once more after a click into what the network itself left
    wrong.

    Args:
        data: a folder with the folders of `SETS`.
        start: a result of this recipe, to go on from.
        cache: folder for the dialogues; by default `.promptseg-train` in the folder of the data.
        held: share of the pictures that is not trained on, to measure; 0 to train on all.

    Raises:
        InputError: a folder is missing, or there is nothing to learn from.
        FormatError: the data cannot be read.
        WeightsError: the file to start from is missing or damaged.
    """
    require_folders(data, (name for name in SETS if "/" not in name))
    known = None if start is None else RetouchNetwork.read(Path(start))
    network, folder = Network.load(DEFAULT_MODEL), pictures.cache_in(data, cache)
    digest = network.digest if start is None else file_sha256(start)
    learned, measured = _dialogues(data, folder / f"retouch-{digest[:12]}", network, known, held)
    if not learned:
        raise InputError(f"The objects in {data} are found at once: there is no correction to learn from.")
    torch.manual_seed(0)
    model = Retouch().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if known is not None:
        model.load_state_dict({name: torch.tensor(array) for name, array in known.tensors.items()})
    config = TrainConfig(
        steps=1700,
        learning_rate=RATE if known is None else RATE / 2,
        warmup=100,
        weight_decay=1e-2,
        ema=0.998,
        log_every=50,
        save_every=250,
        evaluate_every=250,
    )
    task = RetouchTask(model, learned, measured)
    return Recipe(name="retouch", task=task, config=config, write=task.write)


Recorded = tuple[Path, int]
"""Where a dialogue is: the file of its picture, and its number there."""


def _dialogues(
    data: Path, folder: Path, network: Network, own: RetouchNetwork | None, held: float
) -> list[list[Recorded]]:
    """Records dialogues, or finds them recorded; returns those to learn from and those held out."""
    runtime = create_runtime(network)
    companions = Companions(
        choice=loaded(Choice.read, network.companions.choice),
        retouch=None if own is None else OnnxGraphs(own, threads=runtime.threads, patient=False),
    )
    found: list[list[Recorded]] = [[], []]

    def make(sample: Sample, random: np.random.Generator) -> Mapping[str, npt.ArrayLike]:
        return hold(sample, runtime, companions, random, *TALK)

    for name, (least, most) in SETS.items():
        if not (data / name).is_dir():
            continue
        samples = open_dataset(data / name, min_area=least).samples
        count = min(most, len(samples))
        chosen = [number * len(samples) // count for number in range(count)]
        # The name of the file decides about chance: dialogues with a network are about other objects.
        begin = f"{'' if own is None else 'own_'}{name.replace('/', '-')}"
        paths = [folder / f"{begin}_{index:04d}.npz" for index in chosen]
        pictures.record(paths, [samples[index] for index in chosen], make, f"talking about {name}")
        for group, part in zip(found, pictures.split(paths, held), strict=True):
            for path in part:
                with np.load(path, allow_pickle=False) as stored:
                    group += [(path, number) for number in range(int(stored["count"]))]
    return found


class RetouchTask:
    """Learns from windows of recorded dialogues.

    Args:
        model: the network.
        learned: dialogues to learn from.
        measured: those held out.
    """

    def __init__(self, model: Retouch, learned: Sequence[Recorded], measured: Sequence[Recorded]) -> None:
        self.model = model
        self._learned, self._measured = learned, measured

    def batch(self, random: np.random.Generator) -> list[Window]:
        """Draws windows."""
        windows: list[Window] = []
        for _ in range(BATCH):
            dialogue = RecordedDialogue.read(*self._learned[int(random.integers(len(self._learned)))])
            windows.append(draw(dialogue, int(random.integers(1, len(dialogue.answers))), random))
        return windows

    def losses(self, batch: list[Window], random: np.random.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Yields what the answers lose, then what those to half of the windows lose after one more click."""
        logits, plain = self._answers(batch)
        yield {"first": _lost(logits, batch)}
        pairs = zip(batch[: BATCH // 2], plain, strict=False)
        more = [after for window, row in pairs if (after := window.again(row)) is not None]
        if more:
            yield {"again": _lost(self._answers(more)[0], more) / 2}

    def evaluate(self) -> Mapping[str, float]:
        """Returns the mean IoU of the mask so far, of SAM's answer, of the network's, and of that to one click more."""
        random, rows = np.random.default_rng(1), list[Float32]()
        for index in random.permutation(len(self._measured))[:MEASURED]:
            dialogue = RecordedDialogue.read(*self._measured[index])
            window = draw(dialogue, int(random.integers(1, len(dialogue.answers))), None)
            drawn = self._answers([window])[1][0]
            after = window.again(drawn)
            later = drawn if after is None else self._answers([after])[1][0]
            masks = np.stack([window.part(window.before > 0), window.part(window.logits > 0), drawn, later]) > 0
            truth, known = (window.part(part > 0.5) for part in (dialogue.truth, dialogue.counted))
            rows.append(pictures.ious(masks, truth, known))
        if not rows:
            return {}
        names = ("before", "SAM's", "retouched", "after one click more")
        return dict(zip(names, np.mean(rows, 0).tolist(), strict=True))

    def write(self, path: Path) -> None:
        """Writes the weights: kernels in int8 with a scale for each output channel, biases in float32."""
        tensors: dict[str, npt.NDArray[np.generic]] = {}
        for name, tensor in self.model.state_dict().items():
            array = tensor.cpu().contiguous().numpy()
            if array.ndim > 1:
                tensors[name], tensors[name + SCALE] = in_int8(array, np.float32)
            else:
                tensors[name] = array
        write_safetensors(path, tensors, {"model": DEFAULT_MODEL, "trained": "recipe retouch"})

    def _answers(self, windows: Sequence[Window]) -> tuple[Tensor, list[Float32]]:
        """Returns logits (B, SIDE, SIDE), mirrored where the windows are, and the same as arrays that are not."""
        seen = [window.inputs() for window in windows]
        pixels: list[Float32] = []
        for window, one in zip(windows, seen, strict=True):
            # The four pixels of a cell are channels: they change places too.
            pairs = one.pixels[0].reshape(2, 2, 3, SIDE, SIDE)
            pixels.append((pairs[:, ::-1] if window.mirrored else pairs).reshape(-1, SIDE, SIDE))
        parts = (pixels, [one.maps[0] for one in seen], [one.embedding[0] for one in seen])
        device = next(self.model.parameters()).device
        inputs = [torch.from_numpy(np.stack(mirrored(windows, part))).to(device) for part in parts]
        logits = self.model(*(part.contiguous(memory_format=torch.channels_last) for part in inputs))[:, 0]
        return logits, mirrored(windows, list(logits.detach().float().cpu().numpy()))


def _lost(logits: Tensor, windows: Sequence[Window]) -> Tensor:
    """Cross entropy by the object's size, soft IoU, and what the answer falls below the mask so far."""
    truth, counted, before = (
        torch.from_numpy(np.stack(mirrored(windows, part))).to(logits.device)
        for part in (
            [window.part(window.dialogue.truth) for window in windows],
            [window.part(window.dialogue.counted) for window in windows],
            [window.part(window.before > 0) for window in windows],
        )
    )
    cross = F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * counted
    area = (truth * counted).sum((1, 2)).clamp(50, 8000)

    def overlap(chance: Tensor) -> Tensor:
        both, either = chance * truth * counted, (chance + truth - chance * truth) * counted
        return both.sum((1, 2)) / either.sum((1, 2)).clamp(min=1)

    reached = overlap(logits.sigmoid())
    fall = (overlap(before) - reached).clamp(min=0)
    return (cross.sum((1, 2)) / area / 2 + 2 * (1 - reached) + FALL * fall).mean()
