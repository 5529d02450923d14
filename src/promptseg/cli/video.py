"""`promptseg video`: one prompt, the whole clip."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptseg.cli import options
from promptseg.cli.command import Command, argument
from promptseg.cli.progress import progress_bar
from promptseg.cli.streams import picture_stem
from promptseg.cli.video_prompts import AskedClip, AskedPlace, asked_of_clip
from promptseg.errors import InputError
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.video.track import VideoTrack

DEFAULT_FORMATS = ("overlay", "davis", "json")


class _Formats(click.Option):
    """-f; its help is made of the table of formats when it is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Returns the names of the formats, and what each is."""
        from promptseg.video.writing import WRITERS

        listed = ", ".join(f"{name} ({writer.help})" for name, writer in WRITERS.items())
        self.help = f"{listed}. May be repeated; without it {', '.join(DEFAULT_FORMATS)}."
        return super().get_help_record(ctx)


@click.command(cls=Command)
@argument("clip", "The clip: a film, a folder of pictures, or an animated GIF, PNG or WebP.")
@asked_of_clip
@click.option("--start", default=0, help="Number of the first frame that is looked at, from 0.", metavar="FRAME")
@click.option("--end", type=int, help="Number behind the last; default: to the end.", metavar="FRAME")
@click.option("--stride", default=1, help="Look at every so manyth frame.")
@click.option("--every", default=1, help="Key frames are so many frames apart; between them masks are carried over.")
@click.option("--direction", default="both", help="forward, backward or both, from the frames with prompts.")
@click.option("--session", type=options.PATH, help="Go on from a file of -f session.", metavar="FILE")
@click.option("-o", "--output", type=options.PATH, default=Path("out"), help="Folder for the results.", metavar="DIR")
@click.option("-f", "--format", "formats", cls=_Formats, multiple=True, metavar="FORMAT")
@options.overwrite
@options.engine()
def video(
    clip: str,
    asked: AskedClip,
    start: int,
    end: int | None,
    stride: int,
    every: int,
    direction: str,
    session: Path | None,
    output: Path,
    formats: tuple[str, ...],
    overwrite: bool,
    engine: EngineOptions,
) -> None:
    """Follows objects through a clip.

    Prompts are written as for a picture, with the number of their frame behind an @ (else it is the first frame):
    --point 320,210@35; for masks it is @@: --mask first.png@@35. Every positive prompt begins an object of its own;
    #1, #2, ... behind it says which prompts speak of one object: --point 320,210@0#1 --point 90,40@35#1. A negative
    prompt without # is for the object whose mask it lies on. Prompts on later frames correct what was followed so far.
    A mask with a palette of several numbers is as many objects. Needs, for films: pip install "promptseg[video]".
    """
    from promptseg.segment.segmenter import Segmenter
    from promptseg.video.clips import Selection, open_clip
    from promptseg.video.track import check_direction
    from promptseg.video.writing.table import check_formats, check_places, write_track

    check_direction(direction)
    if every < 1:
        raise InputError(f"Key frames are at least 1 frame apart, got --every {every}.")
    names = [*(formats or DEFAULT_FORMATS)]
    check_formats(names)
    if session is None:
        asked.check_begins()
    stem = _stem(clip)
    check_places(output, stem, names, overwrite=overwrite, source=clip)
    opened = open_clip(clip, selection=Selection(start, end, stride))
    for item in asked.places:
        opened.frame(start if item.frame is None else item.frame)  # finds mistakes before a large model is loaded
    segmenter = Segmenter.of(engine)
    track = segmenter.video(opened, session=session)
    _follow(track, asked, start, direction, every)
    if not track.objects:
        print("Nothing that fits is in the clip.", file=sys.stderr)
    for path in write_track(track, output, stem, names):
        print(path)
    for key, known in track.objects.items():
        masks = [mask for number, (mask, _) in known.masks.items() if number in opened.selection]
        seen = sum(mask.area > 0 for mask in masks)
        label = f" ({known.label})" if known.label else ""
        print(f"object {key}{label}: seen on {seen} of {len(masks)} frames", file=sys.stderr)


def _stem(clip: str) -> str:
    """Returns the beginning of the names of results: a folder's whole name, a file's without its ending."""
    return os.path.basename(os.path.abspath(clip)) or "clip" if os.path.isdir(clip) else picture_stem(clip)


def _follow(track: "VideoTrack", asked: AskedClip, start: int, direction: Any, every: int) -> None:
    """Adds the prompts, frame by frame, and follows; what is given on later frames corrects what was followed."""
    for word in asked.words:
        track.find(word)
    rounds = _rounds(asked.places, start, track.objects)
    for number, given in rounds:
        if (track.objects or asked.words) and any(key in track.objects or key is None for key in given):
            _propagate(track, direction, every)
        for key, prompts in given.items():
            for target, parts in _aimed(track, number, key, prompts):
                track.add(*parts, frame=number, object_id=target)
    _propagate(track, direction, every)


def _rounds(
    places: tuple[AskedPlace, ...], start: int, there: Iterable[int] = ()
) -> list[tuple[int, dict[int | None, list[AskedPlace]]]]:
    """Sorts prompts by frames and, in each, by objects; positive ones without a number get a free one."""
    taken = {*(item.key for item in places), *there}
    free = (number for number in range(1, len(places) + len(taken) + 1) if number not in taken)
    rounds: dict[int, dict[int | None, list[AskedPlace]]] = {}
    for item in places:
        key = next(free) if item.key is None and item.prompt.positive else item.key
        rounds.setdefault(start if item.frame is None else item.frame, {}).setdefault(key, []).append(item)
    ordered = sorted(rounds.items())
    return [(number, dict(sorted(given.items(), key=lambda each: each[0] is None))) for number, given in ordered]


def _aimed(track: "VideoTrack", number: int, key: int | None, places: list[AskedPlace]) -> list[tuple[int, list[Any]]]:
    """Returns which objects prompts speak of; negative ones without a number take from the mask they lie on."""
    if key is not None:
        if key not in track.objects and not any(item.prompt.positive for item in places):
            raise InputError(f"There is no object #{key} yet for {places[0].written}: give it a positive prompt first.")
        return [(key, [item.prompt for item in places])]
    found: dict[int, list[Any]] = {}
    segments = track.segments(number)
    for item in places:
        touched = item.prompt.touched(segments.size, segments.size)  # type: ignore[attr-defined]
        shares = [int((mask.dense() & touched).sum()) for mask in segments.masks]
        if len(track.objects) == 1:
            chosen = next(iter(track.objects))
        elif shares and max(shares):
            chosen = int(segments.object_ids[shares.index(max(shares))])
        else:
            raise InputError(
                f"{item.written} lies on no object of frame {number}. Say whose it is with # and its number: "
                f"{item.written}#1."
            )
        found.setdefault(chosen, []).append(item.prompt)
    return [*found.items()]


def _propagate(track: "VideoTrack", direction: Any, every: int) -> None:
    with progress_bar("following") as follow:
        for _ in track.propagate(direction, every=every, on_progress=follow):
            pass
