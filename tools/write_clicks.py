"""Writes the embedded click decoder from what the recipe sam-clicks trained, part of the way from MobileSAM's.

    promptseg train sam-clicks DATA -o trained.safetensors
    python tools/write_clicks.py trained.safetensors --share 0.35

The share was chosen on the dev sets (benchmarks/clicks.md): all the way is better on pictures like those trained on,
and worse on others.
"""

import argparse
import json
from pathlib import Path

from promptseg.models.companions.decoder import write_changes
from promptseg.models.network import Network
from promptseg.models.store import file_sha256
from promptseg.models.tensors import read_safetensors

WEIGHTS = Path(__file__).parents[1] / "src/promptseg/models/weights"


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path)
    parser.add_argument("--share", type=float, default=0.35)
    given = parser.parse_args()
    note = f"recipe sam-clicks on COCO, VOC, CCP and nuclei training pictures; {given.share:g} of the way"
    target = WEIGHTS / "mobile_sam_clicks.safetensors"
    base = Network.load("mobile-sam").tensors
    write_changes(target, base, read_safetensors(given.trained), given.share, note)
    record = {
        "model": "mobile-sam-clicks",
        "file": target.name,
        "bytes": target.stat().st_size,
        "sha256": file_sha256(target),
        "licence": "Apache-2.0",
        "origin": f"differences from mobile_sam.safetensors; {note}",
    }
    target.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{target} {record['bytes']:,} bytes {record['sha256']}")


if __name__ == "__main__":
    main()
