"""`edge models`: the models of the settings, listed, checked, added and measured."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli import EXIT_USAGE, fail
from edge.config import ConfigError, Settings, load

if TYPE_CHECKING:
    from edge.models.registry.model import Model
    from edge.profile.model_settings import ModelSettings

_KEYS = ("cfg", "weights", "names", "onnx", "torch", "layout", "providers", "family")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("models", help="your own models: list, check, add, measure")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _action(actions, "list", "each model, its classes and sizes", _list)
    checking = _action(actions, "check", "check the models' files, without serving", _check)
    checking.add_argument("name", nargs="*", metavar="NAME", help="default: all")
    adding = _action(actions, "add", "check a model, and write its table to --config", _add)
    adding.add_argument("name", metavar="NAME", help="letters, digits, '.', '_' and '-'")
    for key in ("cfg", "weights", "names", "onnx"):
        adding.add_argument(f"--{key}", type=Path, metavar="FILE")
    adding.add_argument(
        "--torch", metavar="MODULE:CALLABLE", help="what makes a PyTorch module, as an entry point"
    )
    adding.add_argument("--layout", metavar="L", help="of its output, where shapes do not tell")
    adding.add_argument(
        "--providers", nargs="+", metavar="P", help="run an ONNX file by these of ONNX Runtime's"
    )
    adding.add_argument("--family", metavar="NAME", help="models among which the plan may choose")
    adding.add_argument(
        "--on-demand", action="store_true", default=None, help="load it once a session may use it"
    )
    adding.add_argument("--input-sizes", type=int, nargs="+", metavar="PX")
    adding.add_argument("--score-threshold", type=float, metavar="S")
    adding.add_argument("--nms-iou", type=float, metavar="IOU")
    benching = _action(actions, "bench", "measure each model on this machine's CPU", _bench)
    benching.add_argument("name", nargs="*", metavar="NAME", help="default: all")
    benching.add_argument("--threads", type=int, metavar="N", help="default: all cores")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    about: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=about, description=about)
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    parser.set_defaults(run=lambda options: _run(run, options))
    return parser


def _run(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """The exit status: 1 for a file that can't be used, the settings' own among them."""
    from edge.models.cfg.model_error import ModelError  # noqa: PLC0415

    try:
        return run(options)
    except ModelError as error:
        return fail(str(error))
    except ConfigError as error:
        for line in str(error).splitlines():
            fail(line)
        return 1


def _list(options: argparse.Namespace) -> int:
    """A line for each model; those with unusable files are named, and make the status 1."""
    return _each(load(options.config), [], _described)


def _check(options: argparse.Namespace) -> int:
    """A line for each model: its files fit each other, or what is wrong with which."""
    settings = load(options.config)
    if (unknown := _unknown(settings, options.name)) is not None:
        return unknown
    status = _each(settings, options.name, lambda model: f"{_described(model)}: fits")
    if status == 0:
        _families(settings)
    return status


def _add(options: argparse.Namespace) -> int:
    """Check a new model and append its table to the settings; without --config, print it."""
    from pydantic import ValidationError  # noqa: PLC0415

    from edge.base.validation import mistakes  # noqa: PLC0415
    from edge.models.registry.model_check import check_model  # noqa: PLC0415
    from edge.profile.model_settings import ModelSettings  # noqa: PLC0415

    file: Path | None = options.config
    settings = load(file if file is not None and file.exists() else None)
    keys = (*_KEYS, "on_demand", "input_sizes", "score_threshold", "nms_iou")
    given = {key: value for key in keys if (value := getattr(options, key)) is not None}
    try:
        added = ModelSettings(name=options.name, **given)
    except ValidationError as error:
        for line in mistakes(error, ModelSettings):
            fail(line)
        return EXIT_USAGE
    if any(model.name == added.name for model in settings.models):
        return fail(f"{file}: models: there is one called {added.name!r} already")
    model = check_model(added, settings.edges)
    if file is None:
        print(_table(added, None), end="")
        return 0
    _append(file, _table(added, file.parent.resolve()))
    print(f"{file}: added {_described(model)}")
    return 0


def _bench(options: argparse.Namespace) -> int:
    """Each model's time a picture, at its input sizes, for pictures of 16:9, and the memory of this
    process, which keeps all that came before."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from edge.cli.models_bench import measure_model  # noqa: PLC0415
    from edge.models.registry.model_check import check_model  # noqa: PLC0415

    settings = load(options.config)
    if (unknown := _unknown(settings, options.name)) is not None:
        return unknown
    table = Table("model", "input", "ms a picture", "pictures a second", "MB resident")
    for each in _named(settings, options.name):
        for found in measure_model(check_model(each, settings.edges), options.threads):
            table.add_row(
                each.name,
                f"{found.size[0]}x{found.size[1]}",
                f"{found.ms:.1f}",
                f"{1000.0 / found.ms:.0f}",
                f"{found.resident_bytes / 1e6:.0f}",
            )
    Console().print(table)
    return 0


def _each(settings: Settings, names: list[str], text: Callable[[Model], str]) -> int:
    """Print `text` of each model of these names, or its mistake; 1 if there was one."""
    from edge.models.cfg.model_error import ModelError  # noqa: PLC0415
    from edge.models.registry.model_check import check_model  # noqa: PLC0415

    status = 0
    for each in _named(settings, names):
        try:
            print(text(check_model(each, settings.edges)))
        except ModelError as error:
            status = fail(f"{each.name}: {error}")
    return status


def _families(settings: Settings) -> None:
    from edge.models.registry.registry import ModelRegistry  # noqa: PLC0415

    ModelRegistry.of(settings)


def _named(settings: Settings, names: list[str]) -> Iterable[ModelSettings]:
    return [each for each in settings.served_models if not names or each.name in names]


def _unknown(settings: Settings, names: list[str]) -> int | None:
    """The exit status for a name that no model has."""
    known = [each.name for each in settings.served_models]
    unknown = [name for name in names if name not in known]
    if not unknown:
        return None
    return fail(f"no model is called {unknown[0]!r}: {', '.join(known)}", EXIT_USAGE)


def _described(model: Model) -> str:
    from edge.assets.store import cached  # noqa: PLC0415
    from edge.models.weights import WEIGHTS  # noqa: PLC0415

    sizes = model.long_sides
    files = ", ".join(map(str, filter(None, (model.torch, *model.files)))) or "published weights"
    if model.kind == "built in" and not model.files and cached(WEIGHTS[model.name]) is None:
        files += f", not fetched yet: `edge weights fetch {model.name}`"
    family = f", family {model.family}" if model.family != model.name else ""
    family += ", on demand" * model.on_demand
    span = f"{sizes[0]} px" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} px"
    classes = len(model.class_names)
    return (
        f"{model.name}: {model.kind}, {classes} class{'es' * (classes != 1)}, {span}{family}"
        f" ({files})"
    )


def _table(model: ModelSettings, folder: Path | None) -> str:
    """The model as a table of the settings in `folder`, with the keys that were given."""
    from edge.cli.settings_toml import toml  # noqa: PLC0415

    lines = ["[[models]]"]
    for key in type(model).model_fields:
        value = getattr(model, key)
        if key in model.model_fields_set and value is not None:
            lines.append(f"{key} = {toml(_stored(value, folder))}")
    return "\n".join(lines) + "\n"


def _stored(value: object, folder: Path | None) -> object:
    """A file's path as it is found from anywhere: relative to the settings' folder within it."""
    if not isinstance(value, Path) or folder is None:
        return value
    whole = value.resolve()
    return whole.relative_to(folder) if whole.is_relative_to(folder) else whole


def _append(file: Path, table: str) -> None:
    """Add a table at a settings file's end, all at once; ConfigError if they then aren't valid."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    part = file.with_name(file.name + ".part")
    try:
        part.write_text("\n".join([*([text.rstrip("\n"), ""] if text else []), table]), "utf-8")
        load(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
