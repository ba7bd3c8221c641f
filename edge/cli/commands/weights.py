"""`edge weights`: the networks' weight files, listed and fetched."""

from __future__ import annotations

import argparse

from edge.cli import EXIT_USAGE, fail


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("weights", help="the networks' weight files")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the files, their sources, and what is cached")
    listing.set_defaults(run=list_all)
    fetching = actions.add_parser("fetch", help="fetch one into the cache")
    fetching.add_argument("name", metavar="NAME", help="as `list` names it")
    fetching.set_defaults(run=fetch_one)


def list_all(options: argparse.Namespace) -> int:
    """Print each weight file's size, hash and sources, and whether it is cached."""
    from edge.assets.store import cached  # noqa: PLC0415
    from edge.models.weights import WEIGHTS  # noqa: PLC0415

    for name, asset in WEIGHTS.items():
        print(f"{name}")
        print(f"  file     {asset.name}, {asset.size:,} bytes")
        print(f"  SHA-256  {asset.sha256}")
        print(f"  cached   {cached(asset) or 'no'}")
        for source in asset.sources:
            print(f"  source   {source}")
    return 0


def fetch_one(options: argparse.Namespace) -> int:
    """Fetch the weights called `options.name` with a progress bar and print their path."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TransferSpeedColumn,
    )

    from edge.assets.store import fetch  # noqa: PLC0415
    from edge.models.weights import WEIGHTS  # noqa: PLC0415

    asset = WEIGHTS.get(options.name)
    if asset is None:
        message = f"no weights are called {options.name!r}: {', '.join(WEIGHTS)}"
        return fail(message, EXIT_USAGE)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(options.name, total=asset.size)
        path = fetch(
            asset, lambda done, total: bar.update(task, completed=done, total=total or None)
        )
    print(path)
    return 0
