"""seem-tiny, trained again: words for pixels and names for regions, in a few hours on two processors."""

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from promptseg.errors import InputError
from promptseg.models.seem_tiny.backbone import EfficientNetLite
from promptseg.models.store import file_sha256
from promptseg.models.tensors import read_safetensors, write_safetensors
from promptseg.train.checkpoint import seed_everything
from promptseg.train.config import TrainConfig
from promptseg.train.log import say
from promptseg.train.loop import train
from promptseg.train.pictures import cache_in
from promptseg.train.recipes.seem_tiny import namer
from promptseg.train.recipes.seem_tiny import start as beginning
from promptseg.train.recipes.seem_tiny.examples import ExampleSet
from promptseg.train.recipes.seem_tiny.mixture import MIXTURES, Mixture, open_sets
from promptseg.train.recipes.seem_tiny.phrases import Sentences
from promptseg.train.recipes.seem_tiny.pixels import PixelNetwork, PixelTask, Teacher, rate_of
from promptseg.train.recipes.seem_tiny.weights import read_backbone, read_sentences
from promptseg.train.recipes.seem_tiny.written import namer_arrays, take_over, writer
from promptseg.train.task import Recipe

STEPS, NAMER_STEPS = 1200, 420


def seem_tiny(
    data: Path,
    *,
    start: str | None = None,
    sentences: str | None = None,
    weights: str | None = None,
    mixture: str = "all",
    examples: int = 4,
    namer_steps: int = NAMER_STEPS,
    cache: str | None = None,
    threads: int | None = None,
    seed: int = 0,
) -> Recipe:
    """Trains seem-tiny on pictures with masks, boxes or single labels, from two networks that others trained.

    The namer is trained first, while the run is built: the features of all cut-outs are computed once and kept, and the
    map that is learned on them is small. The run itself trains the late half of the backbone and the head.

    Args:
        data: a folder with any of the folders of `promptseg.train.recipes.seem_tiny.mixture`.
        start: EfficientNet-Lite2 as its authors published it (.pth).
        sentences: all-MiniLM-L6-v2, a safetensors file or a folder that holds it; by default the package's own.
        weights: go on from an earlier result of this recipe instead of the closed form; its namer is kept.
        mixture: "all"; "clothes", which shows clothes more often; or "even", for a long continuation.
        examples: pictures of a batch.
        namer_steps: steps of the namer's training.
        cache: folder for features and the namer's run; by default `.promptseg-train` in the folder of the data.
        threads: computing threads, of preparations too.
        seed: of every random number.

    Raises:
        InputError: an option is impossible, or there is nothing to learn from.
        FormatError: labels are malformed.
        WeightsError: given weights are missing, damaged, or of another network.
    """
    if start is None:
        raise InputError(
            "seem-tiny starts from EfficientNet-Lite2: give its checkpoint with --start FILE.pth. "
            "docs/training.md says where it comes from."
        )
    if mixture not in MIXTURES:
        raise InputError(f"There is no mixture {mixture!r}; there are {', '.join(MIXTURES)}.")
    if examples < 1 or namer_steps < 1:
        raise InputError(
            f"examples and namer_steps must be at least 1, got examples={examples}, namer_steps={namer_steps}."
        )
    config = TrainConfig(
        steps=STEPS,
        learning_rate=8e-4,
        warmup=100,
        final=0.02,
        weight_decay=0.05,
        betas=(0.9, 0.98),
        clip=1.0,
        ema=0.997,
        log_every=25,
        save_every=50,
        threads=threads,
        seed=seed,
    )
    if threads is not None:
        torch.set_num_threads(threads)
    sets = open_sets(data)
    common = cache_in(data, cache)
    backbone, classifier = read_backbone(Path(start), common)
    folder = common / f"seem-tiny-{file_sha256(start)[:12]}"
    reader = Sentences(read_sentences(None if sentences is None else Path(sentences)))
    seed_everything(seed)
    network = PixelNetwork(deepcopy(backbone))
    if weights is None:
        features = beginning.collect(sets, backbone, folder / "start.npy", say("looking at pictures"))
        begun = beginning.solve(features, classifier, reader)
        network.begin(begun)
        named = _namer(sets, backbone, begun, reader, folder, config.changed(steps=namer_steps))
    else:
        named = take_over(network, Path(weights))
    task = PixelTask(
        network.to(memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]
        Mixture(sets, MIXTURES[mixture]),
        reader,
        Teacher(backbone, classifier),
        examples=examples,
    )
    note = f"seem-tiny on {', '.join(sets)}; mixture {mixture}, seed {seed}"
    return Recipe(name="seem-tiny", task=task, config=config, write=writer(network, named, note), rates=rate_of)


def _namer(
    sets: Mapping[str, ExampleSet],
    backbone: EfficientNetLite,
    begun: beginning.Start,
    reader: Sentences,
    folder: Path,
    config: TrainConfig,
) -> Mapping[str, npt.NDArray[Any]]:
    """Trains the namer, or goes on with it, or reads what came of it before."""
    probe = np.round(reader(["a dog"]).numpy(), 4).tobytes()  # tells one sentence encoder from another
    key = f"{config.steps} {config.seed} {hashlib.sha256(probe).hexdigest()}"
    run = folder / f"namer-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    result = run / "result.safetensors"
    if not result.exists():
        found = namer.collect(sets, backbone, folder, say("cutting things out"))
        network = namer.NamerNetwork(begun)

        def write(path: Path) -> None:
            write_safetensors(path, namer_arrays(network, backbone))

        recipe = Recipe(
            name="seem-tiny-namer",
            task=namer.NamerTask(network, found, reader),
            config=config.changed(
                learning_rate=1e-3, warmup=30, final=0.0, weight_decay=0.1, betas=(0.9, 0.999), clip=0.0, ema=0.0
            ),
            write=write,
        )
        train(recipe, run, result)
        seed_everything(config.seed)
    return read_safetensors(result)
