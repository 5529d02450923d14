"""Recipes by name: functions that take labelled pictures and return a full run (`promptseg.train.task.Recipe`).

A recipe's keyword arguments are its options; those that a run's configuration has go to the configuration.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from promptseg.errors import InputError, UnavailableError

RECIPES: Mapping[str, str] = {
    "sam-finetune": "promptseg.train.recipes.sam_finetune:sam_finetune",
    "sam-clicks": "promptseg.train.recipes.sam_clicks:sam_clicks",
    "choice": "promptseg.train.recipes.companions.choice:choice",
    "correction": "promptseg.train.recipes.companions.correction:correction",
    "objectness": "promptseg.train.recipes.companions.objectness:objectness",
    "retouch": "promptseg.train.recipes.companions.retouch:retouch",
    "seem-finetune": "promptseg.train.recipes.seem_finetune:seem_finetune",
    "ground": "promptseg.train.recipes.seem_tiny.ground:ground",
    "seem-tiny": "promptseg.train.recipes.seem_tiny.recipe:seem_tiny",
}
"""Where each recipe is: "module:function"."""


@dataclass(frozen=True, slots=True)
class RecipeEntry:
    """A recipe that is not loaded yet.

    Attributes:
        name: as on the command line.
        function: takes the folder of the data and options.
        summary: its first line.
    """

    name: str
    function: Callable[..., Any]
    summary: str

    def build(self, data: Path, **options: Any) -> Any:
        """Returns the run, with `options` given to the recipe or, by name, to its configuration.

        Raises:
            InputError: an unknown option or an impossible value.
        """
        known = [name for name in inspect.signature(self.function).parameters if name != "data"]
        own = {name: value for name, value in options.items() if name in known}
        rest = {name: value for name, value in options.items() if name not in known}
        recipe = self.function(data, **own)
        try:
            return replace(recipe, config=recipe.config.changed(**rest))
        except InputError as error:
            raise InputError(f"{error} The options of {self.name} are {', '.join(known)}.") from error


def find_recipe(name: str) -> RecipeEntry:
    """Returns a recipe by name (- and _ are the same).

    Raises:
        InputError: there is no such recipe.
        UnavailableError: PyTorch or SciPy is not installed.
    """
    wanted = name.strip().lower().replace("_", "-")
    if wanted not in RECIPES:
        raise InputError(f"There is no recipe {name!r}. Recipes: {', '.join(RECIPES)}.")
    for package, spoken in (("torch", "PyTorch"), ("scipy", "SciPy")):
        if find_spec(package) is None:
            raise UnavailableError.extra(spoken, "train")
    module, _, function = RECIPES[wanted].partition(":")
    found = getattr(import_module(module), function)
    return RecipeEntry(wanted, found, (inspect.getdoc(found) or "").splitlines()[0])
