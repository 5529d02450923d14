"""The Segment Anything Model and its factory (arXiv 2304.02643; MobileSAM: arXiv 2306.14289).

Shapes: I pictures, B objects, b = B or 1, N prompt tokens, C channels, H W embedding grid, P = H*W.
"""

from torch import Tensor, nn

from promptseg.geometry import LABEL_ABSENT
from promptseg.models.sam.config import SamConfig, TinyViTConfig, ViTConfig, sam_config
from promptseg.models.sam.image_encoder_vit import ImageEncoderViT
from promptseg.models.sam.mask_decoder import MaskDecoder
from promptseg.models.sam.prompt_encoder import PromptEncoder
from promptseg.models.sam.tiny_vit import TinyViT


def build_encoder(config: ViTConfig | TinyViTConfig) -> ImageEncoderViT | TinyViT:
    """Builds the image encoder that the numbers describe."""
    return TinyViT(config) if isinstance(config, TinyViTConfig) else ImageEncoderViT(config)


class Sam(nn.Module):
    """An image encoder to be run once per picture, and a decoder to be run once per prompt."""

    def __init__(self, config: SamConfig, name: str) -> None:
        super().__init__()
        self.name = name
        self.image_encoder = build_encoder(config.encoder)
        self.prompt_encoder = PromptEncoder(config.decoder)
        self.mask_decoder = MaskDecoder(config.decoder)

    def forward(self, image_I3HW: Tensor) -> Tensor:
        """Embeds normalised, padded pictures (I, 3, 1024, 1024) as (I, C, H, W)."""
        return self.image_encoder(image_I3HW)

    def predict_masks(
        self, embedding_bCHW: Tensor, points_BN2: Tensor, labels_BN: Tensor, mask_logits_B1HW: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Predicts four masks per object from its prompts; holds no data-dependent control flow.

        Args:
            embedding_bCHW: one picture (1, C, H, W) shared by all objects, or one per object.
            points_BN2: x, y in pixels of the 1024 frame, without the half-pixel shift.
            labels_BN: 1 positive, 0 negative, 2 and 3 box corners, -1 pad, -2 absent. Every prompt without a
                box needs a pad; a prompt of a mask alone is a single absent token.
            mask_logits_B1HW: (B, 1, 4H, 4W) logits of an earlier mask, or None if no object has one.

        Returns:
            Mask logits (B, 4, 4H, 4W) and predicted IoU (B, 4). Index 0 is the single-mask output, 1 to 3 are
            the alternatives for an ambiguous prompt.
        """
        image_bCHW = embedding_bCHW + self.prompt_encoder.dense_tokens(mask_logits_B1HW)
        # (B, P, C), by the one order of axes for which OpenVINO has a fast kernel
        image_bPC = image_bCHW.flatten(2).unsqueeze(2).permute(0, 3, 1, 2).flatten(2)
        return self.mask_decoder(
            image_bPC,
            self.prompt_encoder.dense_positions(),
            self.prompt_encoder.sparse_tokens(points_BN2, labels_BN),
            labels_BN == LABEL_ABSENT,
        )


def build_sam(name: str) -> Sam:
    """Builds an untrained network in evaluation mode.

    Args:
        name: "mobile-sam", "sam-vit-b", "sam-vit-l" or "sam-vit-h".

    Raises:
        WeightsError: there is no such network.
    """
    return Sam(sam_config(name), name).eval()
