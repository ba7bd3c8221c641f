"""The command line: `edge COMMAND` or `python -m edge COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import edge
from edge.assets.browser import BrowserMissingError
from edge.assets.store import AssetError
from edge.cli import EXIT_USAGE, compile_cache, fail
from edge.cli.commands import demo, direct, models, publish, serve, setup, solve, watch, weights
from edge.cli.extras import ExtraMissingError
from edge.config import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 bad usage."""
    program = "edge" if Path(sys.argv[0]).name == "edge" else "python -m edge"
    parser = argparse.ArgumentParser(prog=program, description=edge.__doc__)
    parser.add_argument("--version", action="version", version=f"edge {edge.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (serve, direct, publish, watch, demo, solve, models, weights, setup):
        command.add_parser(commands)
    _add_bench(commands)
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    compile_cache.choose()
    try:
        return run(options)
    except ConfigError as error:
        for line in str(error).splitlines():
            fail(line)
        return EXIT_USAGE
    except (AssetError, BrowserMissingError, ExtraMissingError) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 130


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The benchmarks' former place, without a line in the help: it only names the new one."""
    parser = commands.add_parser("bench", add_help=False, prefix_chars="\0")
    parser.add_argument("rest", nargs="*")
    moved = "benchmarks have moved: python -m analysis bench NAME"
    parser.set_defaults(run=lambda options: fail(moved, EXIT_USAGE))
