"""What is known of the objects of a clip, and how it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE
from promptseg.prompts.types import ObjectPrompts, prompt_from_json
from promptseg.video.memory import Remembered


@dataclass(slots=True, eq=False)
class TrackedObject:
    """What is known of an object: its prompts by frames, and its masks.

    Attributes:
        label: what it is, if somebody said.
        prompts: by the numbers of their frames.
        masks: mask and confidence, by the numbers of frames; the mask is empty where the object is not to be seen.
    """

    label: str | None = None
    prompts: dict[int, ObjectPrompts] = field(default_factory=dict[int, ObjectPrompts])
    masks: dict[int, tuple[RLE, float]] = field(default_factory=dict[int, tuple[RLE, float]])
    known: dict[int, Remembered] = field(default_factory=dict[int, Remembered], repr=False)
    logits: dict[int, Float32] = field(default_factory=dict[int, Float32], repr=False)
    changed: set[int] = field(default_factory=set[int])


def objects_to_json(objects: Mapping[int, TrackedObject]) -> list[dict[str, Any]]:
    """Returns objects as plain JSON."""
    return [
        {
            "id": key,
            "label": item.label,
            "prompts": {
                str(number): [prompt.to_json() for prompt in prompts]
                for number, prompts in sorted(item.prompts.items())
            },
            "masks": {str(number): item.masks[number][0].to_coco()["counts"] for number in sorted(item.masks)},
            "scores": {str(number): round(item.masks[number][1], 4) for number in sorted(item.masks)},
            "changed": sorted(item.changed),
        }
        for key, item in sorted(objects.items())
    ]


def objects_from_json(records: Any, size: Size) -> dict[int, TrackedObject]:
    """Reads what `objects_to_json` wrote.

    Raises:
        InputError: a mask or a prompt is malformed, or a frame with prompts has no mask.
        KeyError: a field is missing; TypeError or ValueError: one is of another kind.
    """
    objects: dict[int, TrackedObject] = {}
    for record in records:
        masks = {
            int(number): (RLE.from_coco({"size": list(size), "counts": counts}), float(record["scores"][number]))
            for number, counts in record["masks"].items()
        }
        prompts = {
            int(number): tuple(prompt_from_json(prompt) for prompt in given)
            for number, given in record["prompts"].items()
        }
        changed = {int(number) for number in record["changed"]}
        if not prompts.keys() <= masks.keys() or not changed <= prompts.keys():
            raise InputError(f"Object {record['id']} of this session record has prompts on a frame without a mask.")
        objects[int(record["id"])] = TrackedObject(record["label"], prompts, masks, changed=changed)
    return objects
