"""Segment everything: automatic masks of a whole picture, exact (as SAM's generator) or fast."""
