"""SAM's mask decoder: from prompt tokens and a picture to masks (SAM paper, appendix A).

Shapes: B objects, b = B or 1 (all objects share the picture), N prompt tokens, T = 1 + M + N tokens in all,
M mask tokens, C channels, c filter channels, H W embedding grid, P = H*W; masks are 4 H x 4 W.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.blocks.mlp import ReluMLP, side_by_side
from promptseg.models.blocks.norms import LayerNorm2d
from promptseg.models.sam.config import DecoderConfig
from promptseg.models.sam.transformer import TwoWayTransformer

MASKED = -1e9
"""Added to an attention logit, it makes the weight exactly zero; finite in bfloat16 too."""


def double(deconvolution: nn.ConvTranspose2d, x_ZC: Tensor) -> Tensor:
    """A 2 x 2 deconvolution of stride 2 as one matrix product: (..., C) to (..., 4, outputs).

    The four new cells (top left, top right, bottom left, bottom right) become an axis and stay channels-last,
    so that no large tensor is transposed.
    """
    weight_4OC = deconvolution.weight.permute(2, 3, 1, 0).flatten(0, 2)
    bias = cast(Tensor, deconvolution.bias).repeat(4)
    flat = F.linear(x_ZC.flatten(0, -2), weight_4OC, bias)  # a plain matrix: engines fuse the bias into the product
    return flat.reshape(*x_ZC.shape[:-1], 4, deconvolution.out_channels)


def corner(deconvolution: nn.ConvTranspose2d, x_ZC: Tensor, cell: int) -> Tensor:
    """One of the four new cells of `double` alone: (..., C) to (..., outputs)."""
    row, column = divmod(cell, 2)
    return F.linear(x_ZC, deconvolution.weight[:, :, row, column].t(), deconvolution.bias)


class MaskDecoder(nn.Module):
    """Predicts M masks for every object, each with an estimate of its own IoU."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        channels, masks, depth = config.channels, config.mask_tokens, config.head_depth
        self.masks, self.grid = masks, config.grid
        self.transformer = TwoWayTransformer(config)
        self.iou_token = nn.Embedding(1, channels)
        self.mask_tokens = nn.Embedding(masks, channels)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(channels, channels // 4, 2, stride=2),
            LayerNorm2d(channels // 4),
            nn.GELU(),
            nn.ConvTranspose2d(channels // 4, channels // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            ReluMLP(channels, channels, channels // 8, depth) for _ in range(masks)
        )
        self.iou_prediction_head = ReluMLP(channels, channels, masks, depth)

    def forward(
        self, image_bPC: Tensor, positions_1PC: Tensor, sparse_BNC: Tensor, absent_BN: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns mask logits (B, M, 4H, 4W) and predicted IoU (B, M), a regression that may exceed 1.

        Args:
            image_bPC: the embedding plus the dense prompt; (1, P, C) if all objects see the very same.
            positions_1PC: positions of the image tokens.
            sparse_BNC: prompt tokens.
            absent_BN: true where a token only fills a ragged batch.
        """
        image_BPC, filters_BMc, scores_BM = self.attend(image_bPC, positions_1PC, sparse_BNC, absent_BN)
        return self.paint(image_BPC.unflatten(1, (self.grid, self.grid)), filters_BMc), scores_BM

    def attend(
        self,
        image_bPC: Tensor,
        positions_1PC: Tensor,
        sparse_BNC: Tensor,
        absent_BN: Tensor,
        bias_P: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All but the drawing: the picture as the prompts left it (B, P, C), a filter per mask, and predicted IoU.

        Args:
            image_bPC: see `forward`; any number of cells.
            positions_1PC: positions of the cells.
            sparse_BNC: prompt tokens.
            absent_BN: true where a token only fills a ragged batch.
            bias_P: added to the attention that the cells receive.
        """
        learned_LC = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        prompt_BTC = torch.cat([learned_LC.expand(sparse_BNC.shape[0], -1, -1), sparse_BNC], 1)
        mask_BT = F.pad(absent_BN.to(prompt_BTC.dtype) * MASKED, (1 + self.masks, 0))
        tokens_BTC, image_BPC = self.transformer(prompt_BTC, image_bPC, positions_1PC, mask_BT[:, None, None], bias_P)
        mask_tokens_MBC = tokens_BTC[:, 1 : 1 + self.masks].transpose(0, 1)
        filters_MBc = side_by_side(list(self.output_hypernetworks_mlps), mask_tokens_MBC)
        return image_BPC, filters_MBc.transpose(0, 1), self.iou_prediction_head(tokens_BTC[:, 0])

    def paint(self, image_BHWC: Tensor, filters_BMc: Tensor) -> Tensor:
        """Quadruples the resolution and takes the product with every filter: (B, M, 4H, 4W)."""
        _, rows, columns, _ = image_BHWC.shape
        up1, norm, _, up2, _ = self.output_upscaling
        fine_BPc = double(cast(nn.ConvTranspose2d, up1), image_BHWC.flatten(1, 2)).flatten(1, 2)
        fine_BPc = F.gelu(cast(LayerNorm2d, norm).channels_last(fine_BPc))
        fine_BPc = F.gelu(double(cast(nn.ConvTranspose2d, up2), fine_BPc)).flatten(1, 2)
        logits_BPM = fine_BPc @ filters_BMc.transpose(1, 2)
        cells = logits_BPM.unflatten(1, (rows, columns, 2, 2, 2, 2))  # B H W, y x twice, M
        return cells.permute(0, 7, 1, 3, 5, 2, 4, 6).flatten(2, 4).flatten(3, 5)

    def sketch(self, image_BPC: Tensor, filters_BMc: Tensor) -> Tensor:
        """Returns one of the 16 logits that `paint` draws for each cell, the third of the third row: (B, M, P).

        It lies an eighth of a cell off the centre, and costs a fraction of them all.
        """
        up1, norm, _, up2, _ = self.output_upscaling
        fine_BPc = F.gelu(cast(LayerNorm2d, norm).channels_last(corner(cast(nn.ConvTranspose2d, up1), image_BPC, 3)))
        finer_BPc = F.gelu(corner(cast(nn.ConvTranspose2d, up2), fine_BPc, 0))
        return filters_BMc @ finer_BPc.transpose(1, 2)
