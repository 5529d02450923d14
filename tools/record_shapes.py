"""Records names and shapes of the official SAM and MobileSAM networks, from the packages that `make test` installs.

python tools/record_shapes.py            # writes src/promptseg/models/sam/shapes.json.gz
"""

import gzip
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src/promptseg/models/sam/shapes.json.gz"
sys.path.insert(0, str(ROOT / "tests/models"))


def main() -> None:
    """Runs the command."""
    from sam_synthetic import stand_in_for_imports

    with pytest.MonkeyPatch.context() as patch:
        stand_in_for_imports(patch)
        import mobile_sam
        import segment_anything

        builders = {"mobile-sam": mobile_sam.sam_model_registry["vit_t"]}
        builders |= {f"sam-vit-{size}": segment_anything.sam_model_registry[f"vit_{size}"] for size in "blh"}
        states = {name: build().state_dict() for name, build in builders.items()}
    shapes = {name: {key: list(value.shape) for key, value in state.items()} for name, state in states.items()}
    TARGET.write_bytes(gzip.compress(json.dumps(shapes).encode(), mtime=0))


if __name__ == "__main__":
    main()
