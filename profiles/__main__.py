"""The command line: `python -m profiles latency|accuracy|report`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import profiles
from edge.assets.store import AssetError
from edge.config import ConfigError
from edge.models.cfg.model_error import ModelError
from edge.profile.accuracy import AccuracyError
from profiles import accuracy_command, latency_command, report_command
from profiles.arguments import UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 bad usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m profiles", description=profiles.__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module, about in (
        ("latency", latency_command, "p50 and p99 of batches on a device"),
        ("accuracy", accuracy_command, "F1 and AP by sent size, bitrate, codec and input size"),
        ("report", report_command, "one page on a device: speed, memory, decoding, its tests"),
    ):
        command = commands.add_parser(name, help=about, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(given)
    try:
        status: int = options.run(options, given)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (AccuracyError, AssetError, ConfigError, ModelError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
