"""The bodies of answers; those of requests are in `schemas`."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from promptseg.server.schemas import ImageId, ObjectBody, Segmentation, State


class ErrorDetail(BaseModel):
    """What went wrong."""

    type: Annotated[str, Field(examples=["PromptError"])]
    message: Annotated[str, Field(examples=["The point 9000,5 lies outside the picture of 640 x 480 pixels."])]
    version: Annotated[int | None, Field(description="with 409 and 412: of the stored objects")] = None


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


class ImageBody(BaseModel):
    """A stored picture."""

    id: ImageId
    width: int
    height: int
    name: str
    created: str
    objects: Annotated[int, Field(description="without those that are only suggested")]
    embedded: bool
    state: State
    comment: str
    annotator: Annotated[str, Field(description="who changed it last")]
    seconds: Annotated[float, Field(description="worked on it")]
    suggested: Annotated[int, Field(description="objects that are only suggested")]
    least: Annotated[float | None, Field(description="the lowest score of these")]


class UploadedBody(ImageBody):
    """A stored picture, and what is good to know of how its file was read."""

    notes: list[str]


class ImageList(BaseModel):
    """All stored pictures."""

    images: list[ImageBody]


class VideoBody(BaseModel):
    """A stored clip."""

    id: ImageId
    name: str
    width: int
    height: int
    rate: float
    frames: int | None


class VideoList(BaseModel):
    """All stored clips."""

    videos: list[VideoBody]


class ImageSize(BaseModel):
    """Which picture an answer speaks of."""

    id: ImageId
    width: int
    height: int


class MaskBody(BaseModel):
    """One mask; which of the last three fields there is depends on `format`."""

    object_id: int
    score: float
    stability_score: float | None
    granularity: str | None
    margin: Annotated[
        float | None,
        Field(description="of single clicks: how much better than the next part or whole it fits; near 0: ambiguous"),
    ] = None
    label: str | None
    noun: Annotated[
        str | None,
        Field(description="of answers to phrases only: what `label` names, without articles, colours, places"),
    ] = None
    area: int
    box: Annotated[list[float], Field(description="x0, y0, x1, y1, half open")]
    is_thing: Annotated[bool | None, Field(description="of panoptic answers only")] = None
    segmentation: Segmentation | None = None
    polygons: list[list[list[list[float]]]] | None = None
    png: str | None = None


class MasksBody(BaseModel):
    """Masks of a picture."""

    image: ImageSize
    model: str
    masks: list[MaskBody]
    heard: Annotated[list[str] | None, Field(description="of recordings: the phrases that were understood")] = None


class HeardBody(BaseModel):
    """What was understood: all words, and what of them names a thing."""

    words: str
    phrase: str
    language: Literal["en", "ja"]


class RoundBody(BaseModel):
    """A round that was given."""

    object_id: int
    granularity: str
    prompts: list[dict[str, Any]]


class SessionBody(MasksBody):
    """The state of a dialogue."""

    id: str
    can_undo: bool
    can_redo: bool
    rounds: list[RoundBody]


class VersionBody(BaseModel):
    """What was stored."""

    version: int
    updated: str
    count: int


class StoredObjectsBody(BaseModel):
    """The stored objects."""

    version: int
    updated: str
    objects: list[ObjectBody]


class ImportedBody(BaseModel):
    """Objects of a label file, and what is good to know of how it was read."""

    objects: list[ObjectBody]
    notes: list[str]


class ChangeBody(BaseModel):
    """Who changed what of a picture, and when."""

    at: str
    annotator: str
    what: Literal["objects", "state"]
    detail: Annotated[str, Field(description="the number of objects, or the state with its comment")]


class HistoryBody(BaseModel):
    """What was done to a picture, the newest first."""

    changes: list[ChangeBody]


SecondsEach: TypeAlias = Annotated[
    float | None, Field(description="of work on an object, on average of those whose time is known")
]


class ClassCount(BaseModel):
    """A class in numbers."""

    name: str | None
    objects: int
    pictures: int
    small: Annotated[int, Field(description="below 32 x 32 pixels, as COCO counts")]
    medium: Annotated[int, Field(description="below 96 x 96 pixels")]
    large: int
    seconds_each: SecondsEach


class AnnotatorCount(BaseModel):
    """What somebody has done: pictures that they changed last."""

    name: str
    pictures: int
    objects: int
    seconds: float
    seconds_each: SecondsEach
    states: dict[str, int]


class StatisticsBody(BaseModel):
    """The work in numbers."""

    pictures: int
    objects: int
    suggested: int
    seconds: float
    seconds_each: SecondsEach
    states: dict[str, int]
    classes: list[ClassCount]
    annotators: list[AnnotatorCount]


class DataSetRead(BaseModel):
    """What became of a data set that was sent."""

    pictures: Annotated[int, Field(description="that got objects")]
    objects: int
    images: Annotated[list[str], Field(description="which they were")]
    added: Annotated[int, Field(description="pictures that came with it and are new")]
    notes: list[str]


class ClassNames(BaseModel):
    """The classes that a text names."""

    names: list[str]


class RunBody(BaseModel):
    """A run over many pictures."""

    id: str
    state: Literal["waiting", "running", "stopped", "done", "failed"]
    total: int
    done: int
    found: Annotated[int, Field(description="objects that were suggested")]
    failed: Annotated[int, Field(description="pictures that could not be labelled")]
    error: Annotated[str | None, Field(description="the last of what went wrong")]
    classes: list[str]
    created: str


class RunsBody(BaseModel):
    """The runs, the newest first."""

    runs: list[RunBody]


class ModelBody(BaseModel):
    """A model that is served."""

    name: str
    semantic: bool
    parameters: int
    licence: str
    origin: str
    prompts: list[str]
    decoder: str | None
    mask_decoder: str | None
    view: str | None
    sketch: str | None
    bundle: Annotated[str | None, Field(description="these four in one file, as the studio loads them")]
    choice: str | None
    retouch: str | None
    runtime: str | None
    precision: str | None


class ModelsBody(BaseModel):
    """The models that are served."""

    default: str
    models: list[ModelBody]


class HealthBody(BaseModel):
    """That the server is there."""

    status: Literal["ok"]
    version: str
    studio: bool
    token: bool
