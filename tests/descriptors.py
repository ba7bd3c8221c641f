"""A real shortage of file descriptors in processes that run."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def no_descriptor_left(pids: list[int], more: int = 0) -> Iterator[None]:
    """Each may open `more` descriptors, and no further one; those that are open stay.

    What earlier tests left behind in this process must not be closed meanwhile.
    """
    gc.collect()
    with ExitStack() as stack:
        for pid in pids:
            listed = list(Path(f"/proc/{pid}/fd").iterdir())
            used = {int(path.name) for path in listed if path.is_symlink()}  # not the listing's own
            free = [number for number in range(len(used) + more + 1) if number not in used]
            _, hard = limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            stack.callback(resource.prlimit, pid, resource.RLIMIT_NOFILE, limits)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[more], hard))
        yield
