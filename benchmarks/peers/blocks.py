"""How a script that is measured talks to `cargo xtask bench`.

It says that it is ready in a line of JSON on standard output. From then on it sleeps, until a line `go BATCH_SIZE` on
standard input asks for a block of timings, which it answers with another line: the seconds of each piece of work, and
the most memory that the process ever held. When standard input ends, so does the script.
"""

import json
import resource
import sys
import time


def tell(**message):
    print(json.dumps(message), flush=True)


def serve(work, block_seconds, least, warm_up=2):
    """Answers every block with the timings of `work(batch_size)`, at least `least` of them, until `block_seconds` are
    over. `warm_up` pieces of work before them are not timed."""
    for line in sys.stdin:
        batch_size = int(line.removeprefix("go "))
        for _ in range(warm_up):
            work(batch_size)
        seconds = []
        while len(seconds) < least or sum(seconds) < block_seconds:
            start = time.perf_counter()
            work(batch_size)
            seconds.append(time.perf_counter() - start)
        tell(seconds=seconds, peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def largest_difference(theirs, ours):
    """The largest difference between two tensors, relative to the largest value."""
    return ((theirs - ours).abs().max() / ours.abs().max().clamp_min(1e-6)).item()


def distance(theirs, ours):
    """The length of the difference of two tensors, relative to the length of ours."""
    return ((theirs - ours).norm() / ours.norm().clamp_min(1e-6)).item()


def require_same(name, difference, tolerance):
    if not difference <= tolerance:
        sys.exit(f"{name} differs from ours by {difference:.1e} of its size, more than {tolerance:.0e}")
