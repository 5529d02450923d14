"""How the time of work grows with its input, whatever the machine and however busy it is."""

import time


def growth(work, small, large, most, tries=8):
    """Returns how many times as long the large input takes in CPU time.

    Each counts at its best of some tries; it is enough once the answer is below `most`, for other programs only add.
    """
    best = [float("inf"), float("inf")]
    for _ in range(tries):
        for place, given in enumerate((small, large)):
            begin = time.thread_time()
            work(given)
            best[place] = min(best[place], time.thread_time() - begin)
        if best[1] < most * best[0]:
            break
    return best[1] / best[0]
