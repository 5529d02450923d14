"""Makes src/promptseg/masks/fonts/ of Noto Sans and Noto Sans JP: the letters that labels on pictures need most.

pip install fonttools fontpkg-noto-sans==2.15 justmytype-intl-cjk==0.1.0
python tools/subset_fonts.py
"""

from importlib.util import find_spec
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

TARGET = Path(__file__).parents[1] / "src/promptseg/masks/fonts"

LATIN = [
    *range(0x20, 0x7F),
    *range(0xA0, 0x530),
    *range(0x1E00, 0x2000),
    *range(0x2000, 0x2070),
    *range(0x20A0, 0x20C1),
]
"""Latin with its extensions, Greek, Cyrillic, Vietnamese, punctuation, currencies."""

KANA = [*range(0x3000, 0x3100), *range(0x31F0, 0x3200), *range(0xFF00, 0xFFF0)]


def kanji() -> list[int]:
    """Returns the 2,965 characters of the first level of JIS X 0208, which everyday Japanese is written with."""
    codes = [bytes((0xA0 + row, 0xA0 + cell)) for row in range(16, 48) for cell in range(1, 95)]
    return [ord(text) for code in codes if (text := code.decode("euc_jp", "ignore"))]


def subset(source: Path, target: Path, axes: dict[str, float], letters: list[int]) -> None:
    """Writes one weight of a font with some of its letters."""
    font = instantiateVariableFont(TTFont(source), axes)
    options = Options()
    options.hinting = False
    options.layout_features = ["ccmp", "mark", "mkmk", "kern"]
    options.name_IDs = ["*"]
    chosen = Subsetter(options)
    chosen.populate(unicodes=letters)
    chosen.subset(font)
    font.save(target)
    print(f"{target.name}: {target.stat().st_size:,} bytes, {len(font.getBestCmap()):,} letters")


def folder_of(package: str) -> Path:
    """Returns where an installed package lies."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed; see the head of this file.")
    return Path(spec.origin).parent


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    noto = folder_of("fontpkg_noto_sans") / "files/NotoSans[wdth,wght].ttf"
    japanese = folder_of("justmytype_intl_cjk") / "fonts/ofl/notosansjp"
    subset(noto, TARGET / "noto_sans.ttf", {"wght": 500, "wdth": 100}, LATIN)
    subset(japanese / "NotoSansJP[wght].ttf", TARGET / "noto_sans_jp.ttf", {"wght": 500}, [*KANA, *kanji()])
    latin = (folder_of("fontpkg_noto_sans") / "LICENSE").read_text().splitlines()[0]
    (TARGET / "OFL.txt").write_text(f"{latin}\n{(japanese / 'OFL.txt').read_text()}")
