"""`edge watch`: JSON lines of a running server; refusals and wrong options in words."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from edge.cli.main import main
from tests.publisher import publishing
from tests.serving import base, noise, serving

READ = "a-read-token"


async def test_json_lines_of_a_running_server() -> None:
    async with (
        serving(read_token=READ) as server,
        publishing(base(server), noise(64, 64), query={"label": "door"}),
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge", "watch", base(server), "--label", "door"),
            *("--count", "3"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "EDGE_READ_TOKEN": READ},
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["label"] for line in lines] == ["door"] * 3


async def test_a_refused_token_is_the_exit_status_1(capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(read_token=READ, admin_token="an-admin-token") as server:
        arguments = ["watch", base(server), "--token", "wrong-token"]
        assert await asyncio.to_thread(main, arguments) == 1
    assert "401" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["example.org"], "a URL that starts with"),
        (["http://127.0.0.1", "--token-file", "EMPTY"], "its first line is empty"),
        (["http://127.0.0.1", "--token-file", "gone"], "gone"),
        (["https://127.0.0.1", "--ca", "gone"], "No such file"),
    ],
)
def test_wrong_options_are_named(
    arguments: list[str], rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "EMPTY").write_text("\n")
    arguments = [str(tmp_path / each) if each == "EMPTY" else each for each in arguments]
    assert main(["watch", *arguments]) == 2
    assert rule in capsys.readouterr().err
