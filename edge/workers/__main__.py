"""`python -m edge.workers SOCKET_FD MEMORY_FD SERVER_PID`: started by the pool, not by hand."""

import sys

from edge.workers.backends import open_device
from edge.workers.process import main

if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("edge.workers is started by the server's worker pool, not by hand")
    sys.exit(main(sys.argv[1:], open_device))
