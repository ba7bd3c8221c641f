"""Offers: what is taken, what is refused, and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.rtp import ABS_CAPTURE_TIME, ABS_SEND_TIME, ExtensionIds
from edge.rtc.sdp import MAX_CANDIDATES, MAX_CHARS, SdpError, read_candidates, read_offer

_TRANSPORT = """a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 AA:BB
a=setup:actpass
"""
VIDEO = f"""m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=mid:v
a=sendonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=extmap:3 {ABS_SEND_TIME}
a=extmap:4/sendonly {ABS_CAPTURE_TIME}
{_TRANSPORT}"""
AUDIO = f"""m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:a
a=sendonly
a=rtcp-mux
a=rtpmap:111 opus/48000/2
{_TRANSPORT}"""
DATA = f"""m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:d
a=sctp-port:5000
{_TRANSPORT}"""


def _offer(*sections: str, bundle: str = "v a d") -> str:
    return f"v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE {bundle}\n" + "".join(sections)


def _kinds(sdp: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith("m=")]


def test_takes_video_and_data_and_keeps_audio_silent() -> None:
    offer = read_offer(_offer(AUDIO, VIDEO, DATA))
    assert [line.split()[0] for line in _kinds(offer.sdp)] == [
        "m=audio",
        "m=video",
        "m=application",
    ]
    assert offer.mid == "v"
    assert offer.audio_mids == {"a"}
    assert offer.extensions == ExtensionIds(abs_send_time=3, abs_capture_time=4)


def test_refuses_the_rest_with_port_0_in_its_place() -> None:
    strange = AUDIO.replace("opus/48000/2", "MP4A-LATM/90000")
    second = VIDEO.replace("a=mid:v", "a=mid:w")
    offer = read_offer(_offer(strange, VIDEO, second, DATA, bundle="a v w d"))
    assert "a=group:BUNDLE v d" in offer.sdp
    assert len(_kinds(offer.sdp)) == 2
    answer = "v=0\r\ns=-\r\nm=video 1 X 96\r\na=mid:v\r\nm=application 1 X y\r\na=mid:d\r\n"
    completed = offer.complete(answer)
    assert [line.split()[:2] for line in _kinds(completed)] == [
        ["m=audio", "0"],
        ["m=video", "1"],
        ["m=video", "0"],
        ["m=application", "1"],
    ]
    assert "a=mid:a" in completed
    assert "a=mid:w" in completed


def test_the_answer_has_the_encoders_start_bitrate() -> None:
    offer = read_offer(_offer(VIDEO, bundle="v"))
    codecs = "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n"
    answer = f"v=0\r\ns=-\r\nm=video 1 X 96 97\r\na=mid:v\r\n{codecs}"
    start_lines = [line for line in offer.complete(answer).splitlines() if "start-bitrate" in line]
    assert start_lines == ["a=fmtp:96 x-google-start-bitrate=1000"]


def test_a_receiving_section_before_the_sending_one_is_passed_over() -> None:
    other = VIDEO.replace("a=mid:v", "a=mid:w").replace("sendonly", "recvonly")
    assert read_offer(_offer(other, VIDEO)).mid == "v"


def test_attributes_may_stand_at_session_level() -> None:
    bare = VIDEO.replace(_TRANSPORT, "").replace("a=sendonly\n", "")
    text = _offer(bare).replace("m=video", f"{_TRANSPORT}a=sendonly\nm=video")
    assert read_offer(text).mid == "v"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_sdp"),
        (" \r\n", "bad_sdp"),
        ("garbage", "bad_sdp"),
        ("\x00\xff" * 100, "bad_sdp"),
        ("v=0\n" + "x" * (1 << 20), "sdp_too_large"),
        ("v=0\n" + "a=x\n" * 5000, "sdp_too_large"),
        ("v=0\n" + "m=video 9 RTP 96\n" * 40, "sdp_too_large"),
        ("v=0\nm=video nine UDP 96\n", "bad_sdp"),
        ("v=0\nm=video 99999 UDP/TLS 96\n", "bad_sdp"),
        ("v=0\ns=-\nt=0 0\n", "no_video"),
        (_offer(AUDIO), "no_video"),
        (_offer(AUDIO, DATA), "no_video"),
        (_offer(VIDEO.replace("sendonly", "recvonly")), "no_video"),
        (_offer(VIDEO.replace("m=video 9", "m=video 0")), "no_video"),
        (_offer(VIDEO.replace("VP8", "AV1")), "no_codec"),
        (_offer(VIDEO.replace("a=ice-pwd", "a=x")), "bad_sdp"),
        (_offer(VIDEO.replace("a=fingerprint", "a=x")), "bad_sdp"),
        (_offer(VIDEO.replace("a=setup", "a=x")), "bad_sdp"),
        (_offer(VIDEO.replace("a=rtcp-mux", "a=x")), "no_rtcp_mux"),
        (_offer(VIDEO.replace("a=mid:v\n", ""), DATA), "bad_sdp"),
    ],
)
def test_an_unusable_offer_is_refused_with_a_reason(text: str, code: str) -> None:
    with pytest.raises(SdpError) as refused:
        read_offer(text)
    assert refused.value.code == code
    assert 10 < len(str(refused.value)) < 200


@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from([*_offer(AUDIO, VIDEO, DATA).splitlines(), "m=video", "a=", "a=mid:", "="])
    ).map("\n".join)
)
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    try:
        offer = read_offer(text)
        offer.complete("v=0\r\n" + "m=x 1 X 1\r\n" * len(offer.sections))
    except SdpError:
        pass
    read_candidates(text)


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


@pytest.mark.parametrize("bundle", ["", "v", "d"])
def test_sections_that_do_not_share_a_transport_are_refused(bundle: str) -> None:
    with pytest.raises(SdpError) as refused:
        read_offer(_offer(VIDEO, DATA, bundle=bundle))
    assert refused.value.code == "no_bundle"


def test_video_alone_needs_no_bundle() -> None:
    assert read_offer(_offer(VIDEO).replace("a=group:BUNDLE v a d\n", "")).mid == "v"
