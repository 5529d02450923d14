"""CVAT: a detector and an interactor for its auto-annotation, in one file.

cvat-cli task auto-annotate 42 --function-module promptseg.cvat                      # all masks, label "object"
cvat-cli function create-native promptseg --function-module promptseg.cvat -p kind=str:interactor
cvat-cli function run-agent FUNCTION_ID --function-module promptseg.cvat -p kind=str:interactor

Options go behind `-p`: `model=str:NAME`, `weights=str:FILE`, `labels=str:dog,cat` (classes of a SEEM model;
for others the one label that all masks get), `points_per_side=int:32`. Needs `pip install cvat-cli "cvat-sdk[masks]"`.
"""

from typing import TYPE_CHECKING, Any

from promptseg.errors import InputError, PromptError, UnavailableError
from promptseg.images import Image
from promptseg.masks.bridge import bridge_holes
from promptseg.masks.polygons import trace_polygons
from promptseg.masks.rle import RLE
from promptseg.models.registry import DEFAULT_MODEL
from promptseg.prompts.types import Box, Point, Prompt
from promptseg.segment.segmenter import Segmenter
from promptseg.vocabulary import COCO_PANOPTIC

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

TOLERANCE = 0.5
"""Pixels by which polygons may be simplified."""

KINDS = ("detector", "interactor")


def create(kind: str = "detector", **options: Any) -> "Detector | Interactor":
    """Makes the function that CVAT calls; `cvat-cli` calls this with the options behind `-p`.

    Args:
        kind: "detector" finds objects by itself, "interactor" answers points and boxes.
        options: see `Detector` and `Interactor`.

    Raises:
        InputError: an unknown kind.
        UnavailableError: cvat-sdk is not installed.
    """
    if kind not in KINDS:
        raise InputError(f"Unknown kind {kind!r}: expected {' or '.join(KINDS)}.")
    return Detector(**options) if kind == "detector" else Interactor(**options)


class Detector:
    """A detection function: all masks of a picture, or all things of given classes.

    Args:
        model: a name of the registry.
        weights: a safetensors file.
        labels: names, separated by commas: the classes of a SEEM model; for another the label of all masks.
        points_per_side: of the search; by default as in `EverythingOptions`.
        segmenter: a ready one, instead of model and weights.

    Attributes:
        spec: the labels that may be found.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        weights: str | None = None,
        labels: str | None = None,
        points_per_side: int | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        self._sdk = _sdk()
        self._segmenter = segmenter or Segmenter(model, weights=weights)
        self._search: dict[str, Any] = {} if points_per_side is None else {"points_per_side": points_per_side}
        given = [name.strip() for name in (labels or "").split(",") if name.strip()]
        self._classes = "classes" in self._segmenter.abilities
        if not self._classes and len(given) > 1:
            raise InputError(f"{self._segmenter.model} knows no classes, so all masks get one label; got {labels!r}.")
        things = [name for name, thing in zip(COCO_PANOPTIC.labels, COCO_PANOPTIC.things, strict=True) if thing]
        self._names = given or (things if self._classes else ["object"])
        self.spec: Any = self._sdk.DetectionFunctionSpec(
            labels=[self._sdk.label_spec(name, number, type="any") for number, name in enumerate(self._names)]
        )

    def detect(self, context: Any, image: "Picture") -> list[Any]:
        """Returns the objects of a picture, as masks or, when the context says so, as polygons."""
        picture = Image.open(image)
        if self._classes:
            found = self._segmenter.instances(picture, self._names)
        else:
            found = self._segmenter.everything(picture, **self._search)
        least = context.conf_threshold or 0.0
        numbers = {name: number for number, name in enumerate(self._names)}
        shapes: list[Any] = []
        for index, mask in enumerate(found.masks):
            label = numbers.get(found.labels[index] or "", 0)
            if mask.area and found.scores[index] >= least:
                shapes += self._shapes(label, mask, polygons=context.conv_mask_to_poly)
        return shapes

    def _shapes(self, label: int, mask: RLE, *, polygons: bool) -> list[Any]:
        if not polygons:
            return [self._sdk.mask(label, _encoded(mask))]
        return [
            self._sdk.polygon(label, bridge_holes(part).ravel().tolist()) for part in trace_polygons(mask, TOLERANCE)
        ]


class Interactor:
    """An interaction function: points and a box to one mask.

    Args:
        model: a name of the registry.
        weights: a safetensors file.
        segmenter: a ready one, instead of model and weights.

    Attributes:
        spec: which prompts are taken.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, weights: str | None = None, segmenter: Segmenter | None = None
    ) -> None:
        self._sdk = _sdk()
        self._segmenter = segmenter or Segmenter(model, weights=weights)
        self.spec: Any = self._sdk.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def preprocess_image(self, context: Any, image: "Picture") -> Any:
        """Embeds a picture; the agent keeps the result for further clicks."""
        return self._segmenter.embed(image)

    def detect(self, context: Any, pp_image: Any, prompts: Any) -> list[Any]:
        """Returns the mask that the prompts speak of, with its confidence.

        Raises:
            PromptError: there is neither a positive point nor a box.
        """
        given: list[Prompt] = [
            *(Point(x, y) for x, y in prompts.pos_points),
            *(Point(x, y, positive=False) for x, y in prompts.neg_points),
        ]
        if prompts.bounding_box is not None:
            (x0, y0), (x1, y1) = prompts.bounding_box
            given.append(Box(x0, y0, x1, y1))
        if not any(prompt.positive for prompt in given):
            raise PromptError("Give a positive point or a box that shows the object.")
        found = self._segmenter.segment(pp_image, [given])
        (mask,) = found.masks
        if not mask.area:
            return []
        from cvat_sdk.models import AttributeValRequest

        # Predicted IoU is a regression and may exceed 1.
        confidence = min(max(float(found.scores[0]), 0.0), 1.0)
        attribute = AttributeValRequest(
            spec_id=int(self._sdk.InteractionResultAttributes.CONFIDENCE), value=f"{confidence:.4f}"
        )
        return [self._sdk.InteractionResultShape(type="mask", points=_encoded(mask), attributes=[attribute])]


def _encoded(mask: RLE) -> list[float]:
    """Returns a mask as CVAT's run lengths inside its box, with the box behind them."""
    from cvat_sdk.masks import encode_mask

    return encode_mask(mask.dense(), [float(side) for side in mask.box])


def _sdk() -> Any:
    try:
        import cvat_sdk.auto_annotation as sdk
    except ImportError as error:
        raise UnavailableError(
            'cvat-sdk is not installed. Install it with: pip install cvat-cli "cvat-sdk[masks]"'
        ) from error
    if not hasattr(sdk, "InteractionFunctionSpec"):
        raise UnavailableError(
            'This cvat-sdk is too old. Update it with: pip install --upgrade cvat-cli "cvat-sdk[masks]"'
        )
    return sdk
