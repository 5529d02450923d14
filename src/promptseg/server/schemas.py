"""The bodies of requests and answers. Prompts are those of `promptseg.prompts.types`, in the JSON that they write."""

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model, model_validator
from pydantic_core import PydanticCustomError

from promptseg.formats.options import COCO_FORMS
from promptseg.formats.table import FORMATS
from promptseg.masks.records import HALF_A_PIXEL
from promptseg.prompts.request import Granularity, OneGranularity
from promptseg.segment.everything.options import EverythingOptions
from promptseg.server.store import STATES

LAID_OUT = ("coco", "yolo", "voc", "csv")
"""Formats that are laid out over many pictures; the others of the table have files of their own for each."""

DATA_SET_FORMATS = (*LAID_OUT, *(name for name in FORMATS if name not in LAID_OUT))

Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Vertex: TypeAlias = Annotated[list[Number], Field(min_length=2, max_length=2, examples=[[290, 400]])]
ImageId: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["5f0c" * 16])]
SearchId: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["0123456789abcdef" * 2])]
Language: TypeAlias = Annotated[Literal["en", "ja"] | None, Field(description="by default it is heard")]
MaskFormat: TypeAlias = Literal["rle", "polygons", "png", "none"]
Colour: TypeAlias = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$", examples=["#e6194b"])]
Name: TypeAlias = Annotated[str, Field(max_length=200)]
if TYPE_CHECKING:
    CocoForm: TypeAlias = str
    DataSetFormat: TypeAlias = str
    State: TypeAlias = str
else:  # of the tables, so that the OpenAPI document lists them
    CocoForm = Literal[COCO_FORMS]
    DataSetFormat = Literal[DATA_SET_FORMATS]
    State = Literal[STATES]


class Strict(BaseModel):
    """A body that takes no unknown field and converts no type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, serialize_by_alias=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        """Names one unknown field where there are many: each would be an error of its own."""
        if isinstance(value, dict) and len(value) > len(cls.model_fields):
            unknown = next(name for name in value if name not in cls.model_fields)
            raise PydanticCustomError("extra_forbidden", "There is no field {name}", {"name": repr(unknown[:40])})
        return value


class Segmentation(Strict):
    """A mask as COCO run lengths: pycocotools' string, or plain numbers."""

    size: Annotated[list[int], Field(min_length=2, max_length=2, description="height, width")]
    counts: str | Annotated[list[int], Field(fail_fast=True)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"size": [480, 640], "counts": "PPYo1"}]})


class PointPrompt(Strict):
    """A click."""

    type: Literal["point"]
    x: Number
    y: Number
    positive: bool = True

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "point", "x": 320, "y": 210}]})


class BoxPrompt(Strict):
    """A rectangle from one corner to the opposite one."""

    type: Literal["box"]
    box: Annotated[list[Number], Field(min_length=4, max_length=4, examples=[[40, 60, 400, 380]])]
    positive: bool = True


class PolygonPrompt(Strict):
    """A closed outline."""

    type: Literal["polygon"]
    points: Annotated[list[Vertex], Field(min_length=3, fail_fast=True)]
    positive: bool = True


class CirclePrompt(Strict):
    """A disc."""

    type: Literal["circle"]
    x: Number
    y: Number
    radius: Annotated[Number, Field(gt=0)]
    positive: bool = True


class ScribblePrompt(Strict):
    """A stroke over the object."""

    type: Literal["scribble"]
    points: Annotated[list[Vertex], Field(min_length=1, fail_fast=True)]
    width: Annotated[Number, Field(gt=0)] = 5.0
    positive: bool = True


class MaskPrompt(Strict):
    """A rough mask over the whole picture, at any resolution."""

    type: Literal["mask"]
    segmentation: Segmentation
    positive: bool = True


class TextPrompt(Strict):
    """A phrase that says what to segment."""

    type: Literal["text"]
    phrase: Annotated[str, Field(min_length=1, max_length=1000, examples=["a red umbrella"])]


class SentRecording(Strict):
    """A recording that comes along, as a file in base64: WAV, FLAC, OGG, MP3 or M4A."""

    data: str


class AudioPrompt(Strict):
    """A recording in which somebody says what to segment, in English or Japanese; it is not kept."""

    type: Literal["audio"]
    file: SentRecording
    language: Language = None


class StoredPicture(Strict):
    """A picture that the server has."""

    id: ImageId


class SentPicture(Strict):
    """A picture that comes along, as a file in base64."""

    png: str


AnyPlace: TypeAlias = PointPrompt | BoxPrompt | PolygonPrompt | CirclePrompt | ScribblePrompt | MaskPrompt
PlacedPrompt: TypeAlias = Annotated[AnyPlace, Field(discriminator="type")]


class ReferencePrompt(Strict):
    """A region of another picture that shows what to segment."""

    type: Literal["reference"]
    image: StoredPicture | SentPicture
    mask: PlacedPrompt


PromptBody: TypeAlias = Annotated[AnyPlace | TextPrompt | ReferencePrompt, Field(discriminator="type")]
Prompts: TypeAlias = Annotated[list[PromptBody], Field(fail_fast=True)]
OneObject: TypeAlias = Annotated[list[PromptBody], Field(min_length=1, fail_fast=True)]
AskedPrompt: TypeAlias = Annotated[AnyPlace | TextPrompt | AudioPrompt | ReferencePrompt, Field(discriminator="type")]
"""What may be asked. What is kept (rounds, objects) has the phrase in the place of a recording."""
OneAsked: TypeAlias = Annotated[list[AskedPrompt], Field(min_length=1, fail_fast=True)]
ModelName: TypeAlias = Annotated[str | None, Field(max_length=100, examples=[None])]
Tolerance: TypeAlias = Annotated[Number, Field(ge=0, le=1000)]

_CLICKS: list[JsonValue] = [
    {"type": "point", "x": 320, "y": 210},
    {"type": "point", "x": 90, "y": 40, "positive": False},
]


class SegmentRequest(Strict):
    """Prompts of one object, or a list of prompts for each of several."""

    prompts: Annotated[
        Annotated[list[AskedPrompt], Field(fail_fast=True)] | Annotated[list[OneAsked], Field(fail_fast=True)],
        Field(min_length=1),
    ]
    granularity: Granularity = "auto"
    format: MaskFormat = "rle"
    tolerance: Tolerance = 0.0
    model: ModelName = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompts": _CLICKS}]})


def _search() -> type[Strict]:
    """Makes the fields of `EverythingBody`: those of `EverythingOptions`, but for own grids of points."""
    # Without own grids there always are points per side.
    kinds: dict[Any, Any] = {float: Number, "points_per_side": Annotated[int, Field(ge=1)]}
    chosen: dict[str, Any] = {
        item.name: (kinds.get(item.name, kinds.get(item.type, item.type)), item.default)
        for item in fields(EverythingOptions)
        if item.name != "point_grids"
    }
    return create_model("EverythingFields", __base__=Strict, **chosen)


class EverythingBody(_search()):
    """Options of the search; those left out are `EverythingOptions`' defaults."""


class EverythingRequest(Strict):
    """A search for all masks."""

    options: EverythingBody = EverythingBody()
    format: MaskFormat = "rle"
    tolerance: Tolerance = 0.0
    model: ModelName = None
    search: Annotated[SearchId | None, Field(description="a name, so that it can be ended early")] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"options": {"points_per_side": 8}}]})


class FinishRequest(Strict):
    """A search that is to end early."""

    search: SearchId


class EdgesRequest(Strict):
    """An edge map."""

    points_per_side: Annotated[int, Field(ge=1)] = 16
    thin: bool = True
    bits: Literal[8, 16] = 8
    invert: bool = False
    model: ModelName = None


class ProposalsRequest(Strict):
    """Masks of all that may be an object."""

    top: Annotated[int, Field(ge=1)] = 1000
    points_per_side: Annotated[int, Field(ge=1)] = 32
    format: MaskFormat = "rle"
    tolerance: Tolerance = 0.0
    model: ModelName = None


Vocabulary: TypeAlias = Annotated[
    Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(fail_fast=True)] | None,
    Field(min_length=1, examples=[["dog", "grass"]]),
]


class PanopticRequest(Strict):
    """A picture cut into classes; without a vocabulary, those of COCO."""

    vocabulary: Vocabulary = None
    format: MaskFormat = "rle"
    tolerance: Tolerance = 0.0
    model: ModelName = None


class LabelRequest(PanopticRequest):
    """Masks that want a name."""

    masks: Annotated[list[Segmentation], Field(fail_fast=True)]


class ClipObject(Strict):
    """What is given of one object on one frame of a clip."""

    object_id: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    frame: Annotated[int | None, Field(ge=0, description="its number, from 0; by default the first")] = None
    label: Name | None = None
    prompts: Annotated[list[PlacedPrompt], Field(min_length=1, fail_fast=True)]


class FollowRequest(Strict):
    """Objects on frames, and phrases that are looked for everywhere."""

    objects: Annotated[list[ClipObject], Field(fail_fast=True)] = []
    words: Annotated[list[Name], Field(max_length=16)] = []
    start: Annotated[int, Field(ge=0)] = 0
    end: Annotated[int | None, Field(ge=1)] = None
    stride: Annotated[int, Field(ge=1)] = 1
    direction: Literal["forward", "backward", "both"] = "both"
    format: MaskFormat = "rle"
    tolerance: Tolerance = 0.0
    model: ModelName = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"objects": [{"object_id": 1, "frame": 0, "prompts": _CLICKS}]}]}
    )


class SessionRequest(Strict):
    """A dialogue about a picture."""

    image: ImageId
    model: ModelName = None


class RoundRequest(Strict):
    """One round: prompts for one object."""

    prompts: OneAsked
    object_id: Annotated[int, Field(ge=0, lt=2**31)] = 0
    granularity: OneGranularity = "auto"
    format: MaskFormat = "rle"
    tolerance: Tolerance = 0.0

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompts": _CLICKS[:1]}]})


class HearRequest(Strict):
    """A recording to be written down."""

    file: SentRecording
    language: Language = None


class MaskForm(Strict):
    """How masks are wanted."""

    format: MaskFormat = "rle"
    tolerance: Tolerance = 0.0


class ObjectBody(Strict):
    """One object of the work on a picture."""

    id: Annotated[str, Field(min_length=1, max_length=64, examples=["a1"])]
    segmentation: Segmentation
    name: Name | None = None
    label: Name | None = None
    colour: Colour | None = None
    visible: bool = True
    opacity: Annotated[Number, Field(ge=0, le=1)] = 0.5
    locked: bool = False
    score: Number | None = None
    stability_score: Number | None = None
    granularity: OneGranularity | None = None
    prompts: Prompts = []
    suggested: Annotated[bool, Field(description="found, and neither accepted nor rejected yet: not exported")] = False
    area: Annotated[int | None, Field(description="in pixels; the server counts it", ge=0)] = None
    seconds: Annotated[Number, Field(ge=0, le=86_400, description="how long it was worked on, all in all")] = 0.0
    extra: Annotated[dict[str, JsonValue], Field(description="what the client likes, at most 4,096 letters")] = {}


Objects: TypeAlias = Annotated[list[ObjectBody], Field(fail_fast=True)]


class PutObjects(Strict):
    """All objects of a picture, from the bottom to the top."""

    objects: Objects
    base_version: Annotated[int | None, Field(ge=0, description="what they were made from; 409 when it is old")] = None
    image: Annotated[ImageId | None, Field(description="whose they are; 412 when that is another picture")] = None


class ObjectsBody(Strict):
    """Objects to export."""

    objects: Objects


class ClassBody(Strict):
    """A class with its colour."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    colour: Colour | None = None


class ClassesBody(Strict):
    """The classes of the workspace."""

    classes: Annotated[list[ClassBody], Field(fail_fast=True)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"classes": [{"name": "dog", "colour": "#e6194b"}]}]})


class ClassText(Strict):
    """A list of classes as a file has it: a name on each line, a `data.yaml`, or JSON."""

    text: str


class DataSetRequest(Strict):
    """A data set of many pictures."""

    images: Annotated[list[ImageId] | None, Field(fail_fast=True, description="by default all", examples=[None])] = None
    states: Annotated[list[State], Field(description="only pictures in these states; by default in all")] = []
    format: DataSetFormat
    coco: CocoForm = "rle"
    tolerance: Annotated[Number, Field(ge=0, le=1000)] = HALF_A_PIXEL
    pictures: Annotated[bool, Field(description="whether the pictures come along")] = False
    validation: Annotated[Number, Field(ge=0, le=0.9, description="the part for validation, of yolo and voc")] = 0.0
    unlabelled: Annotated[bool, Field(description="whether objects without a class come along, as `object`")] = False


class ReviewRequest(Strict):
    """How far the work on a picture is; what is left out stays."""

    state: State | None = None
    comment: Annotated[str | None, Field(max_length=2000)] = None
    seconds: Annotated[Number, Field(ge=0, le=86_400, description="worked on it, since this was last said")] = 0.0


class WantedClass(Strict):
    """What is looked for, and the class that it gets."""

    phrase: Annotated[str, Field(min_length=1, max_length=1000, examples=["a red umbrella"])]
    label: Annotated[str | None, Field(min_length=1, max_length=200, description="by default the phrase's noun")] = None


class LabelAllRequest(Strict):
    """Many pictures to be labelled: by words, or, without any, everything in them."""

    images: Annotated[list[ImageId] | None, Field(fail_fast=True, description="by default all")] = None
    classes: Annotated[list[WantedClass], Field(max_length=100)] = []
    model: ModelName = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"classes": [{"phrase": "cat", "label": "cat"}]}]})


# Answers. They are documentation: what is sent is built by hand, so that large answers are not checked again.
