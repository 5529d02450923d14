"""BSDS500: outlines that several people drew."""

from pathlib import Path

from promptseg.datasets.layouts.bsds import find_outlines
from promptseg.datasets.layouts.layout import Content, Reader
from promptseg.datasets.samples import Sample


def find_bsds(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/test/` with `groundTruth/test/*.mat`, and `images/` with `truth/*.npz`."""
    samples = find_outlines(root, split or "test")
    if samples is None:
        return None
    return lambda: Content(tuple(Sample(each.picture, each.name, (), outlines=each.read) for each in samples))
