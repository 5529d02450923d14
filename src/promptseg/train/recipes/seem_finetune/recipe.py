"""SEEM on one's own pictures: from a checkpoint to a checkpoint that the same commands take."""

from collections.abc import Callable
from pathlib import Path

from promptseg.datasets.open import DatasetSource
from promptseg.errors import InputError
from promptseg.models.registry import get_card
from promptseg.models.seem.config import SEEM_CONFIGS
from promptseg.models.seem.seem import Seem
from promptseg.models.seem.weights import load_seem
from promptseg.models.store import cache_folder, find_weights
from promptseg.models.tensors import write_safetensors
from promptseg.train.config import TrainConfig
from promptseg.train.pictures import split
from promptseg.train.recipes.seem_finetune.scenes import Scenes
from promptseg.train.recipes.seem_finetune.task import SeemDialogue, SeemDialogueOptions
from promptseg.train.task import Recipe

TRUTHS = ("objects", "panoptic", "phrases")


def seem_finetune(
    data: Path,
    *,
    model: str = "seem-focal-t",
    weights: str | None = None,
    truth: str = "objects",
    objects: int = 4,
    rounds: int = 5,
    references: float = 0.25,
    points: int = 12544,
    short_side: int | None = None,
    held: float = 0.1,
    pictures_used: int | None = None,
) -> Recipe:
    """Teaches a SEEM network the classes, phrases and outlines of labelled pictures; backbone and text encoder stay.

    Args:
        data: a folder in any layout that `promptseg evaluate` reads, as far as it has what `truth` says.
        model: "seem-focal-t", "seem-focal-l", "seem-sam-vit-b" or "seem-sam-vit-l".
        weights: a converted checkpoint; by default the cached one.
        truth: "objects" with their classes, "panoptic" segments, or "phrases" for objects (RefCOCO).
        objects: of one picture that are asked for.
        rounds: the most corrections of a dialogue.
        references: how often a picture is also asked for what another one shows.
        points: places at which masks are compared; fewer are faster.
        short_side: of the resized pictures; by default the official 512 (1000 on SAM's backbones).
        held: share of the pictures that is not trained on, to measure.
        pictures_used: the most pictures.

    Raises:
        InputError: an option is impossible, or there is nothing to learn from.
        FormatError: the data cannot be read.
        WeightsError: the weights are not at hand or do not fit.
    """
    if not 0 <= held < 1 or not 0 <= references <= 1:
        raise InputError(
            f"held is a share from 0 to below 1 and references one from 0 to 1, got held={held}, "
            f"references={references}."
        )
    if objects < 1 or rounds < 0 or points < 16:
        raise InputError(
            f"objects must be at least 1, rounds 0 and points 16, got objects={objects}, rounds={rounds}, "
            f"points={points}."
        )
    if truth not in TRUTHS:
        raise InputError(f"There is no truth {truth!r}; expected {', '.join(TRUTHS)}.")
    card = get_card(model)
    if card.name not in SEEM_CONFIGS:
        raise InputError(f"{card.name} is not trained by this recipe; expected {', '.join(SEEM_CONFIGS)}.")
    scenes = Scenes(
        DatasetSource(path=str(data), truth=truth, limit=pictures_used, count="pictures")(), card.name, short_side
    )
    learned, measured = split(list(range(len(scenes))), held)
    seem = load_seem(card.name, Path(weights) if weights else find_weights(card, cache_folder()))
    talk = SeemDialogueOptions(objects=objects, rounds=rounds, references=references, points=points)
    config = TrainConfig(
        steps=2000, learning_rate=1e-4, warmup=10, schedule="steps", weight_decay=0.05, clip=5.0, save_every=50
    )
    note = f"seem-finetune on {data.resolve().name}, {len(learned)} pictures"
    return Recipe(
        name="seem-finetune",
        task=SeemDialogue(seem, scenes, learned, measured, talk),
        config=config,
        write=writer(seem, card.name, note),
    )


def writer(seem: Seem, name: str, note: str) -> Callable[[Path], None]:
    """Returns a function that writes all tensors under the official names."""

    def write(path: Path) -> None:
        tensors = {key: value.detach().float().cpu().numpy() for key, value in seem.state_dict().items()}
        write_safetensors(path, tensors, {"model": name, "trained": note})

    return write
