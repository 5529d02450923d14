"""Writes the embedded weights as mobile_sam.pt in float32, for the peer in benchmarks/. Needs torch.

python tools/write_peer_checkpoint.py mobile_sam.pt
"""

import sys

import torch

from promptseg.models.network import Network


def main() -> None:
    """Runs the command."""
    tensors = {name: torch.from_numpy(value) for name, value in Network.load().tensors.items()}
    widened = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    torch.save(widened, sys.argv[1])


if __name__ == "__main__":
    main()
