"""Plain numbers of the four SAM networks (papers 2304.02643 and 2306.14289). Needs no torch."""

from dataclasses import dataclass, field

from promptseg.errors import WeightsError

PIXEL_MEAN = (123.675, 116.28, 103.53)
"""Mean of R, G, B on the scale 0 to 255; not part of the checkpoints."""
PIXEL_STD = (58.395, 57.12, 57.375)
"""Standard deviation of R, G, B on the scale 0 to 255; not part of the checkpoints."""

IMAGE_SIDE = 1024
EMBEDDING_SIDE = 64
EMBEDDING_CHANNELS = 256


BLOCK = 8
"""The decoder for many clicks condenses padding in blocks of this many cells along each side."""
NOWHERE = -1e9
"""Bias of a condensed cell that stands for nothing: its attention is exactly zero, in bfloat16 too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ViTConfig:
    """A ViTDet-style image encoder: windowed attention, with a few blocks that see the whole grid."""

    channels: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    patch: int = 16
    grid: int = EMBEDDING_SIDE
    window: int = 14
    mlp_ratio: int = 4
    outputs: int = EMBEDDING_CHANNELS

    def attention_side(self, block: int) -> int:
        """Side of the square that a block's attention covers."""
        return self.grid if block in self.global_blocks else self.window


@dataclass(frozen=True, kw_only=True, slots=True)
class TinyViTConfig:
    """MobileSAM's TinyViT-5M. Stage 0 is convolutional, so its heads and window are unused."""

    channels: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (2, 4, 5, 10)
    windows: tuple[int, ...] = (7, 7, 14, 7)
    strides: tuple[int, ...] = (2, 2, 1)  # between the stages; the last one keeps the 64 x 64 grid
    expand: int = 4
    mlp_ratio: int = 4
    classes: int = 1000  # of the classifier that pre-training left behind; never used
    outputs: int = EMBEDDING_CHANNELS


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """Prompt encoder and mask decoder, the same in every variant."""

    channels: int = EMBEDDING_CHANNELS
    depth: int = 2
    heads: int = 8
    attention_channels: int = 128  # of the attention between tokens and picture
    mlp_channels: int = 2048
    mask_tokens: int = 4
    mask_channels: int = 16  # inside the encoder of mask prompts
    head_depth: int = 3
    grid: int = EMBEDDING_SIDE
    image_side: int = IMAGE_SIDE


@dataclass(frozen=True, kw_only=True, slots=True)
class SamConfig:
    """One SAM network."""

    encoder: ViTConfig | TinyViTConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)


SAM_CONFIGS: dict[str, SamConfig] = {
    "mobile-sam": SamConfig(encoder=TinyViTConfig()),
    "sam-vit-b": SamConfig(encoder=ViTConfig(channels=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11))),
    "sam-vit-l": SamConfig(encoder=ViTConfig(channels=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23))),
    "sam-vit-h": SamConfig(encoder=ViTConfig(channels=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31))),
}


def sam_config(name: str) -> SamConfig:
    """Returns the numbers of a network by name.

    Raises:
        WeightsError: there is no such network.
    """
    if name not in SAM_CONFIGS:
        raise WeightsError(f"Unknown SAM network {name!r}; expected one of: {', '.join(SAM_CONFIGS)}.")
    return SAM_CONFIGS[name]
