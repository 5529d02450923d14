"""The sentences that turn the name of a class into an embedding: the 81 templates of X-Decoder and SEEM (NOTICE)."""

from pathlib import Path

from promptseg.vocabulary import plain_name

TEMPLATES = tuple(Path(__file__).with_name("templates.txt").read_text(encoding="utf-8").splitlines())
"""What a class name stands in; sentences are averaged in this order."""


def sentences(name: str) -> tuple[str, ...]:
    """Returns the 81 sentences whose embeddings, averaged, stand for a class."""
    plain = plain_name(name)
    return tuple(template.format(plain) for template in TEMPLATES)
