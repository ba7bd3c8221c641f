"""Answers: the role and hashes of the transport, header extensions, what publishers rely on."""

from __future__ import annotations

import pytest

from edge.rtc.rtp import ABS_CAPTURE_TIME, ABS_SEND_TIME, TRANSPORT_CC
from edge.rtc.sdp import read_offer, violations, write_answer
from edge.rtc.sdp.description import read_description
from edge.rtc.sdp.transport_offer import write_transport_offer
from tests.rtc.sdp.offers import AUDIO, DATA, DIGEST, LOCAL, VIDEO, answered, offer


def test_the_answer_has_the_encoders_start_bitrate() -> None:
    _, answer = answered(offer(VIDEO))
    start_lines = [line for line in answer.splitlines() if "start-bitrate" in line]
    assert start_lines == ["a=fmtp:96 x-google-start-bitrate=1000"]


@pytest.mark.parametrize(
    ("offered", "role"),
    [
        ("a=setup:actpass\n", "passive"),
        ("a=setup:active\n", "passive"),
        ("a=setup:ACTPASS\n", "passive"),
        ("a=setup:passive\n", "active"),
        ("", "passive"),
    ],
)
def test_this_server_is_the_dtls_server_wherever_it_may(offered: str, role: str) -> None:
    read = read_offer(offer(VIDEO.replace("a=setup:actpass\n", offered)))
    assert read.transport.role == role
    setup = "a=setup:active" if role == "passive" else "a=setup:passive"
    assert setup in write_transport_offer(read)
    local = LOCAL.replace("a=setup:passive", f"a=setup:{role}")
    assert not violations(read.description, read_description(write_answer(read, local)))


@pytest.mark.parametrize("ice_lite", [True, False])
def test_a_lite_publisher_makes_this_server_control_ice(ice_lite: bool) -> None:
    read = read_offer(offer(VIDEO, session="a=ice-lite\n" * ice_lite))
    assert ("a=ice-lite" in write_transport_offer(read)) == ice_lite


def test_fingerprints_are_taken_in_any_case_and_number() -> None:
    sha1 = "a=fingerprint:sha-1 " + ":".join(["A5"] * 20)
    sha512 = "a=fingerprint:SHA-512 " + ":".join(["bc"] * 64)
    several = f"a=fingerprint:SHA-256 {DIGEST.lower()}\n{sha1}\n{sha512}"
    read, answer = answered(offer(VIDEO.replace(f"a=fingerprint:sha-256 {DIGEST}", several)))
    assert [(each.algorithm, each.digest[:2]) for each in read.transport.fingerprints] == [
        ("sha-256", "A5"),
        ("sha-512", "BC"),
    ]
    assert f"a=fingerprint:sha-256 {DIGEST}" in write_transport_offer(read)
    assert answer.count("a=fingerprint") == 1  # of ours, that of a hash that the offer uses


def test_header_extensions_are_answered_by_the_numbers_of_the_offer() -> None:
    more = (
        f"a=extmap:9 {TRANSPORT_CC}\na=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid\n"
        f"a=extmap:7 urn:3gpp:video-orientation\na=extmap:300 {ABS_SEND_TIME}\n"
        "a=extmap-allow-mixed\n"
    )
    read = read_offer(offer(VIDEO + more))
    answer = write_answer(read, LOCAL)
    assert [line for line in answer.splitlines() if line.startswith("a=extmap")] == [
        "a=extmap-allow-mixed",
        f"a=extmap:3 {ABS_SEND_TIME}",
        f"a=extmap:4/recvonly {ABS_CAPTURE_TIME}",
        "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid",
    ]
    assert "transport-cc" not in answer
    answer = write_answer(read, LOCAL, transport_cc=True)
    assert f"a=extmap:9 {TRANSPORT_CC}" in answer
    assert "goog-remb" not in answer


@pytest.mark.parametrize("ufrag", ["abcd", "+/09", "a-b_c=", "Zm9vYg=="])
def test_credentials_may_be_any_kind_of_base64(ufrag: str) -> None:
    read = read_offer(offer(VIDEO.replace("ice-ufrag:abcd", f"ice-ufrag:{ufrag}")))
    assert read.transport.ufrag == ufrag


def test_session_level_extmap_allow_mixed_is_answered() -> None:
    assert "a=extmap-allow-mixed" in answered(offer(VIDEO, session="a=extmap-allow-mixed\n"))[1]
    assert "a=extmap-allow-mixed" not in answered(offer(VIDEO))[1]


def test_audio_is_answered_with_a_codec_that_was_offered() -> None:
    maps = "a=rtpmap:63 red/48000/2\na=rtpmap:111 opus/48000/2"
    audio = AUDIO.replace("SAVPF 111", "SAVPF 63 0 111").replace("a=rtpmap:111 opus/48000/2", maps)
    _, answer = answered(offer(audio, VIDEO))
    assert "m=audio 50123 UDP/TLS/RTP/SAVPF 0\r\n" in answer
    assert "a=rtpmap:0 PCMU/8000" in answer


def test_candidates_stand_in_every_accepted_section() -> None:
    _, answer = answered(offer(AUDIO, VIDEO, DATA))
    assert answer.count("a=candidate:1 1 udp 2130706431 192.0.2.9 50123 typ host") == 3


@pytest.mark.parametrize(
    ("right", "wrong", "rule"),
    [
        ("SAVPF 96 97", "SAVPF 96 98", "98 was not offered"),
        ("a=rtpmap:96 VP8", "a=rtpmap:96 H264", "payload type 96 was not offered as h264"),
        ("a=recvonly", "a=sendrecv", "sendrecv answers sendonly"),
        ("a=mid:v", "a=mid:x", "another a=mid"),
        ("a=setup:passive", "a=setup:actpass", "a=setup:actpass answers actpass"),
        ("a=ice-ufrag:ours\r\n", "", "no a=ice-ufrag"),
        (f"a=extmap:3 {ABS_SEND_TIME}", f"a=extmap:5 {ABS_SEND_TIME}", "extension 5"),
        ("m=video 50123 UDP/TLS/RTP/SAVPF", "m=video 50123 RTP/SAVPF", "answered as"),
        ("BUNDLE v", "BUNDLE v z", "was not offered"),
        ("m=video", "m=text 0 x y\r\nm=video", "2 sections answer 1"),
        ("m=video 50123", "m=video 0", "rejected section"),
        ("a=rtpmap:97 rtx/90000", "a=rtpmap:99 rtx/90000", "a=rtpmap:99 is not among"),
    ],
)
def test_a_wrong_answer_is_found_out(right: str, wrong: str, rule: str) -> None:
    read, answer = answered(offer(VIDEO))
    assert right in answer
    assert not violations(read.description, read_description(answer))
    found = violations(read.description, read_description(answer.replace(right, wrong, 1)))
    assert any(rule in each for each in found), found


def test_an_answer_that_revives_a_rejected_section_is_found_out() -> None:
    off = VIDEO.replace("m=video 9", "m=video 0").replace("a=mid:v", "a=mid:w")
    read, answer = answered(offer(off, VIDEO, bundle="v"))
    changed = answer.replace("m=video 0", "m=video 9", 1)
    assert any(
        "its port is 0" in each for each in violations(read.description, read_description(changed))
    )


def test_rejected_sections_have_the_transports_attributes() -> None:
    """GStreamer's webrtcbin refuses an answer in which any section has no a=fingerprint."""
    _, answer = answered(offer(AUDIO, VIDEO, bundle=None))
    rejected = answer.split("m=")[1]
    assert rejected.startswith("audio 0 ")
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        assert f"a={name}:" in rejected
