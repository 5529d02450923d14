"""The models that promptseg knows: names, sizes, origins, licences and hashes of the official checkpoints."""

import importlib.resources
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from promptseg.errors import WeightsError

T = TypeVar("T")
Family: TypeAlias = Literal["sam", "seem"]
"""Whose network a model is: SAM's, or SEEM's."""

MODEL_ABILITIES: Mapping[str, str] = {
    "everything": "finds all masks of a picture by a search",
    "edges": "draws edge maps",
    "proposals": "proposes masks of everything that may be an object",
    "tiles": "answers prompts on tiles of a large picture",
    "nested": "gives a part, an object and a whole for one click",
    "ranks": "tells the chances of several names for a mask",
    "cache": "its embeddings can be kept",
    "graphs": "has SAM's graphs, so that it computes in every engine and in the browser",
    "classes": "knows classes itself: `segment` names masks, `embed` and `panoptic` can be tuned to classes",
}
"""What some models can do and others not, beside places, words, references, names and maps of classes, which all take.
Callers ask for these words, not for a family."""

_ABILITIES: Mapping[Family, frozenset[str]] = {
    "sam": frozenset(MODEL_ABILITIES) - {"classes"},
    "seem": frozenset({"classes"}),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CompanionFiles:
    """Files of the package with what was trained beside a model; empty where nothing was.

    Attributes:
        decoder: what its decoder for prompts differs by from that of its base.
        choice: tells which of its masks answers a click.
        retouch: draws the border of a corrected mask anew.
        objectness: tells from an embedding of its network where small objects are.
    """

    decoder: str = ""
    choice: str = ""
    retouch: str = ""
    objectness: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCard:
    """What is known about one model.

    Attributes:
        name: the name used everywhere in promptseg.
        architecture: the image encoder's name in the official code (vit_t, vit_b, vit_l, vit_h, focal_dw, focal).
        parameters: how many trained numbers the network has.
        licence: SPDX name of the licence of the weights.
        origin: who trained it, and from what.
        url: the official checkpoint, a PyTorch pickle file.
        bytes: the size of that file; 0 where it is not recorded.
        sha256: the hash of that file; empty where it is not recorded. Such a file is not downloaded by promptseg.
        embedded: the weights come with the package; nothing has to be downloaded.
        family: whose network it is.
        base: the network whose image encoder and graphs it shares, if it is a variant of another.
        companions: what was trained beside it.
        aliases: other names for it.
    """

    name: str
    architecture: str
    parameters: int
    licence: str
    origin: str
    url: str
    bytes: int = 0
    sha256: str = ""
    embedded: bool = False
    family: Family = "sam"
    base: str = ""
    companions: CompanionFiles = CompanionFiles()
    aliases: tuple[str, ...] = ()

    @property
    def checkpoint(self) -> str:
        """The file name of the official checkpoint."""
        return self.url.rpartition("/")[2]

    @property
    def by_hand(self) -> str:
        """What to do with a checkpoint that was got by other means."""
        return f"run: promptseg models convert {self.checkpoint} --model {self.name}"

    @property
    def network(self) -> str:
        """The name of the network: that of `base`, or its own. Embeddings belong to it."""
        return self.base or self.name

    @property
    def embedded_files(self) -> tuple[str, ...]:
        """Names of the recorded files of the package that hold its weights: its network's, and its decoder's."""
        names = (self.network.replace("-", "_"), self.companions.decoder.removesuffix(".safetensors"))
        return tuple(filter(None, names)) if self.embedded else ()

    @property
    def abilities(self) -> frozenset[str]:
        """What the model can do of `MODEL_ABILITIES`."""
        return _ABILITIES[self.family]


DEFAULT_MODEL = "mobile-sam-clicks"
"""What is used where no model is named."""

_META = "https://dl.fbaipublicfiles.com/segment_anything/"
_XDECODER = "https://huggingface.co/xdecoder/SEEM/resolve/main/"
_SEEM = "UX-Decoder/Segment-Everything-Everywhere-All-At-Once, trained on COCO, RefCOCO and LVIS"


def _sam(size: str, parameters: int, digits: str, stored: int, sha256: str) -> ModelCard:
    return ModelCard(
        name=f"sam-vit-{size}",
        architecture=f"vit_{size}",
        parameters=parameters,
        licence="Apache-2.0",
        origin="facebookresearch/segment-anything, trained on SA-1B",
        url=f"{_META}sam_vit_{size}_{digits}.pth",
        bytes=stored,
        sha256=sha256,
        aliases=(f"vit_{size}",),
    )


def _seem(name: str, architecture: str, parameters: int, file: str) -> ModelCard:
    return ModelCard(
        name=name,
        architecture=architecture,
        parameters=parameters,
        licence="Apache-2.0",
        origin=_SEEM,
        url=_XDECODER + file,
        family="seem",
        aliases=(file.rpartition("_")[0],),
    )


# The hexadecimal digits in Meta's file names begin the MD5 sums, not the SHA-256 sums. The SHA-256 sums and
# sizes below are those on which many independent public projects agree, among them micro-sam.
CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="mobile-sam",
        architecture="vit_t",
        parameters=10_130_092,
        licence="Apache-2.0",
        origin="ChaoningZhang/MobileSAM, distilled from SAM ViT-H",
        url="https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
        bytes=40_728_226,
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        embedded=True,
        companions=CompanionFiles(objectness="mobile_sam_objectness.safetensors"),
        aliases=("vit_t", "mobile_sam"),
    ),
    ModelCard(
        name="mobile-sam-clicks",
        architecture="vit_t",
        parameters=10_130_092,
        licence="Apache-2.0",
        origin="MobileSAM, its decoder trained further by promptseg (recipe sam-clicks)",
        url="https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
        embedded=True,
        base="mobile-sam",
        companions=CompanionFiles(
            decoder="mobile_sam_clicks.safetensors",
            choice="mobile_sam_choice.json",
            retouch="mobile_sam_retouch.safetensors",
        ),
        aliases=("default", "mobile_sam_clicks"),
    ),
    _sam("b", 93_735_472, "01ec64", 375_042_383, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
    _sam("l", 312_342_832, "0b3195", 1_249_524_607, "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
    _sam("h", 641_090_608, "4b8939", 2_564_550_879, "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
    _seem("seem-focal-t", "focal_dw", 164_619_249, "seem_focalt_v0.pt"),
    _seem("seem-focal-l", "focal", 341_181_177, "seem_focall_v0.pt"),
    _seem("seem-sam-vit-b", "vit_b", 215_563_649, "seem_samvitb_v1.pt"),
    _seem("seem-sam-vit-l", "vit_l", 440_538_689, "seem_samvitl_v1.pt"),
)


def get_card(name: str) -> ModelCard:
    """Returns the card of the model called `name` (or one of its aliases; case and -/_ do not matter).

    Raises:
        WeightsError: no model has that name.
    """
    wanted = _plain(name)
    for card in CARDS:
        if wanted in (_plain(known) for known in (card.name, *card.aliases)):
            return card
    known = ", ".join(card.name for card in CARDS)
    raise WeightsError(f"There is no model called {name!r}. Known models: {known}.")


def companions_of(model: str) -> CompanionFiles:
    """Returns what was trained beside a model of the registry, by its name; nothing beside any other."""
    return next((card.companions for card in CARDS if card.name == model), CompanionFiles())


def embedded_weights_path(name: str = "mobile_sam") -> Path:
    """Returns a weights file that comes with the package, one of a card's `embedded_files` (safetensors).

    Raises:
        WeightsError: the installation lacks it.
    """
    return packaged(f"{name}.safetensors")


def embedded_record(name: str = "mobile_sam") -> dict[str, Any]:
    """Returns what is recorded about an embedded file: its sha256, bytes, origin and licence.

    Raises:
        WeightsError: the installation lacks the record, or it is damaged.
    """
    path = packaged(f"{name}.json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is damaged: {error}. Install promptseg again.") from error
    if not isinstance(record, dict) or not {"sha256", "bytes"} <= record.keys():
        raise WeightsError(f"{path} lacks sha256 or bytes. Install promptseg again.")
    return record


def packaged(name: str) -> Path:
    """Returns a file of the package beside the weights.

    Raises:
        WeightsError: the installation lacks it.
    """
    path = Path(str(importlib.resources.files("promptseg.models").joinpath("weights", name)))
    if not path.is_file():
        raise WeightsError(f"The embedded weights are missing: no file {path}. Install promptseg again.")
    return path


def loaded(read: Callable[[Path], T], file: str) -> T | None:
    """Returns what `read` makes of a file of `CompanionFiles`, read once; None where the card names none.

    Raises:
        WeightsError: the installation lacks the file, or it is damaged.
    """
    return _read(read, file) if file else None


@cache
def _read(read: Callable[[Path], Any], file: str) -> Any:
    return read(packaged(file))


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")
