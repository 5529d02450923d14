"""Classes that a phrase competes with: what is more like a cow is no horse, although it looks a little like one.

seem-tiny was trained to tell the classes of a vocabulary from one another, so that its logit for one class alone is too
generous. A phrase that names such a class (or means nearly the same) is answered where no other of its vocabulary is
seen more clearly. A phrase of one's own has no rivals.
"""

from collections.abc import Sequence
from functools import cache

from promptseg.vocabulary import COCO_THINGS

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

_ARTICLES = ("a ", "an ", "the ", "a photo of ", "photo of ")


def plain(phrase: str) -> str:
    """Returns a phrase in lower case, without articles and the endings of plurals that are known words."""
    words = " ".join(phrase.lower().replace("_", " ").split())
    for article in (*_ARTICLES[3:], *_ARTICLES[:3]):
        words = words.removeprefix(article)
    return words.strip()


@cache
def rivals(phrase: str) -> tuple[str, ...]:
    """Returns the names that a phrase competes with; none for a phrase that is not a known class."""
    name = _first_name(phrase)
    for vocabulary in (COCO_THINGS, tuple(GARMENTS.split(", "))):
        wanted = _among(name, vocabulary)
        if wanted is not None:
            return tuple(other for other in vocabulary if other != wanted)
    return ()


@cache
def thing_of(phrase: str) -> int | None:
    """Returns the number of COCO's thing, from 0, that a phrase names."""
    wanted = _among(_first_name(phrase), COCO_THINGS)
    return None if wanted is None else COCO_THINGS.index(wanted)


def _first_name(phrase: str) -> str:
    name = plain(phrase)
    return next((group[0] for group in SAME if name in group), name)


def _among(name: str, vocabulary: Sequence[str]) -> str | None:
    """Returns the name of a vocabulary that a name is, as it stands or in the plural."""
    return next((one for one in (name, name.removesuffix("s"), name.removesuffix("es")) if one in vocabulary), None)
