"""SAM for one's own pictures: the paper's interactive training on a small labelled set."""

from collections.abc import Sequence
from pathlib import Path

from promptseg.datasets.open import open_dataset
from promptseg.errors import InputError
from promptseg.models.network import DECODER, Network
from promptseg.runtimes.factory import create_runtime
from promptseg.train import pictures
from promptseg.train.adapters import add_adapters
from promptseg.train.config import TrainConfig
from promptseg.train.dialogue import DialogueOptions, SamDialogue
from promptseg.train.log import say
from promptseg.train.sam_weights import trainable, whole_writer
from promptseg.train.task import Recipe

ADAPTERS_RATE, SCORES_RATE = 3.0, 3.0
"""Adapters and the score head learn so many times faster than the decoder."""


def sam_finetune(
    data: Path,
    *,
    model: str = "mobile-sam",
    weights: str | None = None,
    adapters: int = 0,
    cache: str | None = None,
    objects: int = 4,
    rounds: Sequence[int] = (1, 1, 2),
    held: float = 0.1,
    min_area: int | None = None,
    pictures_used: int | None = None,
) -> Recipe:
    """Fine-tunes the decoder of a SAM network on labelled pictures, and its encoder by low-rank adapters if asked.

    Args:
        data: a folder in any layout that `promptseg evaluate clicks` reads: COCO, instance maps, class masks, pairs.
        model: which network.
        weights: its weights; by default those that are embedded or cached.
        adapters: rank of the adapters in the image encoder; 0 leaves the encoder alone, so that every picture is
            embedded once.
        cache: folder for the prepared pictures; by default `.promptseg-train` in the folder of the data.
        objects: of one picture in a batch.
        rounds: lengths of the dialogues that are simulated.
        held: share of the pictures that is not trained on, to measure.
        min_area: leave smaller objects out (pixels).
        pictures_used: the most pictures.

    Raises:
        InputError: an option is impossible, or there is nothing to learn from.
        FormatError: the data cannot be read.
    """
    if not 0 <= held < 1:
        raise InputError(f"held is a share of the pictures from 0 to below 1, got {held}.")
    _check(objects, rounds)
    network = Network.load(model, weights)
    kind = "plain" if adapters else f"{network.name}-{network.digest[:12]}"
    paths = pictures.prepare(
        open_dataset(data, min_area=min_area),
        pictures.cache_in(data, cache) / f"{kind}-{objects}-{min_area or 0}",
        None if adapters else pictures.embedder(create_runtime(network)),
        name=data.resolve().name,
        objects=max(8, objects),
        pictures=pictures_used,
        progress=say(f"preparing {data.name}"),
    )
    learned, measured = pictures.split(paths, held)
    return finetuning(
        network, learned, measured, name=data.resolve().name, adapters=adapters, objects=objects, rounds=rounds
    )


def finetuning(
    network: Network,
    learned: Sequence[Path],
    measured: Sequence[Path] = (),
    *,
    name: str,
    adapters: int = 0,
    objects: int = 4,
    rounds: Sequence[int] = (1, 1, 2),
) -> Recipe:
    """Fine-tunes a network on pictures that were prepared (`train.pictures`); the options are those of `sam_finetune`.

    Args:
        network: what to start from.
        learned: files of pictures to learn from.
        measured: files of pictures to measure on.
        name: what the data are called in the written file.
        adapters: rank of the adapters in the image encoder.
        objects: of one picture in a batch.
        rounds: lengths of the dialogues that are simulated.

    Raises:
        InputError: an option is impossible.
    """
    _check(objects, rounds)
    sam = trainable(network, DECODER)
    if adapters:
        add_adapters(sam.image_encoder, adapters)
    task = SamDialogue(sam, [(1.0, learned)], measured, DialogueOptions(objects=objects, rounds=tuple(rounds)))
    config = TrainConfig(
        steps=1000, learning_rate=1.3e-4, warmup=20, weight_decay=0.01, clip=1.0, ema=0.98, save_every=25
    )
    note = f"sam-finetune on {name}, {len(learned)} pictures"
    return Recipe(name="sam-finetune", task=task, config=config, write=whole_writer(sam, network, note), rates=rate_of)


def _check(objects: int, rounds: Sequence[int]) -> None:
    if objects < 1 or not rounds or min(rounds) < 1:
        raise InputError(f"objects and rounds must be at least 1, got objects={objects}, rounds={list(rounds)}.")


def rate_of(name: str) -> float:
    """Scales the learning rate of a parameter."""
    if "parametrizations" in name:
        return ADAPTERS_RATE
    return SCORES_RATE if "iou_prediction_head" in name else 1.0
