"""Container health check: `python -m edge.cli.healthcheck` exits 0 if the server takes sessions.

It requests `/healthz` from this machine, at the port that the environment's settings name. The
certificate is not verified: the request carries no secret, and the answer is a status.
"""

from __future__ import annotations

import ssl
import sys
import urllib.request

from edge.config import ConfigError, load

_TIMEOUT_S = 4.0


def main() -> int:
    """Exit status: 0 if sessions are taken, 1 if not, with the reason on standard error."""
    try:
        settings = load()
        scheme = "http" if settings.http else "https"
        url = f"{scheme}://localhost:{settings.port}/healthz"
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S, context=context) as response:
            return int(response.status != 200)
    except (ConfigError, OSError) as error:  # refused, not ready (HTTPError), no answer
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
