"""The one training loop, for SAM and SEEM alike: plain torch, one process or several; it goes on where it stopped."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from promptseg.errors import InputError, PromptsegError
from promptseg.train import ranks
from promptseg.train.averages import Averages
from promptseg.train.checkpoint import load_checkpoint, restore_random, save_checkpoint, seed_everything, sweep
from promptseg.train.config import TrainConfig
from promptseg.train.log import Log
from promptseg.train.task import Recipe, TrainingTask

CHECKPOINT = "checkpoint.pt"


def train(
    recipe: Recipe, folder: Path, output: Path | None = None, *, quiet: bool = False, stop_after: int | None = None
) -> Path:
    """Runs a recipe to its end, from the checkpoint in `folder` if there is one.

    Args:
        recipe: what to train.
        folder: for `checkpoint.pt` and `log.jsonl`.
        output: where the result goes; by default `folder/result.safetensors`.
        quiet: whether to leave out the progress bar.
        stop_after: end before this step with a checkpoint, without a result.

    Returns:
        The path of the result; that of the checkpoint when the run stopped before its end.

    Raises:
        InputError: the checkpoint belongs to another run, or there is nothing to train.
        WeightsError: the checkpoint is damaged.
        OutputError: a file cannot be written.
    """
    run = TrainingRun(recipe, folder, quiet=quiet)
    try:
        run.resume()
        last = recipe.config.steps if stop_after is None else min(stop_after, recipe.config.steps)
        while run.step < last:
            run.advance()
        run.save()
        if run.step < recipe.config.steps:
            return folder / CHECKPOINT
        target = output or folder / "result.safetensors"
        with run.averaged():
            if not run.evaluated:
                run.evaluate()
            if ranks.rank() == 0:
                recipe.write(target)
        return target
    finally:
        run.close()


class TrainingRun:
    """A run in progress."""

    def __init__(self, recipe: Recipe, folder: Path, *, quiet: bool = False) -> None:
        config = recipe.config
        self._batches = config.accumulate // ranks.count() if config.shared else config.accumulate
        if config.shared and config.accumulate % ranks.count():
            raise InputError(
                f"A step of {config.accumulate} batches cannot be shared out among {ranks.count()} processes: set "
                "accumulate to a multiple of their number."
            )
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.step, self.evaluated = 0, False
        self._recipe, self._config, self._folder = recipe, config, folder
        self._task: TrainingTask = recipe.task
        self._model = recipe.task.model.to(config.device)
        ranks.share_parameters([*self._model.parameters(), *self._model.buffers()])
        self._stream = np.random.default_rng([config.seed, ranks.rank()])
        seed_everything(config.seed + ranks.rank())
        groups = parameter_groups(self._model, config, recipe.rates)
        self._trained = [parameter for group in groups for parameter in group["params"]]
        self._optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
        self._averages = Averages(self._model) if config.ema else None
        self._log = Log(folder, config.steps, quiet=quiet or ranks.rank() > 0) if ranks.rank() == 0 else None
        self._sums: dict[str, float] = {}
        self._since = (0, time.monotonic())

    def resume(self) -> None:
        """Takes up the checkpoint of the folder, if there is one."""
        path = self._folder / CHECKPOINT
        if ranks.rank() == 0:
            sweep(path)
        if not path.exists():
            return
        state = load_checkpoint(path)
        if state["recipe"] != self._recipe.name or state["steps"] != self._config.steps:
            raise InputError(
                f"{path} is of a run of {state['recipe']!r} with {state['steps']} steps, not of "
                f"{self._recipe.name!r} with {self._config.steps}. Remove it, or choose another place with -o."
            )
        try:
            self._model.load_state_dict(state["model"])
            self._optimiser.load_state_dict(state["optimiser"])
            if self._averages is not None:
                self._averages.load_state_dict(state["averages"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise InputError(
                f"{path} does not fit this run ({str(error).splitlines()[0]}). Remove it, or choose another place."
            ) from error
        restore_random(state["random"][ranks.rank()], self._stream)
        self.step, self._sums = state["step"], state["sums"]
        self._since = (self.step, time.monotonic())

    def save(self) -> None:
        """Writes the checkpoint."""
        state: dict[str, Any] = {
            "recipe": self._recipe.name,
            "steps": self._config.steps,
            "step": self.step,
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "averages": {} if self._averages is None else self._averages.state_dict(),
            "sums": self._sums,
        }
        save_checkpoint(self._folder / CHECKPOINT, state, self._stream)

    def advance(self) -> None:
        """Makes one step of the optimiser."""
        config = self._config
        rate = config.rate_at(self.step)
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * group["scale"] * rate
        self._optimiser.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for number in range(self._batches):
            self._differentiate(values, self._stream_of(number))
        ranks.average_gradients(self._trained)
        norm = nn.utils.clip_grad_norm_(self._trained, config.clip or float("inf"))
        if not bool(torch.isfinite(norm)):
            raise PromptsegError(
                f"Training failed at step {self.step + 1}: the gradients are not finite. Lower the learning rate; the "
                "last checkpoint is kept."
            )
        self._optimiser.step()
        if self._averages is not None:
            self._averages.update(config.ema_at(self.step))
        self.step += 1
        self._tell({**values, "gradient": float(norm), "rate": config.learning_rate * rate})

    def _stream_of(self, number: int) -> np.random.Generator:
        if not self._config.shared:
            return self._stream
        return np.random.default_rng([self._config.seed, self.step, number * ranks.count() + ranks.rank()])

    def _differentiate(self, values: dict[str, float], stream: np.random.Generator) -> None:
        config = self._config
        batch = self._task.batch(stream)
        kind = torch.device(config.device).type
        parts = self._task.losses(batch, stream)
        while True:
            # Autocast must not stay open while the caller differentiates, so it is entered part by part.
            with torch.autocast(kind, torch.bfloat16, enabled=config.precision == "bfloat16"):
                part: Mapping[str, Tensor] | None = next(parts, None)
            if part is None:
                return
            chosen = [loss for loss in part.values() if loss.requires_grad]
            if chosen:
                (torch.stack([loss.float() for loss in chosen]).sum() / self._batches).backward()
            for name, loss in part.items():
                values[name] = values.get(name, 0.0) + float(loss.detach()) / self._batches

    def _tell(self, values: dict[str, float]) -> None:
        config = self._config
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if self._log is not None:
            self._log.show(self.step, {name: values[name] for name in list(values)[:4]})
        if self.step % config.log_every == 0 or self.step == config.steps:
            count = (self.step - 1) % config.log_every + 1
            since, began = self._since
            seconds = (time.monotonic() - began) / max(1, self.step - since)
            means = {name: total / count for name, total in self._sums.items()}
            if self._log is not None:
                self._log.write(self.step, "train", {**means, "seconds_per_step": seconds})
            self._sums, self._since = {}, (self.step, time.monotonic())
        self.evaluated = False
        if config.evaluate_every and self.step % config.evaluate_every == 0:
            with self.averaged():
                self.evaluate()
        if self.step % config.save_every == 0:
            self.save()

    def evaluate(self) -> None:
        """Lets the task measure itself. Random numbers that it draws do not change the run."""
        state, mode = torch.get_rng_state(), self._model.training
        self._model.eval()
        with torch.no_grad():
            values = self._task.evaluate()
        self._model.train(mode)
        torch.set_rng_state(state)
        self.evaluated = True
        if values and self._log is not None:
            self._log.write(self.step, "evaluate", values)

    def averaged(self) -> ExitStack:
        """Returns a context in which the network has its averaged weights, if there are any."""
        stack = ExitStack()
        if self._averages is not None:
            stack.enter_context(self._averages.applied())
        return stack

    def close(self) -> None:
        """Closes the log."""
        if self._log is not None:
            self._log.close()


def parameter_groups(model: nn.Module, config: TrainConfig, rates: Any) -> list[dict[str, Any]]:
    """Returns AdamW's groups: by scale of the learning rate, and with or without weight decay.

    Raises:
        InputError: no parameter requires gradients.
    """
    spared = {
        f"{prefix}.{name}".lstrip(".")
        for prefix, module in model.named_modules()
        for name, _ in module.named_parameters(recurse=False)
        if isinstance(module, nn.Embedding | nn.LayerNorm | nn.GroupNorm) or "Norm" in type(module).__name__
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = 0.0 if name in spared or parameter.ndim < 2 else config.weight_decay
            groups.setdefault((float(rates(name)), decay), []).append(parameter)
    if not groups:
        raise InputError("There is nothing to train: no parameter of the network requires gradients.")
    return [
        {"params": parameters, "scale": scale, "weight_decay": decay} for (scale, decay), parameters in groups.items()
    ]
