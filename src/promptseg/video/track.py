"""`VideoTrack`: prompts at any frames of a clip, and the masks that follow from them on all others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import InputError, PromptError
from promptseg.images import Image
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.progress import Progress
from promptseg.prompts.request import Request, says_what
from promptseg.prompts.types import Mask, ObjectPrompts, Prompt, WordPrompt
from promptseg.segment.places.refine import PlaceAnswer, refine
from promptseg.segment.sam import SamSegmenter
from promptseg.segment.words.tasks import answer_as_one
from promptseg.speech.hear import heard
from promptseg.stopping import check_stop
from promptseg.video.between import AGREE, between, carried, flow
from promptseg.video.clips import Clip, ClipFrame
from promptseg.video.follow import Followed, Sought, follow
from promptseg.video.look import Eyes, Look, window_around
from promptseg.video.memory import ObjectMemory, Remembered
from promptseg.video.objects import TrackedObject, objects_from_json, objects_to_json
from promptseg.video.words import MISSED, SAME, SECONDS, SURE, Finder, mean_vector, sort_finds

FORMAT = 1
"""Version of the JSON record."""

Direction = Literal["forward", "backward", "both"]

AGREED, IN_A_ROW = 0.97, 3
"""A correction has no further effect where so many frames in a row come out as they were, by this IoU."""
CUT = 0.5
"""Where frames share less of their colours, another scene begins."""


def check_direction(direction: str) -> None:
    """Refuses unknown directions.

    Raises:
        InputError: it is unknown.
    """
    if direction not in get_args(Direction):
        raise InputError(f"Unknown direction {direction!r}: expected {', '.join(get_args(Direction))}.")


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
class _Run:
    """An object on its way from a frame with prompts to the last frame that follows from it."""

    key: int
    begin: int
    end: float
    target: Sought | None = None
    agreed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Passed:
    """A key frame, and the masks of the objects that came there."""

    frame: ClipFrame
    masks: Mapping[int, RLE]


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
        self._finders: list[Finder] = []
        self._searched = False

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
        known.known.pop(item.number, None)
        known.changed.add(item.number)
        self._objects[object_id] = known
        return self.segments(item)

    def _answer(self, known: TrackedObject, number: int, look: Look, prompts: ObjectPrompts) -> PlaceAnswer:
        embedded, segmenter = look.embedded, self._segmenter
        if len(prompts) == 1 and isinstance(prompts[0], Mask) and prompts[0].positive:
            mask = prompts[0].touched(embedded.size, embedded.size)
            prompts[0].check_inside(embedded.size)
            drawn = RLE.encode(mask)
            return PlaceAnswer(prompts, drawn, look.logits_of(drawn), 1.0, embedded)
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
        logits = look.logits_of(mask) if logits is None else logits
        return PlaceAnswer(prompts, mask, logits, score, look.embedded)

    def find(self, *prompts: WordPrompt) -> None:
        """Has everything looked for that fits a phrase or a reference: each find becomes an object of its own.

        The next `propagate` looks every half second, and where another scene begins. What is found again is the same
        object, also after it was out of sight; what is not found for some looks is not followed any more.

        Raises:
            PromptError: it is no phrase and no reference.
        """
        given: tuple[Any, ...] = prompts
        if not given or not all(isinstance(prompt, WordPrompt) for prompt in given):
            raise PromptError("Give what is to be found as Text, Audio or Reference.")
        words = tuple(prompt for prompt in heard(prompts) if isinstance(prompt, WordPrompt))
        self._finders.append(Finder(words))
        self._searched = True

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

    def propagate(
        self, direction: Direction = "both", *, every: int = 1, on_progress: Progress | None = None
    ) -> Iterator[TrackedFrame]:
        """Follows objects from the frames whose prompts changed; yields every frame that it comes to, as it is done.

        Frames are followed forwards first, in the order of the clip, then backwards. After a correction only the
        frames that it changes are visited.

        Args:
            direction: "forward", "backward" or "both".
            every: how many frames apart key frames are, on which the networks look. Between them masks are carried
                over by block matching from both sides, and where these do not agree, there is a key frame more.
            on_progress: called with (frames done, frames in all, as far as one can tell).

        Raises:
            InputError: an unknown direction or distance, or the clip breaks a limit.
            PromptError: there are no prompts.
        """
        check_direction(direction)
        if every < 1:
            raise InputError(f"Key frames are at least 1 frame apart, got {every}.")
        if not self._objects and not self._finders and not self._searched:
            raise PromptError("There is nothing to follow yet: add prompts first.")
        done = total = 0
        for way in ("forward", "backward"):
            if direction not in (way, "both"):
                continue
            runs = self._runs(way == "forward")
            finders = self._finders if way == "forward" else []
            total = done + self._length(runs, way == "forward", bool(finders))
            shown = way == "forward" or direction == way
            for item in self._sweep(runs, finders, way == "forward", every=every, show_begin=shown):
                done += 1
                if on_progress is not None:
                    on_progress(min(done, total), total)
                yield item
            if way == "forward":
                self._finders = []
        if direction == "both":
            for known in self._objects.values():
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

    def _length(self, runs: Iterable[_Run], forward: bool, whole: bool) -> int:
        """Returns how many frames will be visited, as far as one can tell."""
        if whole:
            return self.clip.total or 1
        chosen = self.clip.selection
        last = (self.clip.total or 0) * chosen.stride + chosen.start
        ends = [min(last, run.end) if forward else max(chosen.start, run.end) for run in runs]
        begins = [run.begin for run in runs]
        if not begins:
            return 0
        reach = max(ends) - min(begins) if forward else max(begins) - min(ends)
        return max(1, int(reach) // chosen.stride)

    def _sweep(
        self, runs: list[_Run], finders: Sequence[Finder], forward: bool, *, every: int, show_begin: bool
    ) -> Iterator[TrackedFrame]:
        if not runs and not finders:
            return
        if not forward:
            frames = self.clip.backward(max(run.begin for run in runs) + 1)
        else:
            frames = self.clip.forward(self.clip.selection.start if finders else min(run.begin for run in runs))
        step = self.clip.selection.stride
        pause = max(1, round(SECONDS * self.clip.rate / step))
        colours: Float32 | None = None
        before: _Passed | None = None
        waiting: list[ClipFrame] = []
        for place, item in enumerate(frames):
            check_stop()
            number = item.number
            runs = [run for run in runs if (number <= run.end if forward else number >= run.end)]
            if not runs and not finders:
                break
            begun = [run for run in runs if run.begin == number and run.target is None]
            if not begun and not finders and all(run.target is None for run in runs):
                continue
            new = _colours(item.image)
            cut = colours is not None and float(np.minimum(colours, new).sum()) < CUT
            colours = new
            looked = bool(finders) and (cut or place % pause == 0)
            ends = any(abs(run.end - number) < every * step for run in runs)
            if place % every and before is not None and not (begun or cut or looked or ends):
                waiting.append(item)
                continue
            if cut:  # what waits lies before it, and has no second side
                yield from self._each(waiting, runs, before)
                waiting = []
            moved = {run.key: run for run in runs if run.target is not None}
            runs = self._step(item, runs, None if before is None else before.frame, cut=cut)
            for run in begun:
                run.target = self._target(run)
            for finder in finders if looked else ():
                runs = self._found(finder, item, runs)
            there = {key: self._objects[key].masks for key in moved}
            passed = _Passed(item, {key: masks[number][0] for key, masks in there.items() if number in masks})
            if before is not None:
                for each in waiting:
                    self._between(before, passed, each, moved)
                    yield TrackedFrame(each, self.segments(each))
            waiting = []
            before = _Passed(item, {run.key: self._objects[run.key].masks[number][0] for run in runs if run.target})
            if moved or finders or show_begin:
                yield TrackedFrame(item, self.segments(item))
        yield from self._each(waiting, runs, before)

    def _each(self, waiting: Iterable[ClipFrame], runs: list[_Run], before: _Passed | None) -> Iterator[TrackedFrame]:
        """Follows frame by frame through what waited in vain for a key frame behind it."""
        last = None if before is None else before.frame
        for item in waiting:
            self._step(item, runs, last, cut=False)
            last = item
            yield TrackedFrame(item, self.segments(item))

    def _step(self, item: ClipFrame, runs: list[_Run], last: ClipFrame | None, *, cut: bool) -> list[_Run]:
        """Follows to a frame, from the one that was looked at last; returns the runs that go on."""
        targets = {run.key: run.target for run in runs if run.target is not None}
        if not targets:
            return runs
        moved = None if last is None or cut else flow(item.image, last.image)
        for each in targets.values():
            mask = None if moved is None or each.hidden else RLE.encode(carried(each.mask, moved) > 0.5)
            each.carried = mask if mask is not None and mask.area else None
        looks = {key: self._eyes.look(item.image, None if cut else each.window) for key, each in targets.items()}
        found = follow(self._segmenter.runtime, looks, item.number, targets, cut=cut)
        return [run for run in runs if run.target is None or not self._take(run, item.number, found[run.key])]

    def _between(self, first: "_Passed", last: "_Passed", item: ClipFrame, runs: Mapping[int, _Run]) -> None:
        """Fills a frame between two key frames; where both sides do not agree, it is looked at like these."""
        doubtful: dict[int, Sought] = {}
        moved = [flow(item.image, each.frame.image) for each in (first, last)]
        for key, run in runs.items():
            if key not in first.masks or key not in last.masks or run.target is None:
                continue
            sides = first.masks[key], last.masks[key]
            mask, agreement = between((sides[0], moved[0]), (sides[1], moved[1]))
            if agreement >= AGREE:
                self._objects[key].masks[item.number] = (mask, agreement)
            else:
                near = sides[0] if sides[0].area else sides[1]
                doubtful[key] = Sought(run.target.memory.fork(), near)
        if doubtful:
            looks = {key: self._eyes.look(item.image, each.window) for key, each in doubtful.items()}
            for key, found in follow(self._segmenter.runtime, looks, item.number, doubtful).items():
                self._objects[key].masks[item.number] = (found.mask, found.score)

    def _found(self, finder: Finder, item: ClipFrame, runs: list[_Run]) -> list[_Run]:
        """Looks for words on a frame; returns the runs of what is followed from here on."""
        number, look = item.number, self._eyes.look(item.image)
        finds = finder.look(self._segmenter, look.embedded)
        masks = {key: known.masks[number][0] for key, known in self._objects.items() if number in known.masks}
        seen = {key: mask for key, mask in masks.items() if mask.area}
        vectors = [mean_vector([Remembered.of(number, look, look.shares_of(mask))]) for mask, _ in finds]
        away = {key: mean_vector([*self._known(key).values()]) for key in finder.keys if key not in seen}
        likeness = {key: [float(vector @ other) for other in vectors] for key, vector in away.items()}
        result = sort_finds([mask for mask, _ in finds], seen, likeness, [*finder.keys])
        for key in finder.keys:
            finder.keys[key] = 0 if key in result.met else finder.keys[key] + 1
        gone = {key for key, missed in finder.keys.items() if missed >= MISSED and key in seen}
        gone = {key for key in gone if self._objects[key].masks[number][1] < SURE}
        for key in gone:
            self._objects[key].masks[number] = (RLE.empty(self.clip.size), 0.0)
        runs = [run for run in runs if run.key not in gone and run.key not in result.back]
        fresh = {max([0, *self._objects]) + place: find for place, find in enumerate(result.new, start=1)}
        for key, find in {**result.back, **fresh}.items():
            mask, label = finds[find]
            known = self._objects.setdefault(key, TrackedObject(label))
            known.prompts[number], known.masks[number] = finder.prompts, (mask, 1.0)
            if key in fresh:
                known.changed.add(number)
            finder.keys[key] = 0
            run = _Run(key, number, np.inf)
            run.target = self._target(run)
            runs.append(run)
        return runs

    def _take(self, run: _Run, number: int, found: Followed) -> bool:
        """Stores what was found; tells whether the run ends, since it has no further effect or leads nowhere."""
        known = self._objects[run.key]
        backward = number < run.begin
        if backward and any(isinstance(prompt, WordPrompt) for prompt in known.prompts[run.begin]):
            others = (
                each.masks[number][0] for each in self._objects.values() if each is not known and number in each.masks
            )
            if not found.mask.area or any(iou(mask, found.mask) >= SAME for mask in others if mask.area):
                return True  # before it came into sight, or another object that was found before
        old = known.masks.get(number)
        known.masks[number] = (found.mask, found.score)
        same = old is not None and (iou(old[0], found.mask) if old[0].area or found.mask.area else 1.0) >= AGREED
        run.agreed = run.agreed + 1 if same else 0
        return run.agreed >= IN_A_ROW

    def _target(self, run: _Run) -> Sought:
        memory = ObjectMemory([*self._known(run.key).values()])
        return Sought(memory, self._objects[run.key].masks[run.begin][0])

    def _known(self, key: int) -> Mapping[int, Remembered]:
        """Returns what an object looks like on its frames with prompts."""
        known = self._objects[key]
        for number in known.prompts:
            if number not in known.known:
                mask = known.masks[number][0]
                look = self._eyes.look(self.clip.frame(number).image, window_around(mask))
                known.known[number] = Remembered.of(number, look, look.shares_of(mask))
        return known.known

    def to_json(self) -> dict[str, Any]:
        """Returns prompts and masks as plain JSON, from which `Segmenter.video` makes the same session."""
        chosen = self.clip.selection
        return {
            "format": FORMAT,
            "model": self._segmenter.model,
            "clip": {"size": list(self.clip.size), "first": self._first.image.digest},
            "selection": {"start": chosen.start, "end": chosen.end, "stride": chosen.stride},
            "objects": objects_to_json(self._objects),
        }

    def replay(self, record: Mapping[str, Any]) -> None:
        """Takes the objects that `to_json` wrote, in place of those that are there.

        Raises:
            InputError: the record is malformed, or speaks of another clip or model.
        """
        try:
            if record["format"] != FORMAT:
                raise InputError(f"This session record has format {record['format']!r}, expected {FORMAT}.")
            if record["model"] != self._segmenter.model:
                raise InputError(f"This session was held with {record['model']!r}, not {self._segmenter.model!r}.")
            first = self._first.image.digest
            if record["clip"]["first"] != first or record["clip"]["size"] != list(self.clip.size):
                raise InputError(
                    "This session record belongs to another clip, or another part (its first frame differs)."
                )
            self._objects = objects_from_json(record["objects"], self.clip.size)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"This session record lacks a field or has a wrong one: {error}.") from error

    @property
    def _first(self) -> ClipFrame:
        return self.clip.frame(self.clip.selection.start)

    @property
    def _eyes(self) -> Eyes:
        if self._eyes_of is None:
            self._eyes_of = Eyes(self._segmenter, self._first.image)
        return self._eyes_of


def _colours(image: Image) -> Float32:
    """Returns how much of a picture each of 64 colours takes."""
    step = max(1, max(image.size) // 128)
    bins = image.pixels[::step, ::step].reshape(-1, 3) >> 6
    counts = np.bincount(bins[:, 0] * 16 + bins[:, 1] * 4 + bins[:, 2], minlength=64)
    return np.asarray(counts / counts.sum(), np.float32)
