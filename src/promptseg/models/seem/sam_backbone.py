"""SAM's image encoder as SEEM's backbone: its neck gives way to four maps made from the last grid.

Shapes: B pictures, C channels, h w the encoder's grid of 64 x 64.
"""

from torch import Tensor, nn

from promptseg.models.sam.image_encoder_vit import ImageEncoderViT
from promptseg.models.seem.config import SamBackboneConfig

Maps = tuple[Tensor, Tensor, Tensor, Tensor]


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels)


def _finish(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 1), _norm(outputs), nn.GELU()


class SimplePyramid(nn.Module):
    """Strides 4, 8, 16 and 32 from stride 16 alone (after arXiv 2203.16527)."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        half = max(256, channels // 2)
        double = max(widths[3], 2 * channels)
        self.down_4 = nn.Sequential(
            nn.ConvTranspose2d(channels, half, 2, stride=2),
            _norm(half),
            nn.GELU(),
            nn.ConvTranspose2d(half, half // 2, 2, stride=2),
            _norm(half // 2),
            *_finish(half // 2, widths[0]),
        )
        self.down_8 = nn.Sequential(
            nn.ConvTranspose2d(channels, half, 2, stride=2), _norm(half), *_finish(half, widths[1])
        )
        self.down_16 = nn.Sequential(*_finish(channels, widths[2]))
        self.down_32 = nn.Sequential(
            nn.Conv2d(channels, double, 2, stride=2), _norm(double), *_finish(double, widths[3])
        )

    def forward(self, x_BCHW: Tensor) -> Maps:
        """Returns res2, res3, res4, res5, finest first."""
        return self.down_4(x_BCHW), self.down_8(x_BCHW), self.down_16(x_BCHW), self.down_32(x_BCHW)


class SamBackbone(ImageEncoderViT):
    """Official name: vit."""

    def __init__(self, config: SamBackboneConfig) -> None:
        super().__init__(config.encoder)
        self.neck = SimplePyramid(config.encoder.channels, config.widths)  # type: ignore[assignment]

    def forward(self, image_B3HW: Tensor) -> Maps:  # type: ignore[override]
        """Takes normalised, padded pictures (B, 3, 1024, 1024); returns res2 to res5, finest first."""
        x_BHWC: Tensor = self.blocks(self.patch_embed(image_B3HW) + self.pos_embed)
        return self.neck(x_BHWC.permute(0, 3, 1, 2))  # type: ignore[return-value]
