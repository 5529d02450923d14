"""Modules without numbers, to be filled with trained weights."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_FILLING = {"add_", "clamp_", "erfinv_", "fill_", "kaiming_uniform_", "mul_", "normal_", "uniform_", "zero_"}


class _Unfilled(TorchFunctionMode):
    """Leaves out what fills tensors: on the meta device it does nothing, yet imports half of torch's compiler."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _FILLING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def hollow() -> Generator[None]:
    """Within it, modules are built on the meta device: at once, and without memory for their weights."""
    with torch.device("meta"), _Unfilled():
        yield
