"""SEEM's training as a task: all queries name what is there, and copies of them answer touches, phrases and references.

The picture's features come from frozen parts, as in the official training; the predictor learns, but for its text
encoder. Every one of its ten predictions is supervised (specification B3).

Shapes: B objects, T objects of the picture, Q queries, K classes with the background, H W pixels, h w mask grid.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.errors import InputError
from promptseg.hands.strokes import click, first_touch
from promptseg.models.seem.pixel_features import PixelFeatures
from promptseg.models.seem.prompts import (
    Draws,
    Prediction,
    PromptTokens,
    QueryOutput,
    SeemOutput,
    SeemPrompts,
    Touch,
    choose_by_region,
    masks_of,
    region_scores,
)
from promptseg.models.seem.seem import Seem
from promptseg.models.seem.templates import sentences
from promptseg.models.seem.text_encoder import MAX_SCALE, phrase_tokens, unit, used_part
from promptseg.models.seem.tokenizer import tokenizer
from promptseg.train.losses import actual_iou, class_loss, point_mask_loss
from promptseg.train.matching import mask_costs, match
from promptseg.train.recipes.seem_finetune.clicks import next_click
from promptseg.train.recipes.seem_finetune.scenes import Scenes, SeemScene
from promptseg.vocabulary import BACKGROUND, plain_name

CLASS_COST, BCE_COST, DICE_COST = 2.0, 5.0, 5.0
PANOPTIC = (2.0, 5.0, 5.0)
PROMPTED = (0.4, 1.0, 1.0)
"""Weights of the loss of choosing (a class, a query), of cross entropy and of Dice; the official code's."""

TRIES = 1000
"""Pictures that are drawn until one has an object."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeemDialogueOptions:
    """How the simulated user behaves.

    Attributes:
        objects: of one picture that are asked for.
        rounds: the most clicks after the first touch.
        references: how often a picture is also asked for what another picture shows.
        points: places at which masks are compared.
    """

    objects: int = 4
    rounds: int = 5
    references: float = 0.25
    points: int = 12544


@dataclass(frozen=True, slots=True, eq=False)
class SeemBatch:
    """A picture, those of its objects that are asked for, and perhaps another picture with an object of one's class.

    Attributes:
        scene: the picture.
        chosen: numbers of the objects.
        shown: the other picture, its object, and the class of both.
    """

    scene: SeemScene
    chosen: tuple[int, ...]
    shown: tuple[SeemScene, int, int] | None


class SeemDialogue:
    """The task of learning to name objects and to answer prompts.

    Args:
        seem: the network; its predictor is trained but for the text encoder.
        scenes: the pictures.
        learned: which of them are learned from.
        held: which of them are measured.
        talk: see `SeemDialogueOptions`.
    """

    def __init__(
        self, seem: Seem, scenes: Scenes, learned: Sequence[int], held: Sequence[int], talk: SeemDialogueOptions
    ) -> None:
        self._seem, self._scenes, self._talk = seem.eval().requires_grad_(False), scenes, talk
        self._learned, self._known, self._held = list(learned), frozenset(learned), list(held)
        self.model: nn.Module = seem.predictor
        for name, parameter in seem.predictor.named_parameters():
            parameter.requires_grad_(not name.startswith("lang_encoder."))
        names = [*map(plain_name, scenes.names), BACKGROUND]
        with torch.inference_mode():
            bank_KC = seem.text.class_bank(torch.from_numpy(tokenizer()(sentences(name)).ids) for name in names)
        self._bank_KC = bank_KC.clone()

    def batch(self, random: np.random.Generator) -> SeemBatch:
        """Draws a picture, some of its objects, and perhaps another picture to show.

        Raises:
            InputError: no picture with an object is found.
        """
        index, scene = self._drawn(random)
        count = min(self._talk.objects, len(scene.masks))
        chosen = tuple(random.choice(len(scene.masks), count, replace=False).tolist())
        shown = self._shown(scene, chosen, index, random) if random.random() < self._talk.references else None
        return SeemBatch(scene, chosen, shown)

    def _drawn(self, random: np.random.Generator) -> tuple[int, SeemScene]:
        for _ in range(TRIES):
            index = self._learned[int(random.integers(len(self._learned)))]
            scene = self._scenes.read(index, random)
            if scene is not None:
                return index, scene
        raise InputError(
            f"{TRIES} pictures were drawn and none has an object as large as a pixel of the network's input."
        )

    def _shown(
        self, scene: SeemScene, chosen: Sequence[int], index: int, random: np.random.Generator
    ) -> tuple[SeemScene, int, int] | None:
        number = int(scene.classes[chosen[0]])
        others = [other for other in self._scenes.with_class(number, but=index) if other in self._known]
        if not others:
            return None
        other = self._scenes.read(others[int(random.integers(len(others)))], random)
        alike = [] if other is None else np.flatnonzero(other.classes == number).tolist()
        return None if other is None or not alike else (other, int(random.choice(alike)), number)

    def losses(self, batch: SeemBatch, random: np.random.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Talks about the chosen objects and yields the losses; then those of the reference, if there is one."""
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        features = self._embed(batch.scene)
        truth_THW = torch.from_numpy(batch.scene.masks).to(self._device)
        touch, previous = self._touched(batch, features, truth_THW[list(batch.chosen)], random, generator)
        said = [batch.scene.saying(number, self._scenes.names, random) for number in batch.chosen]
        tokens, spoken_BC = self._read([phrase for phrase, _ in said])
        named_BHW = torch.from_numpy(np.stack([mask for _, mask in said])).to(self._device)
        output = self.model(
            features,
            SeemPrompts(touch=touch, text=tokens, previous_BOhw=previous),
            "v0",
            bank_KC=self._bank_KC.to(self._device),
            every_layer=True,
            draws=Draws(generator=generator),
        )
        yield self._supervise(output, batch, truth_THW, named_BHW, spoken_BC, generator)
        if batch.shown is not None:
            yield self._supervise_shown(batch, batch.shown, features, truth_THW, generator)

    def evaluate(self) -> Mapping[str, float]:
        """Measures held-out pictures: IoU after one click, after three and of phrases; objects named right."""
        found: dict[str, list[float]] = {}
        for index in self._held:
            scene = self._scenes.read(index)
            if scene is not None:
                for name, value in self._measured(scene, index):
                    found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    @torch.no_grad()
    def _embed(self, scene: SeemScene) -> PixelFeatures:
        return self._seem.to(self._device)(torch.from_numpy(scene.image).to(self._device)).detach()

    @torch.no_grad()
    def _read(self, phrases: Sequence[str]) -> tuple[PromptTokens, Tensor]:
        """Returns the tokens of every phrase, and unit vectors (B, C) of what it says."""
        ids_BT = torch.from_numpy(tokenizer()(tuple(phrases)).ids).to(self._device)
        tokens_BTC, sentences_BC = self._seem.text(used_part(ids_BT))
        rows = [phrase_tokens(tokens_BTC[row : row + 1], ids_BT[row : row + 1]) for row in range(len(phrases))]
        return PromptTokens.of(rows), unit(sentences_BC)

    @torch.no_grad()
    def _touched(
        self,
        batch: SeemBatch,
        features: PixelFeatures,
        truth_BHW: Tensor,
        random: np.random.Generator,
        generator: torch.Generator,
    ) -> tuple[Touch, Tensor | None]:
        """Touches every object, and corrects the answers for some rounds; also returns the last answers' logits."""
        strokes = [first_touch(batch.scene.masks[number], random) for number in batch.chosen]
        positive_BHW = torch.from_numpy(np.stack(strokes)).to(self._device)
        negative_BHW, previous = torch.zeros_like(positive_BHW), None
        for _ in range(int(random.integers(self._talk.rounds + 1))):
            touch = _touch(positive_BHW, negative_BHW)
            previous = self._answer(features, touch, previous, Draws(generator=generator))
            clicked = next_click(truth_BHW, previous[:, 0], positive_BHW, negative_BHW)
            positive_BHW, negative_BHW = clicked.positive_NHW, clicked.negative_NHW
        return _touch(positive_BHW, negative_BHW), previous

    def _answer(
        self, features: PixelFeatures, touch: Touch, previous: Tensor | None, draws: Draws | None = None
    ) -> Tensor:
        """Returns the mask logits (B, 1, h, w) that answer touched pixels."""
        output: SeemOutput = self.model(features, SeemPrompts(touch=touch, previous_BOhw=previous), "v0", draws=draws)
        queries = _group(output.last.spatial)
        assert output.touch is not None  # noqa: S101 - pixels were touched
        chosen = choose_by_region(queries, output.touch.positive_BOC, per_object=False)
        return masks_of(queries, chosen).float()

    def _supervise(
        self,
        output: SeemOutput,
        batch: SeemBatch,
        truth_THW: Tensor,
        named_BHW: Tensor,
        spoken_BC: Tensor,
        generator: torch.Generator,
    ) -> Mapping[str, Tensor]:
        labels_T = torch.from_numpy(batch.scene.classes).to(self._device)
        total: dict[str, Tensor] = {}
        assert output.touch is not None  # noqa: S101 - pixels were touched
        asked_BHW = truth_THW[list(batch.chosen)]
        for prediction in (*output.earlier, output.last):
            _add(total, "", self._named(prediction, truth_THW, labels_T, generator))
            spatial, grounding = _group(prediction.spatial), _group(prediction.grounding)
            scores_BQ = region_scores(spatial, output.touch.positive_BOC)[..., 0]
            _add(total, "touch_", self._prompted(spatial, scores_BQ, asked_BHW, generator))
            scores_BQ = self._likeness(grounding, spoken_BC)
            _add(total, "text_", self._prompted(grounding, scores_BQ, named_BHW, generator))
        return total

    def _supervise_shown(
        self,
        batch: SeemBatch,
        shown: tuple[SeemScene, int, int],
        features: PixelFeatures,
        truth_THW: Tensor,
        generator: torch.Generator,
    ) -> Mapping[str, Tensor]:
        """All objects of a class are asked for by showing one in another picture."""
        other, number, label = shown
        touch = Touch(positive=[torch.from_numpy(other.masks[number : number + 1]).to(self._device)])
        draws = Draws(generator=generator)
        region = self.model.look(self._embed(other), touch, "v0", draws)  # type: ignore[operator]
        output = self.model(features, SeemPrompts(visual=region), "v0", every_layer=True, draws=draws)
        alike_T = torch.from_numpy(batch.scene.classes == label).to(self._device)
        asked_1HW = truth_THW[alike_T].any(0)[None]
        total: dict[str, Tensor] = {}
        for prediction in (*output.earlier, output.last):
            queries = _group(prediction.spatial)
            scores_BQ = region_scores(queries, region.positive_BOC)[..., 0]
            _add(total, "shown_", self._prompted(queries, scores_BQ, asked_1HW, generator))
        return total

    def _named(
        self, prediction: Prediction, truth_THW: Tensor, labels_T: Tensor, generator: torch.Generator
    ) -> Mapping[str, Tensor]:
        """Losses of the object queries, which ignore all prompts: those of the first sample are those of all."""
        assert prediction.class_logits_BQK is not None  # noqa: S101 - a bank was given
        logits_QK, masks_QHW = prediction.class_logits_BQK[0], prediction.objects.masks_BQhw[0]
        queries, targets = match(
            logits_QK,
            masks_QHW.detach(),
            labels_T,
            truth_THW,
            points=self._talk.points,
            class_cost=CLASS_COST,
            bce_cost=BCE_COST,
            dice_cost=DICE_COST,
            generator=generator,
        )
        wanted_Q = torch.full((len(logits_QK),), logits_QK.shape[1] - 1, device=labels_T.device)
        wanted_Q[queries] = labels_T[targets]
        bce, dice = point_mask_loss(masks_QHW[queries], truth_THW[targets], self._talk.points, generator)
        return _weighted(class_loss(logits_QK, wanted_Q), bce, dice, PANOPTIC)

    def _prompted(
        self, queries: QueryOutput, scores_BQ: Tensor, truth_BHW: Tensor, generator: torch.Generator
    ) -> Mapping[str, Tensor]:
        """Losses of queries that answer one prompt each: the best one is to be chosen, and to be right."""
        scores_BQ = scores_BQ.float()
        best: list[Tensor] = []
        for scores_Q, masks_QHW, truth_HW in zip(scores_BQ, queries.masks_BQhw, truth_BHW, strict=True):
            costs_Q1 = mask_costs(masks_QHW.detach(), truth_HW[None], self._talk.points, BCE_COST, DICE_COST, generator)
            best.append((costs_Q1[:, 0] - CLASS_COST * scores_Q.detach().softmax(0)).argmin())
        best_B = torch.stack(best)
        masks_BHW = queries.masks_BQhw[torch.arange(len(best_B), device=best_B.device), best_B]
        bce, dice = point_mask_loss(masks_BHW, truth_BHW, self._talk.points, generator)
        return _weighted(F.cross_entropy(scores_BQ, best_B), bce, dice, PROMPTED)

    def _likeness(self, queries: QueryOutput, spoken_BC: Tensor) -> Tensor:
        scale = self._seem.text.logit_scale.exp().clamp(max=MAX_SCALE)
        return scale * (unit(queries.captions_BQC) @ spoken_BC[:, :, None])[..., 0]

    def _measured(self, scene: SeemScene, index: int) -> Iterator[tuple[str, float]]:
        features = self._embed(scene)
        chosen = list(range(min(self._talk.objects, len(scene.masks))))
        truth_BHW = torch.from_numpy(scene.masks[chosen]).to(self._device)
        positive_BHW = torch.from_numpy(np.stack([click(mask) for mask in scene.masks[chosen]])).to(self._device)
        negative_BHW, previous = torch.zeros_like(positive_BHW), None
        for number in (1, 2, 3):
            previous = self._answer(features, _touch(positive_BHW, negative_BHW), previous)
            if number != 2:
                yield from ((f"iou_{number}", value) for value in _overlaps(previous[:, 0], truth_BHW))
            clicked = next_click(truth_BHW, previous[:, 0], positive_BHW, negative_BHW)
            positive_BHW, negative_BHW = clicked.positive_NHW, clicked.negative_NHW
        said = [scene.saying(number, self._scenes.names, np.random.default_rng(index)) for number in chosen]
        tokens, spoken_BC = self._read([phrase for phrase, _ in said])
        bank_KC = self._bank_KC.to(self._device)
        output: SeemOutput = self.model(features, SeemPrompts(text=tokens), "v0", bank_KC=bank_KC)
        queries = _group(output.last.grounding)
        best_B = self._likeness(queries, spoken_BC).argmax(1)
        masks_BHW = queries.masks_BQhw[torch.arange(len(best_B), device=best_B.device), best_B]
        named_BHW = torch.from_numpy(np.stack([mask for _, mask in said])).to(self._device)
        yield from (("iou_text", value) for value in _overlaps(masks_BHW, named_BHW))
        yield from (("named", value) for value in self._names_right(output.last, scene))

    def _names_right(self, prediction: Prediction, scene: SeemScene) -> Iterator[float]:
        """Whether the query whose mask fits an object best also names it."""
        assert prediction.class_logits_BQK is not None  # noqa: S101 - a bank was given
        labels_T = torch.from_numpy(scene.classes).to(self._device)
        truth_THW = torch.from_numpy(scene.masks).to(self._device)
        generator = torch.Generator().manual_seed(0)
        queries, targets = match(
            None, prediction.objects.masks_BQhw[0], labels_T, truth_THW, points=self._talk.points, generator=generator
        )
        named = prediction.class_logits_BQK[0, queries, :-1].argmax(1) == labels_T[targets]
        yield from named.float().tolist()


def _touch(positive_BHW: Tensor, negative_BHW: Tensor) -> Touch:
    """One object per sample."""
    return Touch(positive=list(positive_BHW[:, None]), negative=list(negative_BHW[:, None]))


def _group(queries: QueryOutput | None) -> QueryOutput:
    assert queries is not None  # noqa: S101 - the prompts call for the group
    return queries


def _weighted(choice: Tensor, bce: Tensor, dice: Tensor, weights: tuple[float, float, float]) -> Mapping[str, Tensor]:
    return {"class": weights[0] * choice, "mask": weights[1] * bce, "dice": weights[2] * dice}


def _add(total: dict[str, Tensor], prefix: str, found: Mapping[str, Tensor]) -> None:
    for name, value in found.items():
        total[prefix + name] = total[prefix + name] + value if prefix + name in total else value


def _overlaps(logits_Bhw: Tensor, truth_BHW: Tensor) -> list[float]:
    size = (truth_BHW.shape[1], truth_BHW.shape[2])
    large_BHW = F.interpolate(logits_Bhw[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]
    return actual_iou(large_BHW, truth_BHW.float()).tolist()
