"""A run that kills itself, as kill -9 would, at its n-th dealing with the file system: before, after, or half through.

python doomed_run.py PICTURES OUT WORKERS N      (N = 0: it lives)
"""

import os
import signal
import stat
import sys

from fakes_for_batch import QuickLabeler

from promptseg.batch import LabelerSettings, find_pictures, label_pictures


def doom(fatal: int) -> None:
    calls = 0

    def deadly(name, real):
        def call(*arguments, **options):
            nonlocal calls
            if name == "write" and not stat.S_ISREG(os.fstat(arguments[0]).st_mode):
                return real(*arguments, **options)  # a pipe between processes
            calls += 1
            if calls < fatal:
                return real(*arguments, **options)
            if name == "write":
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
            elif calls % 2:
                real(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("dead")

        return call

    for name in ("open", "fsync", "replace", "write"):
        setattr(os, name, deadly(name, getattr(os, name)))


if __name__ == "__main__":
    pictures, out, workers, fatal = sys.argv[1:]
    items = find_pictures(pictures)
    if int(fatal):
        doom(int(fatal))
    summary = label_pictures(items, out, LabelerSettings(), workers=int(workers), make=QuickLabeler)
    print(summary.labelled, summary.skipped, len(summary.failed))
