"""`VideoTrack`: prompts at any frames of a clip, and the masks that follow from them on all others."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import InputError, PromptError
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import downsample_mask
from promptseg.progress import Progress
from promptseg.prompts.encode import MASK_LOGIT
from promptseg.prompts.request import Request, says_what
from promptseg.prompts.types import Mask, ObjectPrompts, Prompt
from promptseg.segment.places.refine import PlaceAnswer, refine
from promptseg.segment.sam import SamSegmenter
from promptseg.segment.words.tasks import answer_as_one
from promptseg.stopping import check_stop
from promptseg.video.clips import Clip, ClipFrame
from promptseg.video.follow import Followed, Target, follow
from promptseg.video.look import Eyes, Look
from promptseg.video.memory import Memory, Remembered

Direction = Literal["forward", "backward", "both"]

AGREED, IN_A_ROW = 0.97, 3
"""A correction has no further effect where so many frames in a row come out as they were, by this IoU."""
CUT = 0.15
"""Where cells are on average less like those at their place in the frame before, another scene begins."""


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """A frame with the masks of the objects that are to be seen on it."""

    frame: ClipFrame
    segments: Segments

    @property
    def number(self) -> int:
        """Its number in the clip, from 0."""
        return self.frame.number

    @property
    def seconds(self) -> float:
        """When it is shown."""
        return self.frame.seconds


@dataclass(slots=True, eq=False)
class TrackedObject:
    """What is known of an object: its prompts by frames, and its masks.

    Attributes:
        label: what it is, if somebody said.
        prompts: by the numbers of their frames.
        masks: mask and confidence, by the numbers of frames; the mask is empty where the object is not to be seen.
    """

    label: str | None = None
    prompts: dict[int, ObjectPrompts] = field(default_factory=dict[int, ObjectPrompts])
    masks: dict[int, tuple[RLE, float]] = field(default_factory=dict[int, tuple[RLE, float]])
    known: dict[int, Remembered] = field(default_factory=dict[int, Remembered], repr=False)
    logits: dict[int, Float32] = field(default_factory=dict[int, Float32], repr=False)
    changed: set[int] = field(default_factory=set[int])


@dataclass(slots=True, eq=False)
class _Run:
    """An object on its way from a frame with prompts to the last frame that follows from it."""

    key: int
    begin: int
    end: float
    target: Target | None = None
    agreed: int = 0


class VideoTrack:
    """Follows objects through a clip. `Segmenter.video` begins one.

    Each frame follows from the nearest frame with prompts. What is kept of the clip is bounded: the masks as run
    lengths, the vectors of frames with prompts and of a few others; frames are decoded again where they are needed.

    Args:
        segmenter: what answers prompts and embeds frames.
        clip: the clip.
    """

    def __init__(self, segmenter: SamSegmenter, clip: Clip) -> None:
        self._segmenter, self.clip = segmenter, clip
        self._eyes_of: Eyes | None = None
        self._objects: dict[int, TrackedObject] = {}

    @property
    def objects(self) -> Mapping[int, TrackedObject]:
        """The objects by their ids."""
        return self._objects

    def add(self, *prompts: Prompt, frame: int | None = None, object_id: int = 0, label: str | None = None) -> Segments:
        """Adds prompts to an object on a frame; they correct the mask that it has there, if it has one.

        A mask of the whole picture is taken as it is. Other frames change with the next `propagate`.

        Args:
            prompts: what to add.
            frame: the frame's number, from 0; by default the first that is looked at.
            object_id: which object they speak of; a new number begins a new one.
            label: what it is called from now on.

        Returns:
            The masks of all objects on the frame.

        Raises:
            PromptError: a prompt is malformed or does not fit the picture, or nothing is positive.
            InputError: there is no such frame.
        """
        if not prompts:
            raise PromptError("Give at least one prompt to add.")
        Request.of([prompts])  # refuses what is no prompt
        item = self.clip.frame(self.clip.selection.start if frame is None else frame)
        known = self._objects.get(object_id) or TrackedObject()
        look = self._eyes.look(item.image)
        answer = self._answer(known, item.number, look, prompts)
        known.label = label or known.label or answer.label
        known.prompts[item.number] = answer.prompts
        known.logits[item.number] = answer.logits
        known.masks[item.number] = (answer.mask, 1.0)
        known.known[item.number] = Remembered.of(item.number, look, look.shares_of(answer.mask.dense()))
        known.changed.add(item.number)
        self._objects[object_id] = known
        return self.segments(item)

    def _answer(self, known: TrackedObject, number: int, look: Look, prompts: ObjectPrompts) -> PlaceAnswer:
        embedded, segmenter = look.embedded, self._segmenter
        if len(prompts) == 1 and isinstance(prompts[0], Mask) and prompts[0].positive:
            mask = prompts[0].touched(embedded.size, embedded.size)
            prompts[0].check_inside(embedded.size)
            return PlaceAnswer(prompts, RLE.encode(mask), _logits_of(mask, look), 1.0, embedded)
        before = self._before(known, number, look)
        if says_what(prompts):
            return answer_as_one(
                segmenter.meaning, segmenter.runtime, embedded, before, prompts, "auto", segmenter.companions
            )
        return refine(segmenter.runtime, embedded, before, prompts, companions=segmenter.companions)

    def _before(self, known: TrackedObject, number: int, look: Look) -> PlaceAnswer | None:
        mask, score = known.masks.get(number, (None, 0.0))
        if mask is None or not mask.area:
            return None
        logits = known.logits.get(number)
        given = known.prompts.get(number, ())
        prompts = () if any(isinstance(prompt, Mask) for prompt in given) else given
        logits = _logits_of(mask.dense(), look) if logits is None else logits
        return PlaceAnswer(prompts, mask, logits, score, look.embedded)

    def remove(self, object_id: int) -> None:
        """Forgets an object; nothing happens where there is none of this id."""
        self._objects.pop(object_id, None)

    def segments(self, frame: ClipFrame | int) -> Segments:
        """Returns the masks of the objects that are to be seen on a frame, as far as they are known."""
        number = frame if isinstance(frame, int) else frame.number
        seen = [(key, item, *item.masks[number]) for key, item in self._objects.items() if number in item.masks]
        seen = [each for each in seen if each[2].area]
        return Segments(
            self.clip.size,
            tuple(mask for _, _, mask, _ in seen),
            np.array([score for *_, score in seen], np.float32),
            tuple(item.label for _, item, *_ in seen),
            object_ids=np.array([key for key, *_ in seen], np.int64),
            image=None if isinstance(frame, int) else frame.image.pixels,
        )

    def frames(self) -> Iterator[TrackedFrame]:
        """Yields all frames in order, with the masks that are known."""
        for item in self.clip.forward():
            yield TrackedFrame(item, self.segments(item))

    def propagate(self, direction: Direction = "both", *, on_progress: Progress | None = None) -> Iterator[TrackedFrame]:
        """Follows objects from the frames whose prompts changed; yields every frame that it comes to, as it is done.

        Frames are followed forwards first, in the order of the clip, then backwards. After a correction only the
        frames that it changes are visited.

        Args:
            direction: "forward", "backward" or "both".
            on_progress: called with (frames done, frames in all, as far as one can tell).

        Raises:
            InputError: an unknown direction, or the clip breaks a limit.
            PromptError: there are no prompts.
        """
        if direction not in get_args(Direction):
            raise InputError(f"Unknown direction {direction!r}: expected {', '.join(get_args(Direction))}.")
        if not self._objects:
            raise PromptError("There is nothing to follow yet: add prompts first.")
        ways = [way for way in ("forward", "backward") if direction in (way, "both")]
        runs = {way: self._runs(way == "forward") for way in ways}
        total = sum(self._length(each, way == "forward") for way, each in runs.items())
        done = 0
        for way in ways:
            for item in self._sweep(runs[way], way == "forward"):
                done += 1
                if on_progress is not None:
                    on_progress(min(done, total), total)
                yield item
        for known in self._objects.values():
            if direction == "both":
                known.changed.clear()

    def _runs(self, forward: bool) -> list[_Run]:
        """Returns the runs that start from changed prompts, each up to where another frame with prompts is nearer."""
        runs: list[_Run] = []
        for key, known in self._objects.items():
            for number in known.changed:
                others = [each for each in known.prompts if (each > number) == forward and each != number]
                end = np.inf if forward else -np.inf
                if others:
                    other = min(others) if forward else max(others)
                    end = (number + other) // 2 if forward else (number + other) // 2 + 1
                runs.append(_Run(key, number, end))
        return runs

    def _length(self, runs: Iterable[_Run], forward: bool) -> int:
        chosen = self.clip.selection
        last = (self.clip.total or 0) * chosen.stride + chosen.start
        reached = [(run.begin, min(last, run.end)) if forward else (max(chosen.start, run.end), run.begin) for run in runs]
        if not reached:
            return 0
        first, end = min(begin for begin, _ in reached), max(end for _, end in reached)
        return max(1, int(end - first) // chosen.stride)

    def _sweep(self, runs: list[_Run], forward: bool) -> Iterator[TrackedFrame]:
        if not runs:
            return
        if forward:
            frames = self.clip.forward(min(run.begin for run in runs))
        else:
            frames = self.clip.backward(max(run.begin for run in runs) + 1)
        before: Look | None = None
        for item in frames:
            check_stop()
            number = item.number
            runs = [run for run in runs if (number <= run.end if forward else number >= run.end)]
            if not runs:
                return
            active = [run for run in runs if run.target is not None]
            begun = [run for run in runs if run.begin == number]
            if not active and not begun:
                continue
            look = self._eyes.look(item.image)
            if active:
                cut = before is not None and _is_cut(before, look)
                found = follow(
                    self._segmenter.runtime, look, number, {run.key: run.target for run in active if run.target}, cut=cut
                )
                ended = [run for run in active if self._take(run, number, found[run.key])]
                runs = [run for run in runs if run not in ended]
            for run in begun:
                run.target = self._target(run)
            before = look
            yield TrackedFrame(item, self.segments(item))

    def _take(self, run: _Run, number: int, found: Followed) -> bool:
        """Stores what was found; tells whether the run has no further effect."""
        masks = self._objects[run.key].masks
        old = masks.get(number)
        masks[number] = (found.mask, found.score)
        same = old is not None and (iou(old[0], found.mask) if old[0].area or found.mask.area else 1.0) >= AGREED
        run.agreed = run.agreed + 1 if same else 0
        return run.agreed >= IN_A_ROW

    def _target(self, run: _Run) -> Target:
        known = self._objects[run.key]
        for number in known.prompts:
            if number not in known.known:  # of a session that was restored
                self._remember(known, number)
        memory = Memory(list(known.known.values()))
        start = known.known[run.begin]
        return Target(memory, known.logits[run.begin], start.shares.reshape(-1, 64))

    def _remember(self, known: TrackedObject, number: int) -> None:
        look = self._eyes.look(self.clip.frame(number).image)
        mask = known.masks[number][0].dense()
        known.known[number] = Remembered.of(number, look, look.shares_of(mask))
        known.logits[number] = _logits_of(mask, look)

    @property
    def _eyes(self) -> Eyes:
        if self._eyes_of is None:
            self._eyes_of = Eyes(self._segmenter, self.clip.frame(self.clip.selection.start).image)
        return self._eyes_of


def _logits_of(mask: np.ndarray, look: Look) -> Float32:  # type: ignore[type-arg]
    drawn = downsample_mask(mask.astype(np.float32), look.frame)
    return np.asarray((2 * drawn - 1) * MASK_LOGIT, np.float32)


def _is_cut(before: Look, now: Look) -> bool:
    return float((before.cells * now.cells).sum(axis=0).mean()) < CUT
