"""From one picture of a clip to the next: where objects are now, drawn by SAM.

The memory tells softly where an object is; SAM is asked there in several ways, and of its masks that one answers which
agrees best with the memory, with SAM's own score, and with the mask before. Objects compete for cells and for pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from promptseg.arrays import BoolArray, Float32, Float64
from promptseg.geometry import LABEL_BOX_END, LABEL_BOX_START, LABEL_PAD, LABEL_POSITIVE, MaskGrid
from promptseg.masks.distance import distance_transform, interior_points
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE
from promptseg.prompts.encode import EncodedObject
from promptseg.prompts.shapes import box_of
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.places.predictor import decode
from promptseg.video.look import SIDE, Look, Window, resampled, window_around
from promptseg.video.memory import ObjectMemory, Remembered

REACH, FALL, FLOOR = 6.0, 6.0, 0.2
"""An object is expected within so many cells of the whole picture of where it was; beyond, its map falls in as many to
the least."""
PART = 0.2
"""Regions of a map with less than this share of the largest one's mass are no part of the object."""
GAIN, MOST = 20.0, 10.0
"""How maps become mask prompts: logits at probability 1 and 0, and where they end."""
AGREEMENT, SCORE, BEFORE = 1.0, 0.5, 0.2
"""What counts for the choice: agreement with the map, SAM's score, and likeness to the mask before."""
SIZE, STEADY = 0.2, 2.0
"""What it costs a mask to be so many times larger or smaller than the one before, or more, for each time e beyond."""
SEEN = 0.25
"""An object whose best mask agrees with its map by less is not to be seen."""
GOOD = 0.6
"""A mask that agrees with its map by so much is worth remembering."""
LEAST = 0.3
"""A map that is nowhere higher shows nothing."""


@dataclass(slots=True, eq=False)
class Sought:
    """An object while it is followed.

    Attributes:
        memory: how it looked.
        mask: where it was seen last.
        hidden: on how many pictures it has not been seen since.
        logits: of the last mask, (256, 256), with the window that they lie on.
        carried: the last mask where its pixels are on the next picture, if that is known.
    """

    memory: ObjectMemory
    mask: RLE
    hidden: int = 0
    logits: tuple[Window, Float32] | None = field(default=None, repr=False)
    carried: RLE | None = field(default=None, repr=False)

    @property
    def place(self) -> RLE:
        """Where the object probably is on the next picture."""
        return self.mask if self.carried is None else self.carried

    @property
    def window(self) -> Window:
        """The part of the next picture to look for it in."""
        return window_around(self.place, self.hidden)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """An object on a picture.

    Attributes:
        mask: its mask; empty where it is not to be seen.
        score: how sure that is, from 0 to 1.
    """

    mask: RLE
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    logits: Float32
    shares: Float32
    agreement: float
    worth: float


def follow(
    runtime: Runtime, looks: Mapping[int, Look], number: int, targets: Mapping[int, Sought], *, cut: bool = False
) -> dict[int, Followed]:
    """Finds objects on the next picture, and lets them remember it.

    Args:
        runtime: what decodes.
        looks: the picture as each object sees it, by their ids.
        number: the picture's number in the clip.
        targets: the objects by their ids; they are changed.
        cut: whether it begins another scene, so that places say nothing.
    """
    maps = {key: _map(target, looks[key], number, cut) for key, target in targets.items()}
    for group in _groups(looks):
        maps.update(_shared({key: maps[key] for key in group}))
    chosen = {key: _best(runtime, looks[key], target, maps[key]) for key, target in targets.items()}
    logits = {key: found.logits for key, found in chosen.items() if found is not None}
    for group in _groups(looks):
        logits.update(_parted({key: logits[key] for key in group if key in logits}))
    masks = {key: looks[key].mask_of(each) for key, each in logits.items()}
    if len(masks) > 1:
        masks = _apart(masks, {key: found.agreement for key, found in chosen.items() if found is not None})
    answers: dict[int, Followed] = {}
    for key, target in targets.items():
        found, mask = chosen[key], masks.get(key)
        if found is None or mask is None or not mask.area:
            target.hidden += 1
            target.memory.forget_last()
            answers[key] = Followed(RLE.empty(looks[key].size), 0.0)
            continue
        target.mask, target.hidden, target.logits = mask, 0, (looks[key].window, logits[key])
        seen = Remembered.of(number, looks[key], looks[key].shares(logits[key]))
        target.memory.keep(seen, good=found.agreement >= GOOD)
        answers[key] = Followed(mask, found.agreement)
    return answers


def _groups(looks: Mapping[int, Look]) -> list[list[int]]:
    """Returns the objects that see the same part of the picture."""
    groups: dict[Window, list[int]] = {}
    for key, look in looks.items():
        groups.setdefault(look.window, []).append(key)
    return [*groups.values()]


def _map(target: Sought, look: Look, number: int, cut: bool) -> Float32:
    """Returns how probably each cell shows the object, where it was expected more readily than elsewhere."""
    probable = target.memory.map(number, look)
    where = look.shares_of(target.place) >= 0.5
    if cut or not where.any():
        return probable
    x0, y0, x1, y1 = look.window
    scale = max(look.size) / max(x1 - x0, y1 - y0)  # a part is seen in finer cells
    away = np.maximum(distance_transform(~where, border=False) / scale - REACH * (1 + target.hidden), 0)
    return np.asarray(probable * np.maximum(FLOOR, np.exp(-away / FALL)), np.float32)


def _shared(maps: Mapping[int, Float32]) -> dict[int, Float32]:
    """Lets objects compete: each keeps its share of a cell that several claim."""
    if len(maps) < 2:
        return dict(maps)
    whole = np.maximum(sum(maps.values()), 1e-6)
    return {key: np.asarray(each * np.minimum(1, 1.5 * each / whole), np.float32) for key, each in maps.items()}


def _parted(logits: Mapping[int, Float32]) -> dict[int, Float32]:
    """Gives every place that several masks claim to the surest."""
    if len(logits) < 2:
        return dict(logits)
    most = np.max(list(logits.values()), axis=0)
    return {key: np.where(each < most, np.minimum(each, -np.float32(1)), each) for key, each in logits.items()}


def _apart(masks: Mapping[int, RLE], scores: Mapping[int, float]) -> dict[int, RLE]:
    """Gives pixels that several masks still claim, at their borders or in other windows, to the surest."""
    taken: BoolArray | None = None
    left: dict[int, RLE] = {}
    for key in sorted(masks, key=lambda each: -scores[each]):
        dense = masks[key].dense()
        left[key] = masks[key] if taken is None or not (dense & taken).any() else RLE.encode(dense & ~taken)
        taken = dense if taken is None else taken | dense
    return left


def _best(runtime: Runtime, look: Look, target: Sought, probable: Float32) -> _Candidate | None:
    """Asks SAM where the map says; returns the mask that fits best, or None where the object is not to be seen."""
    if probable.max() < LEAST:
        return None
    grid = _enlarged(probable)
    region = _region(grid)
    hint = np.clip((grid - 0.5) * GAIN, -MOST, MOST).astype(np.float32)
    items = [_asked(region, 1), _asked(region, 1, hint), _asked(region, 3, hint), _asked(region, 3, box=False)]
    if not target.hidden:
        same = target.logits is not None and target.logits[0] == look.window
        last = target.logits[1] if same and target.logits is not None else look.logits_of(target.mask)
        items += [_asked(last > 0, 1, last)] if (last > 0).any() else []
        if target.carried is not None:
            moved = look.logits_of(target.carried)
            items += [_asked(moved > 0, 1, moved), _asked(moved > 0, 1)] if (moved > 0).any() else []
    before = look.shares_of(target.place)
    candidates: list[_Candidate] = []
    for answer in decode(runtime, look.embedded, items):
        for logits, score in zip(answer.logits, answer.scores.tolist(), strict=True):
            shares = look.shares(logits)
            if not shares.any():
                continue
            agreement = _likeness(shares, probable)
            steady = 0.0 if target.hidden else _likeness(shares, before)
            change = abs(float(np.log(shares.sum() / before.sum()))) - np.log(STEADY) if before.any() else 0.0
            worth = AGREEMENT * agreement + SCORE * score + BEFORE * steady - SIZE * max(0.0, float(change))
            candidates.append(_Candidate(logits, shares, agreement, worth))
    best = max(candidates, key=lambda item: item.worth, default=None)
    return None if best is None or best.agreement < SEEN else best


def _enlarged(probable: Float32) -> Float32:
    """Brings a map to SAM's grid (256, 256)."""
    whole = np.concatenate([probable, np.repeat(probable[-1:], SIDE - len(probable), axis=0)])
    return resampled(whole[None], MaskGrid.SIDE)[0]


def _region(grid: Float32) -> BoolArray:
    """Returns where the object is, without the small regions that only look like it."""
    inside = grid > min(0.5, 0.8 * float(grid.max()))
    parts = [part.dense() for part in components(RLE.encode(inside))]
    if len(parts) < 2:
        return inside
    masses = [float(grid[part].sum()) for part in parts]
    kept = [part for part, mass in zip(parts, masses, strict=True) if mass >= PART * max(masses)]
    return np.asarray(np.any(kept, axis=0))


def _asked(mask: BoolArray, points: int, logits: Float32 | None = None, *, box: bool = True) -> EncodedObject:
    """Returns SAM's tokens of a region of the grid: points inside, the box around, and perhaps the mask."""
    cell = MaskGrid.CELL
    places = [(cell * x - 0.5, cell * y - 0.5) for x, y in interior_points(mask, points)]
    labels = [LABEL_POSITIVE] * len(places)
    if box:
        corners: Float64 = np.array(box_of(mask), np.float64).reshape(2, 2) * cell
        places += [(float(x), float(y)) for x, y in corners]
        labels += [LABEL_BOX_START, LABEL_BOX_END]
    else:
        places.append((0.0, 0.0))
        labels.append(LABEL_PAD)
    return EncodedObject(np.array(places, np.float32), np.array(labels, np.int64), logits, ambiguous=False)


def _likeness(first: Float32, second: Float32) -> float:
    """Returns the soft IoU of two maps."""
    return float(np.minimum(first, second).sum() / max(float(np.maximum(first, second).sum()), 1e-6))
