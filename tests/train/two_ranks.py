"""One of two processes that train the toy together; each writes its final weights."""

import sys
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from torch import distributed
from toy_run import CONFIG, toy_recipe

from promptseg.train.loop import train

if __name__ == "__main__":
    folder, rank, shared = Path(sys.argv[1]), int(sys.argv[2]), "shared" in sys.argv
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    recipe = toy_recipe(replace(CONFIG, shared=True), calm=True) if shared else toy_recipe()
    train(recipe, folder, quiet=True)
    save_file(dict(recipe.task.model.state_dict()), folder / f"{rank}.safetensors")
    distributed.destroy_process_group()
