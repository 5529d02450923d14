"""English words that say which of several things is meant, and what they stand for."""

from promptseg.segment.words.phrases.phrase import ColourName, Order, Shade

COLOUR_WORDS: dict[str, ColourName] = {
    "red": "red", "reddish": "red", "crimson": "red", "scarlet": "red", "maroon": "red", "burgundy": "red",
    "orange": "orange", "yellow": "yellow", "yellowish": "yellow", "green": "green", "greenish": "green",
    "cyan": "cyan", "turquoise": "cyan", "teal": "cyan", "aqua": "cyan", "blue": "blue", "bluish": "blue",
    "navy": "blue", "purple": "purple", "violet": "purple", "pink": "pink", "pinkish": "pink", "magenta": "pink",
    "brown": "brown", "brownish": "brown", "beige": "beige", "tan": "beige", "white": "white", "whitish": "white",
    "grey": "grey", "gray": "grey", "greyish": "grey", "silver": "grey", "black": "black", "blackish": "black",
    "golden": "yellow", "gold": "yellow",
}  # fmt: skip
DARK_COLOURS = {"maroon", "burgundy", "navy"}
SHADES: dict[str, Shade | None] = {
    "dark": "dark", "deep": "dark", "darker": "dark", "light": "light", "pale": "light", "lighter": "light",
    "bright": None, "vivid": None,
}  # fmt: skip
NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12,
}  # fmt: skip
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10,
}  # fmt: skip
SIZE_WORDS: dict[str, Order] = {
    "large": "large", "big": "large", "huge": "large", "giant": "large", "small": "small",
    "little": "small", "tiny": "small", "tall": "tall", "short": "short", "wide": "wide",
    "broad": "wide", "long": "wide", "narrow": "narrow",
}  # fmt: skip
SUPERLATIVES: dict[str, Order] = {
    "largest": "large", "biggest": "large", "larger": "large", "bigger": "large", "smallest": "small",
    "smaller": "small", "tiniest": "small", "tallest": "tall", "taller": "tall", "shortest": "short",
    "shorter": "short", "widest": "wide", "broadest": "wide", "longest": "wide", "longer": "wide",
    "narrowest": "narrow", "leftmost": "left", "rightmost": "right", "topmost": "top", "uppermost": "top",
    "highest": "top", "lowest": "bottom", "bottommost": "bottom", "lowermost": "bottom", "nearest": "near",
    "closest": "near", "frontmost": "near", "foremost": "near", "farthest": "far", "furthest": "far",
    "rearmost": "far", "middlemost": "middle",
}  # fmt: skip
SIDE_WORDS: dict[str, Order] = {
    "left": "left", "lefthand": "left", "right": "right", "righthand": "right", "top": "top", "upper": "top",
    "bottom": "bottom", "lower": "bottom", "middle": "middle", "center": "centre", "centre": "centre",
    "central": "centre", "background": "far", "foreground": "near", "front": "near", "back": "far", "rear": "far",
}  # fmt: skip
LONE_SIDES = {"left", "right", "middle", "center", "centre"}
"""These without a noun mean the thing there."""
DEPTH_WORDS = {"front", "back", "rear"}
"""Before a noun these name parts ("front wheel"), unless the noun is a thing of its own ("the front car")."""
PRONOUNS = frozenset(("one", "thing", "object", "item", "something", "anything", "everything"))
PRONOUNS_OF_SEVERAL = frozenset(("ones", "things", "objects", "items", "everything"))
"""Heads of phrases that name no thing."""
DEFINITE = {"the", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our", "their"}
EVERY = {"all", "every", "each", "any", "some", "several", "many", "various"}
