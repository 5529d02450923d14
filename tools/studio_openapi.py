"""Writes web/openapi.json, the server's contract, which the studio's build makes its TypeScript types from.

python tools/studio_openapi.py
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from promptseg.runtimes.options import EngineOptions
from promptseg.server.app import create_app
from promptseg.server.settings import Settings

TARGET = Path(__file__).parents[1] / "web/openapi.json"


def contract() -> dict[str, Any]:
    """Returns what a server with default settings answers at /openapi.json."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data=Path(folder), models=(EngineOptions(runtime="onnx"),)))
        try:
            return app.openapi()
        finally:
            app.state.server.jobs.close()
            app.state.server.store.close()


if __name__ == "__main__":
    TARGET.write_text(json.dumps(contract(), indent=1) + "\n")
    print(f"Wrote {TARGET}.")
