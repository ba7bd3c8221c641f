"""`python -m edge.ingest SOCKET_FD MEMORY_FD SERVER_PID`: started by the server, not by hand."""

import sys

from edge.ingest.process import main

if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("edge.ingest is started by the server, not by hand")
    sys.exit(main(sys.argv[1:]))
