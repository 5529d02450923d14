"""What ONNX Runtime keeps after many calls at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's account of memory")

PROGRAM = """
import sys, threading
from pathlib import Path
import numpy as np
from promptseg.models.network import Network
from promptseg.runtimes.factory import create_runtime

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

runtime = create_runtime(Network.load("mobile-sam"), "onnx", threads=1)
image = np.zeros((1, 3, 1024, 1024), np.float32)
runtime.encode(image)
before = resident()
threads = [threading.Thread(target=runtime.encode, args=(image,)) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(resident() - before)
"""


def test_four_pictures_at_a_time_leave_nothing_behind():
    """With all that a call ever needed kept for the next one it was 550 MB."""
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert float(found.stdout) < 200
