"""What a training run is, in plain numbers."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args

from promptseg.errors import InputError

Schedule: TypeAlias = Literal["constant", "cosine", "steps"]
Precision: TypeAlias = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Everything that the loop needs to know besides the task itself.

    Attributes:
        steps: optimiser steps of the whole run.
        learning_rate: the peak; a group of parameters may scale it.
        warmup: steps over which the learning rate rises linearly to its peak.
        schedule: what it does afterwards: stay, fall along a cosine, or be divided by ten at `milestones`.
        milestones: shares of the run.
        final: where the cosine ends, as a share of the peak.
        weight_decay: of AdamW; norms, biases and embeddings are spared.
        betas: of AdamW.
        clip: largest norm of all gradients together; 0 for no limit.
        ema: decay of the moving average of the weights; 0 for none. Young averages use a smaller decay, so that the
            start is forgotten.
        accumulate: batches whose gradients make one step.
        shared: the batches of a step are shared out among the processes, and each is drawn from a stream of its own: so
            several processes make the same steps as one. Else each process draws `accumulate` batches of its own.
        precision: bfloat16 runs the task under autocast; weights stay float32.
        device: "cpu", "cuda", "mps".
        threads: computing threads on the CPU; None leaves torch's choice.
        seed: of every random number.
        log_every: steps between lines of the log.
        save_every: steps between checkpoints.
        evaluate_every: steps between evaluations, if the task has any; 0 for the end only.

    Raises:
        InputError: a number is out of range.
    """

    steps: int
    learning_rate: float
    warmup: int = 0
    schedule: Schedule = "cosine"
    milestones: tuple[float, ...] = (0.88889, 0.96296)
    final: float = 0.01
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    ema: float = 0.0
    accumulate: int = 1
    shared: bool = False
    precision: Precision = "float32"
    device: str = "cpu"
    threads: int | None = None
    seed: int = 0
    log_every: int = 10
    save_every: int = 100
    evaluate_every: int = 0

    def __post_init__(self) -> None:
        least = {"steps": 1, "accumulate": 1, "log_every": 1, "save_every": 1}
        for name in ("steps", "warmup", "accumulate", "log_every", "save_every", "evaluate_every"):
            if getattr(self, name) < least.get(name, 0):
                raise InputError(f"{name} must be at least {least.get(name, 0)}, got {getattr(self, name)}.")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads must be at least 1, got {self.threads}.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"The learning rate must be above 0, got {self.learning_rate}.")
        if not 0 <= self.ema < 1:
            raise InputError(f"ema must be from 0 to below 1, got {self.ema}.")
        for name in ("clip", "weight_decay", "final"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"{name} must not be negative, got {getattr(self, name)}.")
        if self.schedule not in get_args(Schedule):
            raise InputError(f"Unknown schedule {self.schedule!r}: expected {', '.join(get_args(Schedule))}.")
        if self.precision not in get_args(Precision):
            raise InputError(f"Unknown precision {self.precision!r}: expected {', '.join(get_args(Precision))}.")

    def changed(self, **overrides: Any) -> "TrainConfig":
        """Returns a copy with some fields changed.

        Raises:
            InputError: there is no such field, or its value is impossible.
        """
        known = [field.name for field in fields(self)]
        for name in overrides:
            if name not in known:
                raise InputError(f"A training run has no setting {name!r}; it has {', '.join(known)}.")
        try:
            return replace(self, **overrides)
        except TypeError as error:
            raise InputError(f"A setting has a value of the wrong kind: {overrides} ({error}).") from error

    def rate_at(self, step: int) -> float:
        """Learning rate of a step (0 for the first), as a share of the peak."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "steps":
            return 0.1 ** sum(step >= share * self.steps for share in self.milestones)
        way = (step - self.warmup) / max(1, self.steps - 1 - self.warmup)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, way)))

    def ema_at(self, step: int) -> float:
        """Decay of the moving average at a step: small at first, so that the untrained weights are forgotten."""
        return min(self.ema, (1 + step) / (10 + step))
