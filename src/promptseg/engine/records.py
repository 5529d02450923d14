"""The values of a project: its settings, pictures, masks, visits, versions of the model, and its status."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from promptseg.errors import FormatError, InputError
from promptseg.masks.rle import RLE
from promptseg.models.registry import DEFAULT_MODEL

MaskState: TypeAlias = Literal["proposed", "accepted", "rejected", "corrected"]
"""What became of a mask: a model proposed it, a person accepted or rejected it, or another mask stands in its place."""

PictureState: TypeAlias = Literal["waiting", "done", "left", "review"]
"""Of a picture: nobody has labelled it, it is labelled, it took too long, or automatic masks wait for correction."""

VersionState: TypeAlias = Literal["kept", "refused"]

STAGES: Mapping[int, str] = {1: "assisted-manual", 2: "semi-automatic", 3: "fully automatic"}
"""The stages of the paper's data engine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectSettings:
    """What is decided about a project when it is made.

    Attributes:
        model: what annotators begin with, and what is trained further.
        held: share of the pictures that are never trained on; versions of the model are compared on them.
        double: share of the pictures that two people label, to see how well they agree.
        lease_minutes: how long a picture is locked for who took it.
        picture_seconds: after so many seconds on a picture, an annotator may leave the rest of it; 0: never.
        retrain_after: retraining is due when so many masks were accepted since the last version.
        seed: of every choice by chance.

    Raises:
        InputError: a number is out of range.
    """

    model: str = DEFAULT_MODEL
    held: float = 0.1
    double: float = 0.05
    lease_minutes: float = 30.0
    picture_seconds: float = 30.0
    retrain_after: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {"held": (0, 0.9), "double": (0, 1), "lease_minutes": (0.01, 1e5), "picture_seconds": (0, 1e6)}
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if not math.isfinite(value) or not least <= value <= most:
                raise InputError(f"{name} must be from {least} to {most}, got {value}.")
        if self.retrain_after < 1:
            raise InputError(f"retrain_after must be at least 1, got {self.retrain_after}.")

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "ProjectSettings":
        """Reads settings; names that this version does not know are left out."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})


@dataclass(frozen=True, slots=True)
class ProjectPicture:
    """A picture, which stays where it is.

    Attributes:
        id: its number in the project.
        name: its path below the folder that it came from.
        path: where it is.
        bytes: size of its file when it was added.
        sha256: of its file when it was added.
        width: in pixels; 0 when it is not known yet.
        height: in pixels.
        held: whether it is never trained on.
        wanted: how many people shall label it.
        state: see `PictureState`.
        stage: the stage in which it was labelled; 0: not yet.
        prefilled: whether a model was asked for proposals.
    """

    id: int
    name: str
    path: str
    bytes: int
    sha256: str
    width: int
    height: int
    held: bool
    wanted: int
    state: PictureState
    stage: int
    prefilled: bool


@dataclass(frozen=True, slots=True, eq=False)
class ProjectMask:
    """A mask of a picture, with who made it and what became of it.

    Attributes:
        id: its number in the project; 0 for one that is not kept yet.
        picture: the picture's number.
        mask: the pixels.
        stage: in which stage it was made.
        state: see `MaskState`.
        person: who drew it; empty for a model.
        judge: who accepted, rejected or corrected it; empty when nobody has yet.
        version: the model that proposed it or helped to draw it.
        seconds: human time that it took.
        clicks: how many prompts it took.
        label: what it shows, where that was said.
        score: how sure the model was.
        stability: how little it depends on the threshold, where a search found it.
        points: where it was clicked, x and y in pixels.
        corrects: the mask that it stands in place of.
        object: what an annotator's tool calls the object, so that it is known again.
        review: whether it belongs to the sample of automatic masks that people look at.
    """

    picture: int
    mask: RLE
    stage: int = 1
    state: MaskState = "accepted"
    person: str = ""
    judge: str = ""
    version: int | None = None
    seconds: float = 0.0
    clicks: int = 0
    label: str | None = None
    score: float | None = None
    stability: float | None = None
    points: tuple[tuple[float, float], ...] = ()
    corrects: int | None = None
    object: str = ""
    review: bool = False
    id: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """A picture that somebody has taken to work on.

    Attributes:
        visit: the number of this visit.
        picture: the picture.
        person: who has it.
        stage: 1 for an empty picture, 2 for one with proposals, 3 for a sample of automatic masks.
        expires: seconds of the epoch after which others may take it.
        picture_seconds: after so long the annotator may leave the rest.
    """

    visit: int
    picture: ProjectPicture
    person: str
    stage: int
    expires: float
    picture_seconds: float


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of the model, with its lineage.

    Attributes:
        number: 0 is what the project began with.
        parent: what it was trained from.
        made: seconds of the epoch.
        state: whether it was better on held-out pictures, and so is kept, or was refused.
        recipe: how it was trained; empty for the first.
        options: of the recipe.
        data_sha256: of the masks that it learned from.
        pictures: how many pictures it learned from.
        masks: how many masks.
        file: its weights, below the project's folder; empty for the packaged ones.
        sha256: of that file.
        figures: what was measured on held-out pictures, of it and of its parent.
        last_mask: the newest mask when it was made.
    """

    number: int
    parent: int | None
    made: float
    state: VersionState
    recipe: str
    options: Mapping[str, Any]
    data_sha256: str
    pictures: int
    masks: int
    file: str
    sha256: str
    figures: Mapping[str, float]
    last_mask: int


@dataclass(frozen=True, slots=True)
class StageWork:
    """What a stage has brought.

    Attributes:
        stage: its number.
        pictures: labelled in it.
        accepted: masks that people accepted, corrections among them.
        proposed: masks of a model that nobody has looked at.
        rejected: masks of a model that people refused.
        corrected: masks of a model that people mended.
        seconds: human time per accepted mask.
        clicks: prompts per accepted mask.
        per_picture: accepted masks per picture.
    """

    stage: int
    pictures: int
    accepted: int
    proposed: int
    rejected: int
    corrected: int
    seconds: float
    clicks: float
    per_picture: float


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """Where a project stands.

    Attributes:
        folder: where it is.
        stage: the stage that it is in.
        pictures: how many there are, by state.
        held: how many of them are held out.
        work: what each stage has brought.
        automatic: pictures and masks of stage 3, which lie in files beside the database.
        versions: of the model.
        current: the version in use.
        new_masks: accepted since the newest version was made.
        due: whether retraining is due.
        people: masks accepted by each.
        double: pictures that two people have labelled.
    """

    folder: str
    stage: int
    pictures: Mapping[str, int]
    held: int
    work: Sequence[StageWork]
    automatic: Mapping[str, int]
    versions: Sequence[ModelVersion]
    current: int
    new_masks: int
    due: bool
    people: Mapping[str, int]
    double: int = 0
    automatic_failed: int = field(default=0)


def chosen_by_chance(seed: int, purpose: str, name: str) -> float:
    """Returns a number from 0 to below 1 that follows from a name alone: the same for every run and machine."""
    import hashlib

    digest = hashlib.sha256(f"{seed}\0{purpose}\0{name}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def checked_person(person: str) -> str:
    """Returns the name of a person.

    Raises:
        InputError: it is empty or no plain line.
    """
    name = person.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise InputError(f"A person's name is one line of 1 to 100 characters, got {person!r}.")
    return name


def path_of(folder: Path, name: str) -> Path:
    """Returns a file below a project's folder.

    Raises:
        FormatError: the name leads out of it.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise FormatError(f"{name!r} leads out of {folder}.")
    return folder / path
