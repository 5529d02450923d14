"""From a dataset's classes to the vocabulary that a model is asked with, and back."""

from promptseg.datasets.samples import Dataset
from promptseg.errors import InputError
from promptseg.vocabulary import Vocabulary, plain_name


def vocabulary_of(dataset: Dataset) -> Vocabulary:
    """Returns the dataset's classes in the order of its categories.

    Raises:
        InputError: it has none.
    """
    if not dataset.categories:
        raise InputError(f"{dataset.name} ({dataset.layout} layout) names no classes, which this task needs.")
    return Vocabulary.of_categories(dataset.categories)


REST = ("background", "null")
"""Names of classes that mean: none of the others. Nobody can look for them; they are what is left."""


def rest_of(words: Vocabulary) -> int | None:
    """Returns the place of the class that means none of the others, if there is one."""
    return next((place for place, name in enumerate(words.names) if name.lower() in REST), None)


def without_rest(words: Vocabulary) -> Vocabulary:
    """Returns the classes that can be looked for."""
    rest = rest_of(words)
    if rest is None:
        return words
    return Vocabulary.of_categories([*words.categories[:rest], *words.categories[rest + 1 :]])


def place_of(words: Vocabulary, label: str | None, contestant: str) -> int:
    """Returns the place of a class that a contestant names, as the vocabulary or as people say it.

    Raises:
        InputError: it is none of them.
    """
    if label in words.names:
        return words.names.index(label)
    if label is not None and plain_name(label) in words.labels:
        return words.labels.index(plain_name(label))
    raise InputError(f"{contestant} answered with the class {label!r}, which it was not asked for.")


def full_name(words: Vocabulary, label: str | None, contestant: str) -> str:
    """Returns the dataset's name of a class that a contestant names.

    Raises:
        InputError: it is none of the vocabulary.
    """
    return words.names[place_of(words, label, contestant)]
