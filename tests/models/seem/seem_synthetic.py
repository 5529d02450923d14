"""The rules behind tests/golden/seem: weights and pictures made from names and formulas."""

import math
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.seem.config import PIXEL_MEAN, PIXEL_STD

GOLDEN = Path(__file__).parents[2] / "golden" / "seem"
KEYS = Path(__file__).parents[1] / "keys"
LISTS = {
    "seem-focal-t": "seem_focalt",
    "seem-focal-l": "seem_focall",
    "seem-sam-vit-b": "seem_samvitb",
    "seem-sam-vit-l": "seem_samvitl",
}
TABLES = (
    *("token_embedding", "positional_embedding", "query_feat", "query_embed", "level_embed", "spatial_embed"),
    *("spatial_featured", "pn_indicator", "class_embed", "mask_sptial_embed", "lang_proj", "rel_pos", "pos_embed"),
)
SIZE = (96, 128)
STROKE = (slice(30, 38), slice(40, 60))


def synthetic_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("logit_scale"):
        return torch.tensor(2.0)
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if any(part in name for part in TABLES):
        noise *= 0.1
    elif len(shape) > 1:
        noise *= 0.7 / math.sqrt(np.prod(shape[1:]))
    elif name.endswith(".weight") or "gamma_" in name:
        noise = 1 + 0.1 * noise
    else:
        noise *= 0.05
    return torch.from_numpy(noise.astype(np.float32))


def fill(module: nn.Module, prefix: str = "") -> None:
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(synthetic_weight(prefix + name, tuple(tensor.shape)))
    module.eval()


def picture(height: int, width: int, variant: int) -> np.ndarray:
    y, x, c = np.arange(height)[:, None, None], np.arange(width)[None, :, None], np.arange(3)
    waves = 70 * np.sin(0.07 * x + 0.9 * c + 1.3 * variant) + 45 * np.cos(0.11 * y - 0.5 * c + 0.7 * variant)
    values = 127.5 + waves + 10 * np.sin(0.013 * x * y + c)
    return np.clip(np.floor(values), 0, 255).astype(np.uint8)


def network_input(pixels: np.ndarray, divisor: int = 32) -> Tensor:
    """Normalised, then padded with zeros: (1, 3, H, W)."""
    image = (torch.from_numpy(pixels).float() - torch.tensor(PIXEL_MEAN)) / torch.tensor(PIXEL_STD)
    height, width = pixels.shape[:2]
    return F.pad(image.permute(2, 0, 1), (0, -width % divisor, 0, -height % divisor))[None]


@cache
def class_bank() -> Tensor:
    bank = np.random.default_rng(zlib.crc32(b"class_bank")).standard_normal((134, 512))
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    return torch.from_numpy(bank.astype(np.float32))


def golden(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{name}.npz"))


def official_keys(name: str) -> dict[str, tuple[int, ...]]:
    lines = (line.split("\t") for line in (KEYS / f"{LISTS[name]}.txt").read_text().splitlines())
    return {key: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for key, shape in lines}


def close(ours: Tensor, theirs: np.ndarray, tolerance: float = 1e-4) -> None:
    """Asserts equal shapes and a greatest difference below `tolerance`."""
    assert tuple(ours.shape) == theirs.shape
    difference = np.abs(ours.detach().double().numpy() - theirs).max(initial=0)
    assert difference < tolerance, f"greatest difference {difference:.2e}"
