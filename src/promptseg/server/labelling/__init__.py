"""Pre-labelling for Label Studio: its machine-learning backend contract over the same models."""
