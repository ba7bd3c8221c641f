"""Whether the server of these settings takes sessions: `python -m edge.observability.health`, for
containers.

Asks `/healthz` on this machine, by the settings that the environment has; exits 0 or 1. Its own
certificate is not looked at: nothing is told, and the answer is a status.
"""

from __future__ import annotations

import ssl
import sys
import urllib.request

from edge.config import ConfigError, load

_TIMEOUT_S = 4.0


def main() -> int:
    """Exit status: 0 if it does."""
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
