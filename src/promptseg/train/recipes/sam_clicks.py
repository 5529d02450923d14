"""A decoder for clicks: MobileSAM's, trained on its own encoder and on pictures of many kinds."""

from collections.abc import Iterable
from pathlib import Path

from promptseg.datasets.open import open_dataset
from promptseg.errors import InputError
from promptseg.models.network import DECODER, Network
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import Runtime
from promptseg.train import pictures
from promptseg.train.config import TrainConfig
from promptseg.train.dialogue import DialogueOptions, SamDialogue
from promptseg.train.log import say
from promptseg.train.recipes.sam_finetune import rate_of
from promptseg.train.sam_weights import changed_writer, trainable
from promptseg.train.task import Recipe

MIXTURE: dict[str, tuple[float, int, int, int]] = {
    "coco": (0.30, 150, 8, 300),
    "voc": (0.20, 130, 3, 400),
    "ccp": (0.12, 80, 6, 400),
    "nuclei": (0.10, 50, 8, 60),
    "wholes/coco_more": (0.10, 130, 4, 400),
    "wholes/caltech101": (0.10, 150, 4, 400),
    "wholes/fruit": (0.03, 60, 4, 400),
    "wholes/kangaroo": (0.03, 50, 4, 400),
    "wholes/raccoon": (0.02, 50, 4, 400),
}
"""Folders of the data: weight, pictures, objects of a picture, smallest object in pixels. The wholes, which
`tools/whole_objects.py` makes of pictures with boxes, are left out where they are missing."""


def require_folders(data: Path, names: Iterable[str]) -> None:
    """Raises InputError unless the data has all these folders."""
    missing = [name for name in names if not (data / name).is_dir()]
    if missing:
        raise InputError(f"{data} lacks {', '.join(missing)}; this recipe trains on {', '.join(names)}.")


def prepared(data: Path, cache: str | None, runtime: Runtime) -> dict[str, list[Path]]:
    """Prepares the pictures of `MIXTURE`, or finds them prepared, by folder.

    Raises:
        InputError: a folder is missing.
        FormatError: the data cannot be read.
    """
    require_folders(data, (name for name in MIXTURE if "/" not in name))
    return {
        name: pictures.prepare(
            open_dataset(data / name, min_area=least),
            pictures.cache_in(data, cache),
            pictures.embedder(runtime),
            name=name.replace("/", "-"),
            objects=most,
            pictures=count,
            progress=say(f"embedding {name}"),
        )
        for name, (_, count, most, least) in MIXTURE.items()
        if (data / name).is_dir()
    }


def sam_clicks(data: Path, *, cache: str | None = None, objects: int = 4, held: float = 0.1) -> Recipe:
    """Trains a decoder for prompts on the embedded model (the image encoder stays as it is).

    MobileSAM kept the decoder that was trained with SAM's largest encoder. Here it learns from the small encoder's
    embeddings, and its scores learn to choose among the three masks of a first click. The written file holds the
    decoder alone: with `--weights` it answers prompts, and automatic masks keep to the embedded decoder.

    Args:
        data: a folder with the folders of `MIXTURE`.
        cache: folder for the prepared pictures; by default `.promptseg-train` in the folder of the data.
        objects: of one picture in a batch.
        held: share of the pictures that is not trained on, to measure.

    Raises:
        InputError: a folder is missing.
        FormatError: the data cannot be read.
    """
    network = Network.load("mobile-sam")
    lessons = prepared(data, cache, create_runtime(network))
    groups: list[tuple[float, list[Path]]] = []
    measured: list[Path] = []
    for name, paths in lessons.items():
        learned, kept = pictures.split(paths, held)
        groups.append((MIXTURE[name][0], learned))
        measured += kept
    sam = trainable(network, DECODER)
    config = TrainConfig(
        steps=400, learning_rate=1e-4, warmup=20, weight_decay=0.01, clip=1.0, ema=0.99, accumulate=3, save_every=20
    )
    note = "sam-clicks on " + ", ".join(MIXTURE)
    return Recipe(
        name="sam-clicks",
        task=SamDialogue(sam, groups, measured, DialogueOptions(objects=objects)),
        config=config,
        write=changed_writer(sam, DECODER, note),
        rates=rate_of,
    )
