"""Weights and pictures made from their names, the same on every machine; stand-ins for official imports."""

import importlib.util
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import pytest

KEYS = Path(__file__).parent / "keys"
LISTS = {"mobile-sam": "t", "sam-vit-b": "b", "sam-vit-l": "l", "sam-vit-h": "h"}
TABLES = (
    *("gaussian", "attention_biases", "rel_pos", "pos_embed"),
    *("_embed.", "embeddings.", "iou_token.", "mask_tokens."),
)


# the prompts that parity and golden tests share
OBJECTS = 3
COMBINATIONS = {
    "points": (True, False, False),
    "box": (False, True, False),
    "mask": (False, False, True),
    "points+box": (True, True, False),
    "points+mask": (True, False, True),
    "box+mask": (False, True, True),
    "all": (True, True, True),
}


def official_keys(name: str) -> dict[str, tuple[int, ...]]:
    lines = (KEYS / f"sam_vit_{LISTS[name]}.txt").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    return {k: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for k, shape in rows}


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Nothing is zero, one or symmetric by accident; activations keep their size from layer to layer."""
    random = rng(name)
    if not shape:
        return np.array(7)
    if name.endswith("running_var"):
        return random.uniform(0.5, 1.5, shape)
    noise = random.standard_normal(shape)
    if any(table in name for table in TABLES) and "patch_embed" not in name:
        return noise
    if len(shape) == 1:
        return 0.1 * noise + name.endswith("weight")
    return noise / np.sqrt(np.prod(shape[1:]))


def synthetic(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    return {k: _weight(k, s).astype(np.float32 if s else np.int64) for k, s in shapes.items()}


def fill(*models: nn.Module) -> None:
    """Gives the models, whose names must agree exactly, the same synthetic weights."""
    shapes = {k: tuple(v.shape) for k, v in models[0].state_dict().items()}
    weights = {k: torch.tensor(v) for k, v in synthetic(shapes).items()}
    for model in models:
        model.load_state_dict(weights, strict=True)
        model.eval()


def normal(name: str, *shape: int) -> Tensor:
    return torch.tensor(rng(name).standard_normal(shape), dtype=torch.float32)


def uniform(name: str, *shape: int) -> Tensor:
    return torch.tensor(rng(name).uniform(0, 1024, shape), dtype=torch.float32)


def difference(first: Tensor, second: Tensor) -> float:
    assert first.shape == second.shape
    assert bool(torch.isfinite(first).all())
    return float((first - second).abs().max())


class _DropPath(nn.Module):
    def __init__(self, drop_prob: float | None = None) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


def stand_in_for_imports(monkeypatch: "pytest.MonkeyPatch") -> None:
    """Lets the official packages import without torchvision and timm, which the networks hardly use."""
    modules = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": None, "box_area": None},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": None, "to_pil_image": None},
        "timm": {},
        "timm.models": {},
        "timm.models.layers": {
            "DropPath": _DropPath,
            "to_2tuple": lambda side: (side, side),
            "trunc_normal_": nn.init.trunc_normal_,
        },
        "timm.models.registry": {"register_model": lambda function: function},
    }
    absent = (top for top in ("torchvision", "timm") if top not in sys.modules)  # else they stand in already
    missing = {top for top in absent if importlib.util.find_spec(top) is None}
    for name, contents in modules.items():
        if name.partition(".")[0] in missing:
            module = ModuleType(name)
            module.__dict__.update(contents)
            monkeypatch.setitem(sys.modules, name, module)


def picture() -> Tensor:
    return normal("picture", 1, 3, 1024, 1024)


def prompt_parts(kinds: tuple[bool, bool, bool], objects: int = OBJECTS) -> list[Tensor | None]:
    """Points, labels, boxes and masks of a combination; what it lacks is None."""
    points, boxes, masks = kinds
    parts = [
        uniform("points", OBJECTS, 3, 2) if points else None,
        torch.tensor([[1, 0, 1], [0, 1, 1], [1, 1, 0]]) if points else None,
        uniform("boxes", OBJECTS, 4) if boxes else None,
        8 * normal("masks", OBJECTS, 1, 256, 256) if masks else None,
    ]
    return [None if part is None else part[:objects] for part in parts]


def official_prediction(sam: Any, embedding: Tensor, parts: list[Tensor | None]) -> tuple[Tensor, Tensor]:
    points, labels, boxes, masks = parts
    given = None if points is None else (points, labels)
    sparse, dense = sam.prompt_encoder(points=given, boxes=boxes, masks=masks)
    return sam.mask_decoder.predict_masks(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )
