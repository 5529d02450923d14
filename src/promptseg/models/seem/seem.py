"""SEEM, Segment Everything Everywhere All at Once (arXiv 2304.06718), and its factory.

Shapes: B pictures, H W pixels.
"""

from typing import cast

from torch import Tensor, nn

from promptseg.models.seem.config import FocalConfig, SeemConfig, seem_config
from promptseg.models.seem.deformable import DeformableDecoder
from promptseg.models.seem.focalnet import FocalNet
from promptseg.models.seem.fpn import TransformerFPN
from promptseg.models.seem.pixel_features import PixelFeatures
from promptseg.models.seem.predictor import Predictor
from promptseg.models.seem.sam_backbone import SamBackbone
from promptseg.models.seem.text_encoder import TextEncoder


class Seem(nn.Module):
    """A backbone and a pixel decoder, to be run once per picture, and a predictor, to be run once per prompt."""

    def __init__(self, config: SeemConfig, name: str) -> None:
        super().__init__()
        self.name = name
        self.config = config
        backbone = config.backbone
        self.backbone = FocalNet(backbone) if isinstance(backbone, FocalConfig) else SamBackbone(backbone)
        decoder = DeformableDecoder if config.pixel_decoder.deformable else TransformerFPN
        self.sem_seg_head = nn.ModuleDict(
            {
                "pixel_decoder": decoder(backbone.widths, config.pixel_decoder),
                "predictor": Predictor(config.predictor, config.text),
            }
        )

    @property
    def pixel_decoder(self) -> TransformerFPN | DeformableDecoder:
        """Turns the backbone's maps into mask features and three levels."""
        return cast(TransformerFPN | DeformableDecoder, self.sem_seg_head["pixel_decoder"])

    @property
    def predictor(self) -> Predictor:
        """Turns features and prompts into masks."""
        return cast(Predictor, self.sem_seg_head["predictor"])

    @property
    def text(self) -> TextEncoder:
        """Turns token ids into vectors."""
        return self.predictor.lang_encoder

    def forward(self, image_B3HW: Tensor) -> PixelFeatures:
        """Embeds normalised pictures, padded with zeros at the bottom and on the right.

        Args:
            image_B3HW: H and W multiples of `config.size_divisor`.
        """
        return self.pixel_decoder(self.backbone(image_B3HW))


def build_seem(name: str) -> Seem:
    """Builds an untrained network in evaluation mode.

    Args:
        name: "seem-focal-t", "seem-focal-l", "seem-sam-vit-b" or "seem-sam-vit-l".

    Raises:
        WeightsError: there is no such network.
    """
    return Seem(seem_config(name), name).eval()
