"""Who changes the network is alone; who needs it as it is shares it, and waits for its turn."""

from __future__ import annotations

import threading

import pytest

from tests import network_lock
from tests.network_lock import network


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(network_lock, "FOLDER", tmp_path_factory.mktemp("locks"))


def _enter(changes: bool) -> tuple[threading.Thread, threading.Event]:
    entered = threading.Event()

    def work() -> None:
        with network(changes=changes):
            entered.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, entered


def test_several_share_it() -> None:
    with network(changes=False):
        thread, entered = _enter(changes=False)
        assert entered.wait(60)
    thread.join(60)


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_a_change_is_alone(first: bool, second: bool) -> None:
    with network(changes=first):
        thread, entered = _enter(changes=second)
        assert not entered.wait(0.2)
    assert entered.wait(60)
    thread.join(60)
