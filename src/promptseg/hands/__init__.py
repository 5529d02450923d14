"""The simulated user: clicks, boxes, strokes and rough masks as a person would give them."""
