"""Plain numbers of the SEEM networks (arXiv 2304.06718). Needs no torch.

DaViT backbones are left out: the authors published no weights with them.
"""

from dataclasses import dataclass, field

from promptseg.errors import WeightsError
from promptseg.models.sam.config import SAM_CONFIGS, ViTConfig

PIXEL_MEAN = (123.675, 116.28, 103.53)
"""Mean of R, G, B on the scale 0 to 255; not part of the checkpoints."""
PIXEL_STD = (58.395, 57.12, 57.375)
"""Standard deviation of R, G, B on the scale 0 to 255; not part of the checkpoints."""

CHANNELS = 512
"""Width of pixel decoder, predictor and text encoder alike."""
HEADS = 8
FEED_FORWARD = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class FocalConfig:
    """A FocalNet backbone (arXiv 2203.11926).

    `depthwise` (official name `focal_dw`, used by Focal-T) and the plain block (`focal`, used by Focal-L) differ
    in the order of their steps and in the padding of the stem, neither of which a checkpoint shows.
    """

    channels: int
    depths: tuple[int, int, int, int]
    levels: int
    depthwise: bool
    first_kernel: int = 3
    mlp_ratio: int = 4

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels of res2 to res5."""
        return (self.channels, 2 * self.channels, 4 * self.channels, 8 * self.channels)

    @property
    def stem_padding(self) -> int:
        """Padding of the first convolution."""
        return 3 if self.depthwise else 2


@dataclass(frozen=True, kw_only=True, slots=True)
class SamBackboneConfig:
    """The ViT of the SAM network `name` without its neck, and four maps made from its last grid."""

    name: str
    encoder: ViTConfig
    widths: tuple[int, int, int, int] = (128, 256, 512, 1024)


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelDecoderConfig:
    """Either the transformer-encoder FPN or the deformable transformer of Mask2Former."""

    deformable: bool
    depth: int = 6
    feed_forward: int = FEED_FORWARD
    points: int = 4  # per head and level, of the deformable attention
    norm_groups: int = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """A text transformer like that of CLIP ViT-B/32."""

    vocabulary: int = 49408
    context: int = 77
    depth: int = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictorConfig:
    """The decoder that all variants share."""

    queries: int = 101
    depth: int = 9
    levels: int = 3
    memories: int = 32
    max_points: int = 512  # touched pixels kept, positive and negative each
    queries_per_object: int = 3  # graph v1


@dataclass(frozen=True, kw_only=True, slots=True)
class SeemConfig:
    """One SEEM network."""

    backbone: FocalConfig | SamBackboneConfig
    pixel_decoder: PixelDecoderConfig
    size_divisor: int = 32
    text: TextConfig = field(default_factory=TextConfig)
    predictor: PredictorConfig = field(default_factory=PredictorConfig)


def _on_sam(name: str) -> SeemConfig:
    encoder = SAM_CONFIGS[name].encoder
    assert isinstance(encoder, ViTConfig)  # noqa: S101 - narrows the type of a constant table
    return SeemConfig(
        backbone=SamBackboneConfig(name=name, encoder=encoder),
        pixel_decoder=PixelDecoderConfig(deformable=True, feed_forward=1024),
        size_divisor=1024,
    )


SEEM_CONFIGS: dict[str, SeemConfig] = {
    "seem-focal-t": SeemConfig(
        backbone=FocalConfig(channels=96, depths=(2, 2, 6, 2), levels=3, depthwise=True),
        pixel_decoder=PixelDecoderConfig(deformable=False),
    ),
    "seem-focal-l": SeemConfig(
        backbone=FocalConfig(channels=192, depths=(2, 2, 18, 2), levels=4, depthwise=False),
        pixel_decoder=PixelDecoderConfig(deformable=False),
    ),
    "seem-sam-vit-b": _on_sam("sam-vit-b"),
    "seem-sam-vit-l": _on_sam("sam-vit-l"),
}


def seem_config(name: str) -> SeemConfig:
    """Returns the numbers of a network by name.

    Raises:
        WeightsError: there is no such network.
    """
    if name not in SEEM_CONFIGS:
        raise WeightsError(f"Unknown SEEM network {name!r}; expected one of: {', '.join(SEEM_CONFIGS)}.")
    return SEEM_CONFIGS[name]
