"""The spatial memory: learned tokens that look where the mask of the round before is.

Shapes: B samples, O objects, M memories, L layers, h w mask grid, N cells of a level.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from promptseg.models.seem.prompts import Draws


def memory_owners(objects: int, layers: int, memories: int, draws: Draws, device: torch.device) -> Tensor:
    """Returns (L, M), ascending in every row: the object that each memory serves.

    The official code draws the owners anew in every layer. Without a draw the memories are shared out evenly.
    """
    if draws.memory_owners_LM is not None:
        return draws.memory_owners_LM.to(device).long().sort(1)[0]
    if draws.generator is not None:
        drawn = torch.randint(objects, (layers, memories), generator=draws.generator)
        return drawn.sort(1)[0].to(device)
    return (torch.arange(memories, device=device) * objects // memories).expand(layers, -1)


def memory_sight(previous_BOhw: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns (B, O, N): the cells of a level that lie inside each object's previous mask."""
    resized = F.interpolate(previous_BOhw.detach(), size, mode="bilinear", align_corners=False)
    return resized.flatten(2).sigmoid() >= 0.5
