"""The tasks: embed a picture once, answer prompts on it many times, remember rounds of correction."""
