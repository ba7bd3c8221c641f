"""The documents name files, modules, commands and make targets that exist."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPONENTS = ("analysis", "deploy", "docs", "edge", "netem", "profiles", "tests", "traces", "web")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# A changelog names modules and commands as they were at the time.
CURRENT_PAGES = [page for page in PAGES if page.name != "CHANGELOG.md"]
TEXT_SUFFIXES = {".html", ".ipynb", ".js", ".md", ".py", ".service", ".toml", ".yaml", ""}
COMMAND_PACKAGES = ("analysis", "edge", "netem", "profiles", "traces")

LINK = re.compile(r"\]\(([^)\s]+)\)|src=\\?\"([^\"\\]+)")
DOCS_MENTION = re.compile(r"(?<![\w./-])docs/[\w./-]+\.(?:csv|md|png)\b")
CODE = re.compile(r"`([^`\n]+)`")
FILE_NAME = re.compile(rf"(?:{'|'.join(COMPONENTS)})(?:/[\w.-]+)+/?")
MODULE_NAME = re.compile(r"(?:analysis|edge|netem|profiles|traces)(?:\.\w+)+")
COMMAND = re.compile(r"python -m ([\w.]+)((?: [^`|&;#\n\\]+)?)")
MAKE_TARGET = re.compile(r"\bmake ([a-z]+)\b(?=[^\n`]*`)")


def text_files() -> Iterator[Path]:
    """The repository's own text files: no vendored scripts, no recorded data."""
    yield from (each for each in ROOT.iterdir() if each.is_file() and _is_text(each))
    for component in COMPONENTS:
        for path in (ROOT / component).rglob("*"):
            if path.is_file() and _is_text(path) and not {"vendor", "data"} & set(path.parts):
                yield path


def _is_text(path: Path) -> bool:
    return path.suffix in TEXT_SUFFIXES and not path.name.startswith(".")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / "analysis").rglob("*.ipynb")], ids=_name)
def test_relative_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in (first or second for first, second in LINK.findall(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert not broken


def test_mentioned_documents_exist() -> None:
    broken = {
        f"{_name(path)}: {mention}"
        for path in text_files()
        for mention in DOCS_MENTION.findall(path.read_text(errors="replace"))
        if not (ROOT / mention).is_file()
    }
    assert not broken


def test_every_document_is_reachable_from_the_entrance() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        targets = (first or second for first, second in LINK.findall(page.read_text()))
        paths = (target.partition("#")[0] for target in targets if ":" not in target)
        waiting += [(page.parent / path).resolve() for path in paths if path.endswith(".md")]
    assert {_name(page) for page in PAGES if page.is_relative_to(ROOT / "docs")} <= {
        _name(page) for page in reached
    }


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=_name)
def test_files_and_modules_named_in_a_page_exist(page: Path) -> None:
    broken = []
    for code in CODE.findall(page.read_text()):
        if (ROOT / code).exists():
            continue
        if FILE_NAME.fullmatch(code) or (MODULE_NAME.fullmatch(code) and not _is_member(code)):
            broken.append(code)
    assert not broken


def test_classes_named_in_the_glossary_exist() -> None:
    named = set(re.findall(r"`([A-Z][a-z]\w+)`", (ROOT / "docs" / "glossary.md").read_text()))
    files = (
        file
        for component in ("analysis", "edge", "netem")
        for file in (ROOT / component).rglob("*.py")
    )
    assert named
    assert named <= {name for file in files for name in _defined_names(file)}


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=_name)
def test_commands_named_in_a_page_are_known(page: Path) -> None:
    text = page.read_text().replace("\\\n", " ")
    broken = [
        f"python -m {module}{rest}"
        for module, rest in COMMAND.findall(text)
        if not _is_known_command(module, rest)
    ]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    broken += [f"make {name}" for name in MAKE_TARGET.findall(text) if name not in targets]
    assert not broken


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_member(name: str) -> bool:
    """`edge.rtc.sdp`, or `edge.profile.variant.Variant`: a module, or a name that it defines."""
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module, member = path.parent, path.name
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    return file.is_file() and member in _defined_names(file)


@functools.cache
def _defined_names(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _is_known_command(module: str, rest: str) -> bool:
    """Whether the sub-command exists, and has the flags that the page names."""
    if module not in COMMAND_PACKAGES:
        path = ROOT.joinpath(*module.split("."))
        return module.partition(".")[0] not in COMPONENTS or (
            path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
        )
    words = _words(rest.partition(" -- ")[0])
    length = {"bench": 2, "models": 2, "weights": 2}.get(words[0] if words else "", 1)
    command = [word for word in words[:length] if re.fullmatch(r"[a-z]+", word)]
    text = _help_text(module, tuple(command))
    if len(command) < min(length, len(words)):  # a placeholder, such as NAME: flags are unknown
        return text is not None
    flags = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z-]+=?.*", word)}
    return text is not None and all(flag in text for flag in flags)


def _words(rest: str) -> list[str]:
    """The command's words, without the brackets and bars of a synopsis."""
    plain = re.sub(r"[\[\]{}()|,.]|(?<=\w)'", " ", rest)
    with contextlib.suppress(ValueError):
        return shlex.split(plain)
    return plain.split()


@functools.cache
def _help_text(module: str, command: tuple[str, ...]) -> str | None:
    """The help of a command; None if the command line does not know it."""
    main = importlib.import_module(f"{module}.__main__").main
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
        try:
            main([*command, "--help"])
        except SystemExit as end:
            return output.getvalue() if end.code in {0, None} else None
    return None
