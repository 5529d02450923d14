"""A small task with every kind of chance in it, and a way to run it that dies in the middle."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from promptseg.train.config import TrainConfig
from promptseg.train.loop import train
from promptseg.train.task import Recipe

CONFIG = TrainConfig(
    steps=10,
    learning_rate=0.02,
    warmup=2,
    ema=0.9,
    accumulate=2,
    save_every=3,
    log_every=4,
    evaluate_every=5,
    threads=1,
)


class ToyTask:
    """Learns the sum of four numbers, in two rounds per batch; a calm one draws from the run's own stream alone."""

    def __init__(self, die_at: int = -1, *, calm: bool = False) -> None:
        torch.manual_seed(1)
        drop = nn.Dropout(0.0 if calm else 0.3)
        self.model = nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), drop, nn.Linear(16, 1))
        self.drawn, self.die_at, self.calm = 0, die_at, calm

    def batch(self, random: np.random.Generator) -> Any:
        self.drawn += 1
        if self.drawn == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.tensor(random.normal(size=(8, 4)), dtype=torch.float32)

    def losses(self, batch: Any, random: np.random.Generator) -> Iterator[Mapping[str, Tensor]]:
        for _ in range(2):
            if self.calm:
                noisy = batch + 0.1 * torch.tensor(random.normal(size=batch.shape), dtype=torch.float32)
            else:
                noisy = batch + 0.1 * torch.randn_like(batch) + float(np.random.random()) * 0.01
            error = (self.model(noisy)[:, 0] - batch.sum(1)).square().mean()
            yield {"loss": error, "watched": error.detach() * random.random()}

    def evaluate(self) -> Mapping[str, float]:
        return {"error": float((self.model(torch.ones(1, 4)) - 4).abs() + 0 * torch.randn(1))}


def toy_recipe(config: TrainConfig = CONFIG, *, die_at: int = -1, calm: bool = False) -> Recipe:
    task = ToyTask(die_at, calm=calm)

    def write(path: Path) -> None:
        save_file({name: value.contiguous() for name, value in task.model.state_dict().items()}, path)

    return Recipe(name="toy", task=task, config=config, write=write)


if __name__ == "__main__":
    train(toy_recipe(die_at=int(sys.argv[2])), Path(sys.argv[1]), quiet=True)
