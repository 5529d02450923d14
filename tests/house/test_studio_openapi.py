"""The studio's types are made from the contract that the server has today."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_contract_is_current() -> None:
    tool = runpy.run_path(str(ROOT / "tools/studio_openapi.py"))
    stored = json.loads((ROOT / "web/openapi.json").read_text())
    assert json.loads(json.dumps(tool["contract"]())) == stored, (
        "Run python tools/studio_openapi.py, then npm run check in web/ and make the studio follow."
    )
