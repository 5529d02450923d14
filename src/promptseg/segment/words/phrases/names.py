"""Names that are known: classes of vocabularies, other names of them, and compounds that begin like an adjective."""

from functools import cache

from promptseg.vocabulary import COCO_PANOPTIC

GARMENTS = (
    "accessories, bag, belt, blazer, blouse, bodysuit, boots, bra, bracelet, cape, cardigan, clogs, coat, "
    "dress, earrings, flats, glasses, gloves, hair, hat, heels, hoodie, intimate, jacket, jeans, jumper, "
    "leggings, loafers, necklace, panties, pants, pumps, purse, ring, romper, sandals, scarf, shirt, "
    "shoes, shorts, skin, skirt, sneakers, socks, stockings, suit, sunglasses, sweater, sweatshirt, "
    "swimwear, t-shirt, tie, tights, top, vest, wallet, watch, wedges"
)
"""What people wear, after Clothing Co-Parsing, on which seem-tiny learned it."""

SAME = (
    ("airplane", "aeroplane", "plane"),
    ("motorcycle", "motorbike"),
    ("bicycle", "bike"),
    ("tv", "television", "tv monitor", "tvmonitor", "monitor"),
    ("couch", "sofa"),
    ("dining table", "table", "diningtable"),
    ("potted plant", "pottedplant", "plant"),
    ("person", "people", "man", "woman", "child", "human", "boy", "girl"),
    ("car", "automobile"),
    ("cow", "cattle"),
    ("sheep", "lamb"),
    ("dog", "puppy"),
    ("cat", "kitten"),
    ("boat", "ship"),
    ("cell phone", "mobile phone", "phone"),
    ("donut", "doughnut"),
    ("refrigerator", "fridge"),
    ("handbag", "purse"),
    ("backpack", "rucksack"),
    ("remote", "remote control"),
    ("hair drier", "hair dryer"),
)
"""Names of one class, the first of which is COCO's."""

COMPOUNDS = (
    "black board, black coffee, black grouse, black hole, black pepper, black stork, black swan, black tea, black "
    "widow, blue cheese, blue heron, blue jay, blue whale, brown bread, brown rice, brown sugar, gold medal, "
    "golden gate bridge, golden retriever, great dane, great grey owl, great pyrenees, great white shark, green "
    "bean, green lizard, green mamba, green snake, green onion, green tea, grey fox, grey whale, grey wolf, gray "
    "wolf, little blue heron, orange juice, orange peel, orange tree, red beet, red grapefruit, red cabbage, red "
    "fox, red onion, red panda, red wine, red wolf, silver medal, white board, white bread, white house, white "
    "rice, white stork, white wine, white wolf, dark chocolate, dark glasses, big ben, first aid kit, first aid, "
    "second hand, high chair, high heel, last supper, light bulb, light fixture, light house, light pole, light "
    "post, light switch, little finger, long johns, long sleeve, short sleeve, lower body, lower lip, middle "
    "finger, top hat, top coat, upper body, upper lip, small intestine, large intestine, left turn sign, right "
    "turn sign, no entry sign, no parking sign, no smoking sign"
)
"""Names whose first word would else be read as a colour, a size or a place."""

IRREGULAR = {
    "people": "person", "persons": "person", "men": "man", "women": "woman", "children": "child", "kids": "kid",
    "knives": "knife", "mice": "mouse", "puppies": "puppy", "leaves": "leaf", "loaves": "loaf", "shelves": "shelf",
    "wolves": "wolf", "calves": "calf", "geese": "goose", "feet": "foot", "teeth": "tooth", "cacti": "cactus",
    "oxen": "ox", "halves": "half", "scarves": "scarf",
}  # fmt: skip
"""Plurals that do not end in "s" alone."""
SINGLE = frozenset(
    [
        "glasses",
        "sunglasses",
        "scissors",
        "jeans",
        "pants",
        "shorts",
        "trousers",
        "tights",
        "leggings",
        "panties",
        "stairs",
        "swimwear",
        "accessories",
        "binoculars",
        "grass",
        "glass",
        "dress",
        "bus",
        "gas",
        "lens",
        "canvas",
        "cactus",
        "octopus",
        "lotus",
    ]
)
"""Words that end like plurals and are one thing each."""


@cache
def known_names() -> frozenset[str]:
    """Returns all names that are taken as they stand."""
    same = {name for group in SAME for name in group}
    return frozenset({*COCO_PANOPTIC.labels, *same, *GARMENTS.split(", "), *COMPOUNDS.split(", ")})


def is_known(name: str) -> bool:
    """Returns whether a name, in the singular or plural, is known."""
    return name in known_names() or singular(name) in known_names()


@cache
def singular(name: str) -> str:
    """Returns a name in the singular, if that is certain; else as it is."""
    *before, last = name.split(" ")
    if name in known_names() or last in SINGLE:
        return name
    ends = [IRREGULAR[last]] if last in IRREGULAR else []
    if last.endswith("ies") and len(last) > 4:
        ends.append(last[:-3] + "y")
    ends += [last.removesuffix("s"), last.removesuffix("es")]
    names = [" ".join((*before, end)) for end in ends]
    return next((one for one in names if one in known_names()), names[0] if last in IRREGULAR else name)


def is_plural(name: str) -> bool:
    """Returns whether a name speaks of several."""
    last = name.rsplit(" ", maxsplit=1)[-1]
    if last in SINGLE or last in IRREGULAR.values():
        return False
    return last in IRREGULAR or (len(last) > 3 and last.endswith("s") and not last.endswith(("ss", "us", "is")))
