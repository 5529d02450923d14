"""What a Label Studio project asks for: the picture, and the tags that masks go into."""

from dataclasses import dataclass
from xml.etree import ElementTree

from promptseg.errors import FormatError

MOST_LETTERS = 262_144
MASK_TAGS = ("BrushLabels", "PolygonLabels")
"""Tags that masks can be given as, the better one first."""


@dataclass(frozen=True, slots=True)
class MaskTag:
    """A control tag of the labelling interface.

    Attributes:
        kind: "BrushLabels" or "PolygonLabels".
        name: its name, `from_name` in results.
        labels: its labels.
    """

    kind: str
    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """The part of a labelling interface that concerns masks.

    Attributes:
        image: name of the picture's tag, `to_name` in results.
        key: where tasks have the address of the picture.
        tags: tags for masks of that picture; those for brushes first.
    """

    image: str
    key: str
    tags: tuple[MaskTag, ...]

    def tag_for(self, label: str | None) -> MaskTag:
        """Returns the tag that masks with this label go into: the first that has it, else the first."""
        return next((tag for tag in self.tags if label in tag.labels), self.tags[0])

    @property
    def labels(self) -> list[str]:
        """All labels, each once."""
        return list(dict.fromkeys(label for tag in self.tags for label in tag.labels))


def parse_config(text: str) -> LabelConfig:
    """Reads the XML of a labelling interface.

    Raises:
        FormatError: it is malformed, or has no picture, or no tag for masks.
    """
    if len(text) > MOST_LETTERS or "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise FormatError("The labelling interface must be plain XML without a document type.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - entities cannot be declared without a document type
    except (ElementTree.ParseError, ValueError) as error:
        raise FormatError(f"The labelling interface is not XML: {error}.") from error
    images = [tag for tag in root.iter("Image") if tag.get("name") and tag.get("value", "").startswith("$")]
    for image in images:
        tags = [
            MaskTag(kind, tag.get("name", ""), _labels(tag))
            for kind in MASK_TAGS
            for tag in root.iter(kind)
            if image.get("name") in tag.get("toName", "").split(",") and tag.get("name")
        ]
        if tags:
            return LabelConfig(image.get("name", ""), image.get("value", "")[1:], tuple(tags))
    raise FormatError(
        'The labelling interface needs an <Image name="image" value="$image"/> and, for it, <BrushLabels> or '
        "<PolygonLabels>."
    )


def _labels(tag: ElementTree.Element) -> tuple[str, ...]:
    return tuple(label.get("alias") or label.get("value", "") for label in tag.iter("Label"))
