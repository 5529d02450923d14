"""How many things the JSON of a request speaks of, counted before any of them is looked at."""

from typing import Any

from promptseg.server.http_errors import too_large
from promptseg.server.settings import Limits

PROMPTS_PER_OBJECT = 10
"""Stored objects may keep so many prompts each, on average, as a picture may have masks."""

MOST_TASKS = 64
"""Label Studio's tasks in one request."""


_CORNERS = "corners and stroke points were given; one request takes at most"


def check_counts(body: Any, limits: Limits) -> None:
    """Refuses JSON that holds more things than any request may, whatever they are.

    Raises:
        HttpError: 413.
    """
    if not isinstance(body, dict):
        return
    for name, most, what in (
        ("objects", limits.max_masks, "objects were given; a picture has at most"),
        ("masks", limits.max_masks, "masks were given; the limit is"),
        ("classes", limits.max_names, "classes were given; the limit is"),
        ("vocabulary", limits.max_names, "names were given; a vocabulary has at most"),
        ("tasks", MOST_TASKS, "tasks were given; one request takes at most"),
    ):
        _within(_length(body, name), most, what)
    _check_prompts([body], limits.max_prompts, limits)
    objects = body.get("objects")
    if isinstance(objects, list):
        _check_prompts(objects, limits.max_masks * PROMPTS_PER_OBJECT, limits)


def check_results(results: list[Any], limits: Limits) -> None:
    """The same for what a person has clicked and drawn in Label Studio.

    Raises:
        HttpError: 413.
    """
    _within(len(results), limits.max_prompts, "results were given; one request takes at most")
    corners = sum(_length(item.get("value"), "points") for item in results if isinstance(item, dict))
    _within(corners, limits.max_vertices, _CORNERS)


def _check_prompts(holders: list[Any], most: int, limits: Limits) -> None:
    """Checks the prompts of all holders together."""
    prompts = corners = 0
    for holder in holders:
        given = holder.get("prompts") if isinstance(holder, dict) else None
        for item in given if isinstance(given, list) else ():
            parts = item if isinstance(item, list) else [item]
            prompts += len(parts)
            _within(prompts, most, "prompts were given; one request takes at most")
            for part in parts:
                place = part.get("mask", part) if isinstance(part, dict) else None
                corners += _length(place, "points")
                _within(corners, limits.max_vertices, _CORNERS)


def _length(body: Any, name: str) -> int:
    value = body.get(name) if isinstance(body, dict) else None
    return len(value) if isinstance(value, list) else 0


def _within(count: int, most: int, what: str) -> None:
    if count > most:
        raise too_large(f"{count:,} {what} {most:,}.")
