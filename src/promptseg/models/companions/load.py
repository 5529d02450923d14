"""One loader of what was trained beside a model; its card says which files."""

from dataclasses import dataclass, field
from functools import cache

from promptseg.models.companions.choice import Choice
from promptseg.models.companions.objectness import ObjectnessHead
from promptseg.models.companions.retouch import RetouchNetwork
from promptseg.models.registry import CARDS, CompanionFiles, packaged


@dataclass(frozen=True, slots=True, eq=False)
class CompanionNetworks:
    """The small networks beside a model, each None where it was not trained.

    Attributes:
        choice: tells which of the model's masks answers a click.
        retouch: draws the border of a corrected mask anew.
        objectness: tells from an embedding where small objects are.
    """

    choice: Choice | None = field(default=None, repr=False)
    retouch: RetouchNetwork | None = field(default=None, repr=False)
    objectness: ObjectnessHead | None = field(default=None, repr=False)


@cache
def load_companions(files: CompanionFiles) -> CompanionNetworks:
    """Reads the networks that a card names; its decoder is read with the tensors that it differs from.

    Raises:
        WeightsError: the installation lacks a file, or it is damaged.
    """
    return CompanionNetworks(
        Choice.read(packaged(files.choice)) if files.choice else None,
        RetouchNetwork.read(packaged(files.retouch)) if files.retouch else None,
        ObjectnessHead.read(packaged(files.objectness)) if files.objectness else None,
    )


def companions_of(model: str) -> CompanionNetworks:
    """Returns the networks beside a model of the registry, by its name; none beside any other."""
    return load_companions(next((card.companions for card in CARDS if card.name == model), CompanionFiles()))
