"""SEEM's decoder: queries look at the picture and at every kind of prompt, then become masks (paper 3).

Shapes: B samples, P pictures (B or 1), Q queries, R rows (what changes from layer to layer), N cells of a
feature level, C channels, h w mask grid, O objects, M memories, L layers, K classes.
"""

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from promptseg.errors import PromptError
from promptseg.models.blocks.mlp import ReluMLP
from promptseg.models.blocks.tokens import as_tokens
from promptseg.models.seem.attention import CrossAttentionLayer, FeedForwardLayer, SelfAttentionLayer
from promptseg.models.seem.config import CHANNELS, PredictorConfig, TextConfig
from promptseg.models.seem.graph import GraphName, allowed_pairs, attention_edges
from promptseg.models.seem.pixel_features import PixelFeatures
from promptseg.models.seem.plan import Plan, make_plan, memory_sight
from promptseg.models.seem.positions import sine_positions
from promptseg.models.seem.prompts import Draws, Prediction, QueryOutput, SeemOutput, SeemPrompts, Touch, TouchedRegion
from promptseg.models.seem.sampler import pooled_features, region_tokens, sample_touch
from promptseg.models.seem.text_encoder import TextEncoder

ABSENT = {"v0": 0.0, "v1": -1.0, "demo": 0.0}
"""What the pooled feature of an object without touched pixels is filled with."""


class Predictor(nn.Module):
    """Nine layers of masked cross-attention, self-attention over a graph, and a feed-forward net."""

    def __init__(self, config: PredictorConfig, text: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.lang_encoder = TextEncoder(text)
        self.query_feat = nn.Embedding(config.queries, CHANNELS)
        self.query_embed = nn.Embedding(config.queries, CHANNELS)
        self.level_embed = nn.Embedding(config.levels, CHANNELS)
        self.spatial_embed = nn.Embedding(config.memories, CHANNELS)
        self.spatial_featured = nn.Embedding(config.memories, CHANNELS)
        self.pn_indicator = nn.Embedding(2, CHANNELS)
        self.mask_sptial_embed = nn.ParameterList(_matrix() for _ in range(config.levels))
        depth = range(config.depth)
        self.transformer_cross_attention_layers = nn.ModuleList(CrossAttentionLayer() for _ in depth)
        self.transformer_self_attention_layers = nn.ModuleList(SelfAttentionLayer() for _ in depth)
        self.transformer_ffn_layers = nn.ModuleList(FeedForwardLayer() for _ in depth)
        self.decoder_norm = nn.LayerNorm(CHANNELS)
        self.class_embed = _matrix()
        self.mask_embed = ReluMLP(CHANNELS, CHANNELS, CHANNELS, 3)

    def forward(
        self,
        features: PixelFeatures,
        prompts: SeemPrompts,
        graph: GraphName,
        *,
        bank_KC: Tensor | None = None,
        text_sees_regions: bool = False,
        regions_see_text: bool = False,
        every_layer: bool = False,
        draws: Draws | None = None,
    ) -> SeemOutput:
        """Predicts masks for a batch of samples.

        Args:
            features: one picture for all samples, or one per sample.
            prompts: what was said; see `SeemPrompts`.
            graph: "v0" (one object per sample), "v1" (several) or "demo" (one; no copies of the queries).
            bank_KC: a unit vector per class, background last; without it there are no class logits.
            text_sees_regions: see `attention_edges`.
            regions_see_text: see `attention_edges`.
            every_layer: whether to return the nine earlier predictions too.
            draws: what to leave to chance; nothing by default.

        Raises:
            PromptError: the prompts do not fit one another, the picture or the graph.
        """
        draws = draws or Draws()
        edges = attention_edges(graph, text_sees_regions=text_sees_regions, regions_see_text=regions_see_text)
        touch = None if prompts.touch is None else self.look(features, prompts.touch, graph, draws)
        plan = make_plan(self.config, len(features), prompts, touch, graph, edges, draws)
        levels = [self._level(features, level) for level in range(self.config.levels)]
        x_BRC, position_BRC = self._rows(plan)
        earlier: list[Prediction] = []
        for layer in range(self.config.depth):
            level = layer % self.config.levels
            normed_BQC = self.decoder_norm(x_BRC[:, : plan.queries])
            embeddings_BQC = self.mask_embed(normed_BQC)
            if every_layer:
                earlier.append(self._prediction(normed_BQC, embeddings_BQC, features, plan, bank_KC))
            with torch.no_grad():
                sight_BRN = _sight(embeddings_BQC, features, plan, layer, level)
            x_BRC = self._layer(layer, x_BRC, position_BRC, levels[level], sight_BRN, plan)
        normed_BQC = self.decoder_norm(x_BRC[:, : plan.queries])
        last = self._prediction(normed_BQC, self.mask_embed(normed_BQC), features, plan, bank_KC)
        return SeemOutput(last=last, earlier=tuple(earlier), touch=touch)

    def look(
        self, features: PixelFeatures, touch: Touch, graph: GraphName, draws: Draws | None = None
    ) -> TouchedRegion:
        """Turns touched pixels of a picture into prompt tokens, for itself or for another picture.

        Raises:
            PromptError: the masks do not fit the picture or one another.
        """
        if len(features) not in (1, len(touch.positive)):
            raise PromptError(
                f"Touched pixels of {len(touch.positive)} samples were given for {len(features)} pictures, "
                "expected one picture, or one per sample."
            )
        generator = None if draws is None else draws.generator
        points = sample_touch(touch, features.size, self.config.max_points, generator)
        masks_PNC, grid = as_tokens(features.masks_BCHW), features.masks_BCHW.shape[-2:]
        means = (
            pooled_features(masks_PNC, (grid[0], grid[1]), kind, points.objects, ABSENT[graph])
            for kind in (points.positive, points.negative)
        )
        positive_BOC, negative_BOC = means
        levels = []
        for level, matrix_CC in enumerate(self.mask_sptial_embed):
            seen, negative_BN = region_tokens(self._level(features, level)[0], features.grid(level), points)
            values_BNC = seen.values_BNC @ matrix_CC + self.pn_indicator(negative_BN.long())
            levels.append(replace(seen, values_BNC=values_BNC))
        return TouchedRegion(levels=tuple(levels), positive_BOC=positive_BOC, negative_BOC=negative_BOC)

    def _level(self, features: PixelFeatures, level: int) -> tuple[Tensor, Tensor]:
        """Returns a level's features with its embedding, and the positions to add to them as keys."""
        features_PNC = as_tokens(features.levels_BCHW[level]) + self.level_embed.weight[level]
        position_NC = sine_positions(features.levels_BCHW[level].permute(0, 2, 3, 1)).flatten(0, 1)
        return features_PNC, position_NC

    def _rows(self, plan: Plan) -> tuple[Tensor, Tensor]:
        """Returns what changes from layer to layer, and the fixed positions of it."""
        content, place = self.query_feat.weight, self.query_embed.weight
        parts = {
            "objects": (content, place),
            "grounding": (content, place),
            "spatial": (content[plan.choice], place[plan.choice]),
            "memory": (self.spatial_featured.weight, self.spatial_embed.weight),
            **{part: (said.values_BNC, said.values_BNC.detach()) for part, said in plan.said.items()},
        }
        chosen = [parts[part] for part in plan.sizes]
        rows, places = (
            torch.cat([part.to(content.dtype).expand(plan.batch, -1, -1) for part in column], 1)
            for column in zip(*chosen, strict=True)
        )
        return rows, places

    def _layer(
        self,
        layer: int,
        x_BRC: Tensor,
        position_BRC: Tensor,
        level: tuple[Tensor, Tensor],
        sight_BRN: Tensor,
        plan: Plan,
    ) -> Tensor:
        cross = cast(CrossAttentionLayer, self.transformer_cross_attention_layers[layer])
        itself = cast(SelfAttentionLayer, self.transformer_self_attention_layers[layer])
        features_PNC, position_NC = level
        lookers = sight_BRN.shape[1]
        looked_BRC = cross(
            x_BRC[:, :lookers], position_BRC[:, :lookers], features_PNC + position_NC, features_PNC, sight_BRN
        )
        x_BRC = torch.cat([looked_BRC, x_BRC[:, lookers:]], 1)
        number = layer % self.config.levels
        allowed_BRA = allowed_pairs(plan.edges, plan.parts(layer, number, x_BRC.device))[:, : x_BRC.shape[1]]
        x_BRC = itself(x_BRC, position_BRC, plan.fixed(number, x_BRC), allowed_BRA)
        return self.transformer_ffn_layers[layer](x_BRC)

    def _prediction(
        self, normed_BQC: Tensor, embeddings_BQC: Tensor, features: PixelFeatures, plan: Plan, bank_KC: Tensor | None
    ) -> Prediction:
        """The heads, at full resolution."""
        captions_BQC = normed_BQC @ self.class_embed
        masks_PNC = as_tokens(features.masks_BCHW)
        masks_BQN = embeddings_BQC @ masks_PNC.transpose(1, 2)
        masks_BQhw = masks_BQN.unflatten(2, features.masks_BCHW.shape[-2:])
        groups: dict[str, QueryOutput] = {}
        start = 0
        for part in ("objects", "grounding", "spatial"):
            rows = slice(start, start + plan.sizes.get(part, 0))
            start = rows.stop
            if rows.stop > rows.start:
                groups[part] = QueryOutput(
                    masks_BQhw=masks_BQhw[:, rows],
                    captions_BQC=captions_BQC[:, rows],
                    mask_embeddings_BQC=embeddings_BQC[:, rows],
                )
        logits = None
        if bank_KC is not None:
            logits = self.lang_encoder.class_logits(groups["objects"].captions_BQC, bank_KC)
        return Prediction(
            class_logits_BQK=logits,
            objects=groups["objects"],
            grounding=groups.get("grounding"),
            spatial=groups.get("spatial"),
        )


def _matrix() -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(CHANNELS, CHANNELS), std=0.02))


def _sight(embeddings_BQC: Tensor, features: PixelFeatures, plan: Plan, layer: int, level: int) -> Tensor:
    """Returns (B, R, N): the cells that queries and memories look at. Those who would see none see all."""
    logits_BQN = embeddings_BQC @ features.guides[level].transpose(1, 2)
    sight_BRN = logits_BQN.sigmoid() >= 0.5
    if plan.previous_BOhw is not None:
        inside_BON = memory_sight(plan.previous_BOhw, features.grid(level))
        inside_BMN = inside_BON[:, plan.memory_owners_LM[layer]].expand(plan.batch, -1, -1)
        sight_BRN = torch.cat([sight_BRN, inside_BMN], 1)
    return sight_BRN | ~sight_BRN.any(2, keepdim=True)
