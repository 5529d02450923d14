"""The moving average of the weights, which generalises better than the last step."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Averages:
    """Exponential moving averages of the trained parameters; buffers are left to the network."""

    def __init__(self, model: nn.Module) -> None:
        self._parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._values = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Moves the averages towards the weights."""
        for name, parameter in self._parameters.items():
            self._values[name].lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Generator[None]:
        """Puts the averages into the network for the length of the block."""
        kept = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        self._copy(self._values)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])

    def state_dict(self) -> dict[str, Tensor]:
        """Returns the averages by parameter name."""
        return dict(self._values)

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restores what `state_dict` gave."""
        for name, value in self._values.items():
            value.copy_(state[name])
