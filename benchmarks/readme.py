"""Puts what `evaluate.py` measured into the tables of the READMEs, between their markers.

python benchmarks/readme.py out/results
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- clicks: written by benchmarks/readme.py -->", "<!-- clicks: end -->"
SETS = ("davis2016", "nuclei", "coco", "voc", "ccp")
WORDS = {
    "README.md": (
        "simulated clicks, dev sets | mean IoU after 1 / 2 / 3 / 5 clicks | clicks to 90 % | worst drop",
        "{set}, {count} objects: {who}",
        {"official recipe": "official recipe", "promptseg": "promptseg"},
    ),
    "README.ja.md": (
        "模擬クリック（開発用データ） | 1 / 2 / 3 / 5 クリック後の平均 IoU | 90 % までのクリック数 | 最悪の低下",  # noqa: RUF001
        "{set}、{count} 個：{who}",  # noqa: RUF001
        {"official recipe": "公式手順", "promptseg": "promptseg"},
    ),
}


def rows(results: Path, form: str, names: dict[str, str]) -> list[str]:
    """Returns a row per data set and contestant that was measured."""
    lines: list[str] = []
    for name in SETS:
        file = results / f"clicks-{name}" / "clicks.json"
        if not file.exists():
            continue
        record: dict[str, Any] = json.loads(file.read_text())
        for contestant in record["contestants"]:
            value = {key: measure["value"] for key, measure in contestant["measures"].items()}
            iou = " / ".join(f"{value[f'IoU@{count}']:.3f}" for count in (1, 2, 3, 5))
            who = form.format(set=name, count=record["rows"], who=names[contestant["name"]])
            lines.append(f"| {who} | {iou} | {value['NoC@90']:.2f} | {value['worst drop']:.3f} |")
    return lines


def write(results: Path) -> None:
    """Rewrites the tables; a README without the markers stays as it is."""
    for file, (head, form, names) in WORDS.items():
        path = ROOT / file
        before, found, rest = path.read_text().partition(BEGIN)
        _, ended, after = rest.partition(END)
        if found and ended:
            table = "\n".join([f"| {head} |", "|---|---|---|---|", *rows(results, form, names)])
            path.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
