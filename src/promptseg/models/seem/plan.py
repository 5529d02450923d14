"""From prompts to the token sequence of the predictor: which parts there are, how long, whose.

Shapes: B samples, R rows (what changes from layer to layer), N tokens of a part, C channels, O objects,
M memories, L layers, h w mask grid, N also the cells of a level.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from promptseg.errors import PromptError
from promptseg.models.seem.config import PredictorConfig
from promptseg.models.seem.graph import FIXED, Edges, GraphName, Part, PartTokens
from promptseg.models.seem.prompts import Draws, PromptTokens, SeemPrompts, TouchedRegion


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a call of the predictor needs in every layer.

    Attributes:
        batch: number of samples.
        edges: the attention graph.
        sizes: length of every part that changes from layer to layer, in the graph's order.
        said: text and audio tokens.
        regions: touched and visual regions, whose tokens are made anew from every level.
        choice: indices of the object queries that are copied as spatial queries.
        spatial_owners: the object of each of them; None in graphs with a single object.
        memory_owners_LM: the object of each memory, per layer.
        previous_BOhw: mask logits for the memories to look at; None if there is no memory.
    """

    batch: int
    edges: Edges
    sizes: dict[Part, int]
    said: dict[Part, PromptTokens]
    regions: dict[Part, TouchedRegion]
    choice: Tensor
    spatial_owners: Tensor | None
    memory_owners_LM: Tensor
    previous_BOhw: Tensor | None

    @property
    def queries(self) -> int:
        """How many rows are queries."""
        return sum(self.sizes.get(part, 0) for part in ("objects", "grounding", "spatial"))

    def fixed(self, level: int, like: Tensor) -> Tensor | None:
        """Returns the tokens of this level's regions, (B, N, C), in the graph's order."""
        found = [self.regions[part].levels[level].values_BNC for part in FIXED if part in self.regions]
        return torch.cat([part.expand(self.batch, -1, -1) for part in found], 1).to(like) if found else None

    def parts(self, layer: int, level: int, device: torch.device) -> dict[Part, PartTokens]:
        """Returns all parts as the graph sees them in a layer."""
        owned = self.spatial_owners is not None
        owners: dict[Part, Tensor | None] = {
            "spatial": self.spatial_owners,
            "memory": self.memory_owners_LM[layer] if owned else None,
        }
        parts: dict[Part, PartTokens] = {
            part: PartTokens.full(n, device, owners.get(part)) for part, n in self.sizes.items()
        }
        for part, said in self.said.items():
            parts[part] = PartTokens(filling_BN=said.filling_BN)
        for part, region in self.regions.items():
            tokens = region.levels[level]
            owner = tokens.owners_BN if owned else None
            parts[part] = PartTokens(filling_BN=tokens.filling_BN, owners_BN=owner)
        return parts


def make_plan(
    config: PredictorConfig,
    pictures: int,
    prompts: SeemPrompts,
    touch: TouchedRegion | None,
    graph: GraphName,
    edges: Edges,
    draws: Draws,
) -> Plan:
    """Lays the parts out.

    Raises:
        PromptError: the prompts do not fit one another, the pictures or the graph.
    """
    said: dict[Part, PromptTokens] = {}
    if prompts.text is not None:
        said["text"] = prompts.text
    if prompts.audio is not None:
        said["audio"] = prompts.audio
    regions: dict[Part, TouchedRegion] = {}
    if touch is not None:
        regions["touch"] = touch
    if prompts.visual is not None:
        regions["visual"] = prompts.visual
    objects = max((region.objects for region in regions.values()), default=1)
    previous = prompts.previous_BOhw if regions or graph == "demo" else None
    _check_objects(objects, previous, graph)
    spatial = graph != "demo" and bool(regions)
    device = next((region.positive_BOC.device for region in regions.values()), torch.device("cpu"))
    choice = _choice(config, graph, objects, draws, device)
    sizes: dict[Part, int] = {"objects": config.queries}
    if graph != "demo" and said:
        sizes["grounding"] = config.queries
    if spatial:
        sizes["spatial"] = len(choice)
    if previous is not None:
        sizes["memory"] = config.memories
        device = previous.device
    sizes |= {part: tokens.values_BNC.shape[1] for part, tokens in said.items()}
    owners = torch.arange(objects, device=device).repeat_interleave(config.queries_per_object)
    return Plan(
        batch=_batch(pictures, said, regions, previous),
        edges=edges,
        sizes=sizes,
        said=said,
        regions=regions,
        choice=choice,
        spatial_owners=owners if graph == "v1" else None,
        memory_owners_LM=memory_owners(objects, config.depth, config.memories, draws, device),
        previous_BOhw=previous,
    )


def _choice(config: PredictorConfig, graph: GraphName, objects: int, draws: Draws, device: torch.device) -> Tensor:
    """All object queries, or in v1 a few for every object: given, drawn, or spread evenly."""
    if graph != "v1":
        return torch.arange(config.queries, device=device)
    count = config.queries_per_object
    if draws.query_choice is not None:
        choice = draws.query_choice.to(device).long()
        if choice.shape != (count * objects,):
            raise PromptError(
                f"A choice of {tuple(choice.shape)} queries was given for {objects} objects, expected {count} for each."
            )
        return choice
    if draws.generator is not None:
        return torch.randint(config.queries, (count * objects,), generator=draws.generator).to(device)
    spread = (2 * torch.arange(count, device=device) + 1) * config.queries // (2 * count)
    return spread.repeat(objects)


def _check_objects(objects: int, previous_BOhw: Tensor | None, graph: GraphName) -> None:
    if graph != "v1" and objects > 1:
        raise PromptError(
            f"{objects} objects in one sample were given, expected one in graph {graph!r}; "
            "use graph 'v1' or one sample per object."
        )
    if previous_BOhw is not None and (previous_BOhw.ndim != 4 or previous_BOhw.shape[1] != objects):
        raise PromptError(
            f"Previous masks of shape {tuple(previous_BOhw.shape)} were given, expected (samples, {objects}, h, w): "
            "one for each object."
        )


def _batch(
    pictures: int, said: dict[Part, PromptTokens], regions: dict[Part, TouchedRegion], previous: Tensor | None
) -> int:
    """The number of samples; what is given once serves all of them."""
    counts = {"pictures": pictures}
    counts |= {part: len(tokens.values_BNC) for part, tokens in said.items()}
    counts |= {part: len(region.positive_BOC) for part, region in regions.items()}
    if previous is not None:
        counts["previous masks"] = len(previous)
    if len(set(counts.values()) - {1}) > 1:
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise PromptError(f"The parts of a batch do not fit: {listed}; expected the same number, or one for all.")
    return max(counts.values())


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
