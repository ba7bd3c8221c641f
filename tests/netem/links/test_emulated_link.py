"""Links on this machine's kernel: what goes through, and what is left when they are gone."""

from __future__ import annotations

import contextlib
import csv
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netem.links.emulated_link import EmulatedLink, Kind
from netem.links.namespace import RUN, LinkError, sweep
from netem.links.tun_link import TunLink
from tests.netem.conftest import left_by
from tests.netem.links.traffic import Flow, flow
from traces import Trace, constant

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("no_trace_left")]

ROOT = Path(__file__).parents[3]


def ten_a_second(*mbps: float) -> Trace:
    steps = np.arange(len(mbps), dtype=np.float64) * 100.0
    return Trace(steps, np.array(mbps) * 1e6, 100.0 * len(mbps), name="steps")


STEP_MS, QUEUE_MS = 700.0, 100.0
SLOW_FAST = Trace(np.array([0.0, STEP_MS]), np.array([4e6, 20e6]), 2 * STEP_MS, name="slow, fast")
STEPS = ten_a_second(8, 12, 5, 20, 3, 9, 15, 7, 10, 6)
OUTAGES = ten_a_second(8, 8, 0, 0, 0, 12, 12, 3, 3, 6)


def bits_in_step(result: Flow, link: EmulatedLink, step: int) -> float:
    """Bits a millisecond received while SLOW_FAST was in that step, the first tenth of a second of
    it left out: a backlog is there, and the new rate in force."""
    begin_ms, end_ms = result.arrivals[0].received_ms, result.arrivals[-1].received_ms - QUEUE_MS
    bits, lasted_ms = 0.0, 0.0
    for turn in range(int((end_ms - link.origin_ms) / SLOW_FAST.duration_ms) + 1):
        from_ms = link.origin_ms + turn * SLOW_FAST.duration_ms + step * STEP_MS + 100.0
        to_ms = from_ms + STEP_MS - 100.0
        if begin_ms <= from_ms and to_ms <= end_ms:
            bits += result.bits_between(from_ms, to_ms)
            lasted_ms += to_ms - from_ms
    assert lasted_ms > 0.0
    return bits / lasted_ms


def check_follows(link: EmulatedLink) -> None:
    """The link is faster in the fast steps of SLOW_FAST than in the slow ones.

    Not how exactly: a machine whose processors are busy runs timers late, and its sender sends
    less than the link carries (docs/measure/links.md has the accuracy on an idle one).
    """
    result = flow(link, 4.0 * STEP_MS / 1000.0, 25e6)
    assert bits_in_step(result, link, 1) > 1.3 * bits_in_step(result, link, 0)


def median_delay_ms(result: Flow) -> float:
    return float(np.median([a.received_ms - a.sent_ms for a in result.arrivals]))


@pytest.mark.parametrize(("kind", "used"), [("kernel", "tbf"), ("tun", "tun")])
def test_the_rate_follows_the_trace(kind: Kind, used: str) -> None:
    with EmulatedLink(SLOW_FAST, kind=kind, queue_ms=QUEUE_MS) as link:
        assert link.used == used
        check_follows(link)


@pytest.mark.parametrize("kind", ["kernel", "tun"])
def test_another_trace_is_followed_from_its_beginning(kind: Kind) -> None:
    with EmulatedLink(constant(12e6), kind=kind, queue_ms=QUEUE_MS) as link:
        flow(link, 0.2, 4e6)
        before_ms = link.origin_ms
        link.follow(SLOW_FAST)
        assert link.origin_ms > before_ms
        check_follows(link)


def test_outages_need_the_tun_link() -> None:
    with EmulatedLink(OUTAGES) as link:
        assert link.used == "tun"
        assert flow(link, 1.0, 1e6).arrivals


def test_packets_are_delayed_at_least_as_long_as_asked_for_and_lost_by_chance() -> None:
    with EmulatedLink(constant(50e6), delay_ms=20.0, loss=0.1, seed=1) as link:
        result = flow(link, 1.0, 12e6)
    assert median_delay_ms(result) >= 19.5
    lost = 1.0 - len(result.arrivals) / result.sent
    assert lost >= 0.1 - 4 * (0.1 * 0.9 / result.sent) ** 0.5


def test_jitter_keeps_the_order_and_reordering_breaks_it() -> None:
    def numbers(**values: float) -> list[int]:
        with EmulatedLink(constant(50e6), kind="tun", delay_ms=20.0, **values) as link:  # type: ignore[arg-type]
            return [arrival.number for arrival in flow(link, 0.5, 4e6).arrivals]

    in_order = numbers(jitter_ms=5.0)
    assert in_order == sorted(in_order)
    overtaken = numbers(reorder=0.2)
    assert overtaken != sorted(overtaken)
    assert len(set(overtaken)) == len(overtaken)


@pytest.mark.parametrize("kind", ["kernel", "tun"])
def test_a_rate_set_by_hand(kind: Kind, tmp_path: Path) -> None:
    log = tmp_path / "link.csv"
    with EmulatedLink(constant(2e6), kind=kind, log=log, queue_ms=3000.0) as link:
        link.set_rate(12e6)
        result = flow(link, 1.3, 20e6)
        with pytest.raises(ValueError, match="too low"):
            link.set_rate(-1.0)
    rows = list(csv.DictReader(log.open()))
    passed = [int(row["passed_bytes"]) for row in rows]
    assert passed == sorted(passed)
    assert passed[-1] >= 0.97 * len(result.arrivals) * result.size
    assert int(rows[-1]["dropped"]) > 0
    assert rows[-1]["rate_bps"] == "12000000"


@pytest.mark.parametrize("kind", ["kernel", "tun"])
def test_tcp_both_ways(kind: Kind) -> None:
    content = os.urandom(300_000)
    code = (
        "import socket, sys\n"
        "with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:\n"
        "    with s.makefile('rwb') as f:\n"
        "        f.write(f.read(300_000)); f.flush()\n"
    )
    with EmulatedLink(constant(40e6), kind=kind) as link, socket.socket() as server:
        server.bind((link.outside_address, 0))
        server.listen()
        server.settimeout(20.0)
        port = server.getsockname()[1]
        client = link.popen([sys.executable, "-c", code, link.outside_address, str(port)])
        connection, address = server.accept()
        with connection, connection.makefile("rb") as reader:
            connection.settimeout(20.0)
            writer = threading.Thread(target=connection.sendall, args=(content,))
            writer.start()
            assert reader.read(len(content)) == content
            writer.join()
        assert client.wait(10.0) == 0
    assert address[0] == link.inside_address


def test_two_links_do_not_meet() -> None:
    with EmulatedLink(constant(8e6)) as one, EmulatedLink(constant(8e6), kind="tun") as other:
        assert len({one.outside_address, other.outside_address, one.inside_address}) == 3
        assert one.namespace != other.namespace
        assert flow(one, 0.2, 1e6).arrivals
        assert flow(other, 0.2, 1e6).arrivals


def test_a_default_route_only_if_asked_for() -> None:
    for asked in (False, True):
        with EmulatedLink(constant(8e6), default_route=asked) as link:
            routes = link.popen(["cat", "/proc/self/net/route"], stdout=subprocess.PIPE)
            destinations = [line.split()[1] for line in routes.communicate()[0].splitlines()]
        assert (b"00000000" in destinations) is asked


def test_a_kernel_without_the_queueing_disciplines_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("netem.links.emulated_link._supports", lambda *_, **__: False)
    with pytest.raises(LinkError, match="no kernel link: this kernel has no tbf"):
        EmulatedLink(STEPS, kind="kernel").__enter__()
    with EmulatedLink(STEPS) as link:
        assert (link.used, link.why) == ("tun", "this kernel has no tbf")
    monkeypatch.setattr("netem.links.emulated_link.TUN", Path("/nowhere"))
    with pytest.raises(LinkError, match="no TUN link: no /nowhere; no kernel link: this kernel"):
        EmulatedLink(STEPS).__enter__()


def test_what_the_kernel_cannot_do() -> None:
    with pytest.raises(LinkError, match="outages"):
        EmulatedLink(OUTAGES, kind="kernel").__enter__()
    with pytest.raises(LinkError, match="jitter"):
        EmulatedLink(STEPS, kind="kernel", jitter_ms=5.0).__enter__()


@pytest.mark.parametrize("kind", ["kernel", "tun"])
def test_nothing_is_left_by_a_failure_half_way(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises((LinkError, OSError)):
        EmulatedLink(constant(8e6), kind=kind, log=tmp_path / "no" / "folder.csv").__enter__()


@pytest.mark.parametrize("kind", ["kernel", "tun"])
def test_nothing_is_left_by_an_error_inside(kind: Kind) -> None:
    link = EmulatedLink(constant(8e6), kind=kind)
    with contextlib.suppress(RuntimeError), link:
        child = link.popen(["sleep", "600"])
        raise RuntimeError
    assert child.returncode == -signal.SIGTERM


def test_a_dead_link_is_noticed() -> None:
    with EmulatedLink(constant(8e6), kind="tun") as link:
        link.check()
        assert isinstance(link._shaping, TunLink)
        link._shaping._process.kill()
        link._shaping._process.wait()
        with pytest.raises(LinkError, match="has failed"):
            link.check()


# The command


@contextlib.contextmanager
def command(kind: str, *what: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`python -m netem link` once it is up, and the command's own process."""
    arguments = ["-m", "netem", "link", "--rate", "8mbit", "--kind", kind, "--", *what]
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert select.select([process.stdout], [], [], 30.0)[0], "the command did not start"
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


SLEEP = ("sh", "-c", "echo $$; exec sleep 600")


@pytest.mark.parametrize(
    ("kind", "number", "status"),
    [("kernel", signal.SIGINT, 130), ("tun", signal.SIGINT, 130), ("tun", signal.SIGTERM, 143)],
)
def test_nothing_is_left_by_a_signal(kind: str, number: int, status: int) -> None:
    with command(kind, *SLEEP) as (process, sleeper):
        assert left_by(process.pid)
        process.send_signal(number)
        assert process.wait(15.0) == status
        assert left_by(process.pid) == []
        assert not alive(sleeper)


@pytest.mark.parametrize("kind", ["kernel", "tun"])
def test_a_rerun_removes_what_a_kill_left(kind: str) -> None:
    with command(kind, *SLEEP) as (process, sleeper):
        process.kill()
        process.wait()
        assert alive(sleeper)
        assert any(RUN.glob(f"edgelab-{process.pid}-*"))
        with EmulatedLink(constant(8e6)):
            assert left_by(process.pid) == []
        assert not alive(sleeper)


def test_a_sweep_leaves_the_living_alone() -> None:
    with EmulatedLink(constant(8e6)) as link:
        assert link.namespace not in sweep()
        assert flow(link, 0.2, 1e6).arrivals


def test_the_commands_own_status() -> None:
    with command("kernel", "sh", "-c", "echo $$; exit 7") as (process, _):
        assert process.wait(15.0) == 7


def _reached(link: EmulatedLink, address: str) -> bool:
    """Whether a connection from the namespace to a port of this machine is made."""
    with socket.create_server((address, 0)) as server:
        connect = (
            "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)"
        )
        command = [sys.executable, "-c", connect, address, str(server.getsockname()[1])]
        return link.popen(command, stderr=subprocess.DEVNULL).wait() == 0


def test_a_second_link_carries_on_when_the_first_is_down() -> None:
    with (
        EmulatedLink(constant(20e6), default_route=True) as first,
        EmulatedLink(constant(20e6), default_route=True, beside=first) as second,
    ):
        assert second.namespace == first.namespace
        assert _reached(first, first.outside_address)
        first.take_down()
        assert _reached(first, first.outside_address)
        second.take_down()
        assert not _reached(first, first.outside_address)
        first.bring_up()
        assert _reached(first, second.outside_address)
