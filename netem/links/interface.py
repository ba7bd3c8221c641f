"""Takes an interface of a namespace down and up: `python -m netem.links.interface NAME down`, run
in the namespace. A process of its own, so that a running event loop is not blocked."""

from __future__ import annotations

import sys

from pyroute2 import IPRoute

from netem.links.namespace import index_of


def main(name: str, state: str, gateway: str = "", metric: str = "") -> None:
    """`state` is up or down; with a gateway, the default route leads there again."""
    with IPRoute() as route:
        route.link("set", index=index_of(route, name), state=state)
        if gateway:
            route.route("add", dst="default", gateway=gateway, priority=int(metric))


if __name__ == "__main__":
    main(*sys.argv[1:])
