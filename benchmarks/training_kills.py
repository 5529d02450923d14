"""Kills a training run again and again, at any moment; in the end it must be the run that nobody killed, to the bit.

    python benchmarks/training_kills.py --kills 20

The run is the small one of the tests, with every kind of chance in it. Each process is killed (SIGKILL) some time after
it has begun; the next one goes on from its checkpoint. The exit code is 1 when the weights differ.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

sys.path.append(str(Path(__file__).parents[1] / "tests" / "train"))

from toy_run import CONFIG, toy_recipe

from promptseg.train.loop import CHECKPOINT, train

MANY = replace(CONFIG, steps=400, save_every=3, log_every=100, evaluate_every=200)


def killed(folder: Path, seconds: float) -> bool:
    """Runs the training in a process that is killed after a time; says whether it was still at work."""
    child = os.fork()
    if not child:
        train(toy_recipe(MANY), folder, quiet=True)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def step_of(folder: Path) -> int:
    """Returns the step of the checkpoint, 0 without one; it can always be read."""
    path = folder / CHECKPOINT
    return int(torch.load(path, weights_only=True)["step"]) if path.exists() else 0


def main() -> int:
    """Kills, goes on, compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as given:
        whole, broken = Path(given) / "whole", Path(given) / "broken"
        begin = time.monotonic()
        train(toy_recipe(MANY), whole, quiet=True)
        seconds = time.monotonic() - begin
        kills = 0
        while kills < options.kills:
            if not killed(broken, chance.uniform(0.1, 1.0) * seconds / options.kills):
                break  # it has come to its end
            kills += 1
            print(f"kill {kills}: the checkpoint is of step {step_of(broken)} of {MANY.steps}", flush=True)
        train(toy_recipe(MANY), broken, quiet=True)
        one, two = (load_file(folder / "result.safetensors") for folder in (whole, broken))
        same = one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
        left = [path.name for path in broken.glob(".*.part")]
    print(f"{kills} kills; the weights are {'the same to the bit' if same else 'others'}; leftovers: {left or 'none'}")
    return 0 if same and kills == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
