"""Candidates of offers and trickled fragments: which are used."""

from __future__ import annotations

import pytest

from edge.rtc.sdp import MAX_CANDIDATES, MAX_CHARS, SdpError, read_candidates


def _candidate(address: str = "192.0.2.1", port: object = 5000, rest: str = "typ host") -> str:
    return f"a=candidate:1 1 udp 2122260223 {address} {port} {rest}"


def test_reads_candidates_of_each_section() -> None:
    fragment = "\r\n".join(
        [
            "a=ice-ufrag:abcd",
            "m=video 9 UDP/TLS/RTP/SAVPF 96",
            "a=mid:0",
            _candidate(),
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "a=mid:1",
            _candidate("2001:db8::1", 5001, "typ srflx raddr 0.0.0.0 rport 9"),
            "a=end-of-candidates",
        ]
    )
    first, second = read_candidates(fragment)
    assert (first.mid, first.address, first.port, first.kind) == ("0", "192.0.2.1", 5000, "host")
    assert (second.mid, second.address, second.kind) == ("1", "2001:db8::1", "srflx")


@pytest.mark.parametrize(
    "line",
    [
        _candidate("6f0a0a7e-3a3a-4c8e-9a54-1f4d1c3c9c11.local"),
        _candidate("example.org"),
        _candidate("224.0.0.1"),
        _candidate("0.0.0.0"),
        _candidate(port=0),
        _candidate(port="x"),
        _candidate(port=70000),
        _candidate(rest="typ tunnel"),
        _candidate().replace(" udp ", " tcp "),
        _candidate().replace("1 udp", "2 udp"),
        "a=candidate:",
    ],
)
def test_candidates_of_no_use_are_left_out(line: str) -> None:
    assert read_candidates(f"a=mid:0\n{line}\n") == []


def test_candidates_are_bounded() -> None:
    fragment = "a=mid:0\n" + (_candidate() + "\n") * 500
    assert len(read_candidates(fragment)) == MAX_CANDIDATES
    with pytest.raises(SdpError):
        read_candidates("x" * (MAX_CHARS + 1))
