"""Freed memory stays with the process, so that the kernel clears no page twice."""

import mmap
import platform
import subprocess
import sys

import pytest

MEASURE = """
import resource, sys
from promptseg.train.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(1 << 26)
before = faults()
bytearray(1 << 26)
print(faults() - before)
"""
PAGES = (1 << 26) // mmap.PAGESIZE


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_the_next_allocation_of_a_size_finds_its_pages() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", MEASURE, how], capture_output=True, check=True).stdout)
        for how in ("kept", "given back")
    }
    assert faults["kept"] < PAGES / 10
    assert faults["given back"] > PAGES / 2
