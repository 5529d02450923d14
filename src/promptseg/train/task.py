"""What a recipe hands to the loop."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from promptseg.train.config import TrainConfig


class TrainingTask(Protocol):
    """Something to learn."""

    @property
    def model(self) -> nn.Module:
        """The network; parameters that require gradients are trained."""
        ...

    def batch(self, random: np.random.Generator) -> Any:
        """Draws the next batch. All chance comes from `random`, whose state is part of every checkpoint."""
        ...

    def losses(self, batch: Any, random: np.random.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Yields weighted losses by name, part by part.

        The sum of each part is differentiated before the next part is asked for, so that a dialogue of many rounds
        holds the memory of one. The mean over parts is not taken: the task weighs them. Values that need no gradient
        (detached) are logged only.
        """
        ...

    def evaluate(self) -> Mapping[str, float]:
        """Measures the network as it is, for the log; empty when there is nothing to measure."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A full training run: the task, its numbers, and what becomes of the trained network.

    Attributes:
        name: what the log calls it.
        task: see `TrainingTask`.
        config: see `TrainConfig`.
        write: writes the result (with averaged weights, if they are kept) to a file.
        rates: scales the learning rate of a parameter by its name.
    """

    name: str
    task: TrainingTask
    config: TrainConfig
    write: Callable[[Path], None]
    rates: Callable[[str], float] = field(default=lambda _: 1.0)
