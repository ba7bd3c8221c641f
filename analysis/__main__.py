"""The command line: `python -m analysis COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from edge.assets.browser import BrowserMissingError
from edge.assets.store import AssetError
from edge.cli import fail
from edge.cli.extras import ExtraMissingError, lab_extra
from traces import TraceError

_COMMANDS = {
    "simulate": ("analysis.simulator.command", "run an experiment and compare the policies"),
    "figures": ("analysis.figures.command", "draw profiles and results, with their tables"),
    "bench": ("analysis.bench.command", "benchmarks"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done and promises kept, 1 failed or a promise broken, 2 bad usage."""
    try:
        options = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
        run: Callable[[argparse.Namespace], int] = options.run
        with lab_extra(f"python -m analysis {options.command}"):
            return run(options)
    except (AssetError, BrowserMissingError, ExtraMissingError, TraceError, OSError) as error:
        return fail(str(error) or type(error).__name__)
    except KeyboardInterrupt:
        return 130


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the named command's module is imported."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Simulations with the server's own code, figures of results, benchmarks.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, about) in _COMMANDS.items():
        if list(arguments[:1]) == [name]:
            loaded = importlib.import_module(module)
            loaded.add(commands.add_parser(name, help=about, description=loaded.ABOUT))
        else:
            commands.add_parser(name, help=about)
    return parser


if __name__ == "__main__":
    sys.exit(main())
