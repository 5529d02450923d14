"""Lays out the repository's pages for `make docs`.

python tools/stage_docs.py FOLDER

Pages keep their places, so that their links stay true; README.md becomes the first page, and the decisions get a page
that lists them. A link to something that is no page, such as a folder or a program, becomes plain text; one to what
does not exist is left for the builder to refuse.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = ["*.md", "docs/**/*.md", "benchmarks/*.md", "examples/*.md", "web/src/**/*.md"]
PICTURES = ["docs/images/*", "benchmarks/*.svg", "examples/*.jpg"]
DECISIONS = ROOT / "docs/decisions"
INDEX = DECISIONS / "README.md"
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def stage(target: Path) -> None:
    """Fills a folder with all pages and pictures."""
    shutil.rmtree(target, ignore_errors=True)
    pages = {path: path.read_text() for pattern in PAGES for path in ROOT.glob(pattern)}
    pages[INDEX] = "# Decisions\n\n" + "".join(
        f"- [{pages[path].splitlines()[0].lstrip('# ')}]({path.name})\n" for path in sorted(DECISIONS.glob("*.md"))
    )
    for path, text in pages.items():
        place = target / _place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_LINK.sub(lambda link, path=path: _linked(link, path, pages.keys()), text))
    for path in (path for pattern in PICTURES for path in ROOT.glob(pattern)):
        place = target / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def _place(page: Path) -> Path:
    """Returns where a page lies on the site."""
    return Path("index.md") if page == ROOT / "README.md" else page.relative_to(ROOT)


def _linked(link: re.Match[str], page: Path, pages: Any) -> str:
    text, name, anchor = link.groups()
    goal = (page.parent / name).resolve()
    found = goal / "README.md" if goal.is_dir() else goal
    if found in pages:
        up = "../" * len(page.relative_to(ROOT).parent.parts)
        return f"[{text}]({up}{_place(found).as_posix()}{anchor or ''})"
    return text if goal.exists() else link[0]


def missing(target: Path) -> list[str]:
    """Returns the pages that the navigation names and that are not there; the builder passes over them."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    return [name for name in _names(nav) if not (target / name).is_file()]


def _names(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _names(item)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    stage(folder)
    if absent := missing(folder):
        sys.exit(f"zensical.toml names pages that are not there: {', '.join(absent)}")
