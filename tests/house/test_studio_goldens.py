"""What the studio's TypeScript is tested against is what Python computes today."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_goldens_are_current() -> None:
    tool = runpy.run_path(str(ROOT / "tools/studio_goldens.py"))
    computed = json.loads(json.dumps(tool["goldens"]()))
    stored = json.loads((ROOT / "web/src/goldens.json").read_text())
    assert computed == stored, "Run python tools/studio_goldens.py and make the TypeScript follow."
