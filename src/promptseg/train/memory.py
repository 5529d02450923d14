"""Memory of a long run: what one step frees, the next step needs again in the same sizes."""

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Names of glibc's mallopt(3)."""

RESERVE = 1 << 28


def keep_freed_memory() -> bool:
    """Tells the C library to keep freed memory for the process instead of giving it back; tells if it listened.

    glibc maps every large tensor anew, and the kernel clears each of its pages: a third of the time of SAM's decoder in
    training (benchmarks/semantics.md). It concerns the whole process, so a command calls it, not the library. Nothing
    happens where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    most = 2**31 - 1
    return all(mallopt(name, value) for name, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, most), (TOP_PAD, RESERVE)))
