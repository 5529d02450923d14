"""Training on several processes: nothing happens unless torch.distributed is initialised.

Gradients are averaged by hand after the last backward pass of a step. That suits tasks that call the network many
times per step, by any of its methods, which the hooks of DistributedDataParallel do not.
"""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed


def several() -> bool:
    """Whether there is more than one process."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def rank() -> int:
    """This process's number; 0 when there is only one."""
    return distributed.get_rank() if several() else 0


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if several() else 1


@contextmanager
def joined() -> Generator[None]:
    """Joins the processes that torchrun has started, for the length of the block; alone, nothing happens."""
    alone = int(os.environ.get("WORLD_SIZE", "1")) < 2 or not distributed.is_available() or distributed.is_initialized()
    if alone:
        yield
        return
    distributed.init_process_group("gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share_parameters(tensors: Iterable[Tensor]) -> None:
    """Gives all processes the numbers of the first."""
    if several():
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), 0)


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replaces gradients by their mean over all processes, in one message; missing ones count as zero."""
    if not several():
        return
    chosen = [parameter for parameter in parameters if parameter.requires_grad]
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in chosen]
    flat = torch.cat([grad.flatten() for grad in grads])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for parameter, part in zip(chosen, flat.split([grad.numel() for grad in grads]), strict=True):
        parameter.grad = part.view_as(parameter)


def gather(value: Any) -> list[Any]:
    """Returns the values of all processes, in order."""
    if not several():
        return [value]
    values: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values
