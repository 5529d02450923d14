"""Trainers of the small networks beside the default model, `promptseg.models.companions`: recipes of the one loop."""
