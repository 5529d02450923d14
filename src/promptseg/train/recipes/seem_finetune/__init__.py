"""SEEM's own training, on one's own pictures: all tasks and prompts in one network (SEEM paper 4; specification B3)."""

from promptseg.train.recipes.seem_finetune.recipe import seem_finetune

__all__ = ["seem_finetune"]
