"""Offers: what is taken, what is refused, and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.rtp import TRANSPORT_CC, ExtensionIds
from edge.rtc.sdp import SdpError, read_candidates, read_offer, violations, write_answer
from edge.rtc.sdp.description import read_description
from tests.rtc.sdp.offers import (
    AUDIO,
    DATA,
    DIGEST,
    LOCAL,
    TRANSPORT,
    VIDEO,
    answered,
    h264,
    media_lines,
    offer,
    video,
)


def test_takes_video_and_data_and_keeps_audio_silent() -> None:
    read, answer = answered(offer(AUDIO, VIDEO, DATA))
    assert read.video.mid == "v"
    assert [section.mid for section in read.audio] == ["a"]
    assert read.data is not None
    assert read.data.port == 5000
    assert read.payload_types == {96: "vp8"}
    assert read.retransmissions == {97: 96}
    assert read.extensions == ExtensionIds(abs_send_time=3, abs_capture_time=4)
    audio, sending, data = answer.split("m=")[1:]
    assert "a=inactive" in audio
    assert "a=recvonly" in sending
    assert data.startswith("application 50123 UDP/DTLS/SCTP")


@pytest.mark.parametrize("number", ["9" * 5000, "0" * 5000, "\u0663", "-3", "300", "0"])
def test_an_extension_of_a_number_that_is_none_is_passed_over(number: str) -> None:
    read = read_offer(offer(VIDEO.replace("a=extmap:3 ", f"a=extmap:{number} ")))
    assert read.extensions == ExtensionIds(abs_send_time=0, abs_capture_time=4)


def test_refuses_the_rest_with_port_0_in_its_place() -> None:
    strange = AUDIO.replace("opus/48000/2", "MP4A-LATM/90000")
    second = VIDEO.replace("a=mid:v", "a=mid:w")
    _, answer = answered(offer(strange, VIDEO, second, DATA, bundle="a v w d"))
    assert "a=group:BUNDLE v d\r\n" in answer
    assert [line.split()[:2] for line in media_lines(answer)] == [
        ["m=audio", "0"],
        ["m=video", "50123"],
        ["m=video", "0"],
        ["m=application", "50123"],
    ]
    assert "a=mid:a" in answer
    assert "a=mid:w" in answer


def test_a_receiving_section_before_the_sending_one_is_passed_over() -> None:
    other = VIDEO.replace("a=mid:v", "a=mid:w").replace("sendonly", "recvonly")
    assert read_offer(offer(other, VIDEO)).video.mid == "v"


def test_a_section_of_unknown_codecs_before_a_usable_one_is_passed_over() -> None:
    other = VIDEO.replace("a=mid:v", "a=mid:w").replace("VP8", "H265")
    read, answer = answered(offer(other, VIDEO, bundle="w v"))
    assert read.video.mid == "v"
    assert media_lines(answer)[0].startswith("m=video 0 ")
    assert "a=group:BUNDLE v\r\n" in answer


@pytest.mark.parametrize("direction", ["", "a=sendrecv\n", "a=sendonly\n"])
def test_video_is_sent_unless_the_offer_says_otherwise(direction: str) -> None:
    bare = VIDEO.replace("a=sendonly\n", "")
    _, answer = answered(offer(bare, session=direction))
    assert "a=recvonly" in answer


def test_attributes_may_stand_at_session_level() -> None:
    bare = VIDEO.replace(TRANSPORT, "")
    read = read_offer(offer(bare, session=TRANSPORT))
    assert read.transport.ufrag == "abcd"
    assert read.transport.role == "passive"


def _carried(section: str) -> str:
    """A section whose transport is another's: port 0 and bundle-only (RFC 9143)."""
    bare = section.replace(TRANSPORT, "").replace("a=rtcp-mux\n", "")
    return bare.replace(" 9 ", " 0 ", 1).replace("a=mid", "a=bundle-only\na=mid", 1)


@pytest.mark.parametrize("known", [True, False])
def test_video_without_a_transport_of_its_own_uses_the_groups(known: bool) -> None:
    audio = AUDIO if known else AUDIO.replace("opus", "mp4a-latm")
    text = offer(audio, _carried(VIDEO), _carried(DATA), bundle="a v d")
    read, answer = answered(text)
    assert read.transport.ufrag == "abcd"
    audio_line, video_line, data_line = media_lines(answer)
    assert video_line == "m=video 50123 UDP/TLS/RTP/SAVPF 96 97"
    assert data_line.startswith("m=application 50123 ")
    assert audio_line.startswith("m=audio 50123 " if known else "m=audio 0 ")
    assert f"a=group:BUNDLE {'a ' * known}v d\r\n" in answer
    assert "bundle-only" not in answer
    assert not violations(read.description, read_description(answer))


def test_each_sections_own_transport_counts_where_it_has_one() -> None:
    other = VIDEO.replace("a=ice-ufrag:abcd", "a=ice-ufrag:other")
    strange = AUDIO.replace("opus/48000/2", "MP4A-LATM/90000")
    assert read_offer(offer(strange, other, bundle="a v")).transport.ufrag == "other"
    assert read_offer(offer(AUDIO, other, bundle="a v")).transport.ufrag == "abcd"


def test_a_section_of_port_0_is_off_unless_a_group_carries_it() -> None:
    off = VIDEO.replace("m=video 9", "m=video 0")
    second = VIDEO.replace("a=mid:v", "a=mid:w")
    assert read_offer(offer(off, second, bundle="v w")).video.mid == "w"
    for alone in (off, off.replace("a=mid", "a=bundle-only\na=mid")):
        with pytest.raises(SdpError, match="port is 0") as refused:
            read_offer(offer(alone, bundle="a"))
        assert refused.value.code == "no_video"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("head", ["", "\ufeff", "\ufeff\r\n", "\n\n "])
def test_any_end_of_line_and_a_byte_order_mark_are_taken(head: str, end: str) -> None:
    text = head + offer(AUDIO, VIDEO, DATA).replace("\n", end)
    assert read_offer(text).payload_types == {96: "vp8"}


@pytest.mark.parametrize("mid", ["0", "17", "video", "video0", "{8f1c}", "-"])
def test_any_mid_is_answered_as_it_was_offered(mid: str) -> None:
    text = offer(VIDEO.replace("a=mid:v", f"a=mid:{mid}"), DATA, bundle=f"{mid} d")
    _, answer = answered(text)
    assert f"a=mid:{mid}\r\n" in answer
    assert f"a=group:BUNDLE {mid} d\r\n" in answer


def test_video_alone_needs_neither_mid_nor_bundle() -> None:
    for bundle in (None, "", "nobody"):
        _, answer = answered(offer(VIDEO.replace("a=mid:v\n", ""), bundle=bundle))
        assert "a=mid" not in answer
        assert "a=group" not in answer
    assert read_offer(offer(VIDEO, bundle=None)).video.mid == "v"


def test_audio_that_does_not_share_the_transport_is_rejected() -> None:
    for bundle in (None, "v", "a"):
        _, answer = answered(offer(AUDIO, VIDEO, bundle=bundle))
        assert media_lines(answer)[0].startswith("m=audio 0 ")


@pytest.mark.parametrize("bundle", ["", "v", "d"])
def test_sections_that_do_not_share_a_transport_are_refused(bundle: str) -> None:
    with pytest.raises(SdpError) as refused:
        read_offer(offer(VIDEO, DATA, bundle=bundle))
    assert refused.value.code == "no_bundle"


def test_the_group_of_several_is_the_videos() -> None:
    text = (
        offer(AUDIO, VIDEO, DATA, bundle="a")
        .replace("s=-\n", "s=-\na=group:LS a v\n", 1)
        .replace("a=group:BUNDLE a\n", "a=group:BUNDLE a\na=group:BUNDLE v d v gone\n")
    )
    assert read_offer(text).bundle == ("v", "d")


@pytest.mark.parametrize(
    ("protocol", "formats"),
    [("DTLS/SCTP", "5001"), ("UDP/DTLS/SCTP", "webrtc-datachannel"), ("TCP/DTLS/SCTP", "x")],
)
def test_data_channels_of_every_age_are_answered_in_kind(protocol: str, formats: str) -> None:
    data = DATA.replace("UDP/DTLS/SCTP webrtc-datachannel", f"{protocol} {formats}")
    old = formats == "5001"
    data = (
        data.replace("a=sctp-port:5000", "a=sctpmap:5001 webrtc-datachannel 256") if old else data
    )
    read, answer = answered(offer(VIDEO, data, bundle="v d"))
    assert read.data is not None
    assert read.data.port == (5001 if old else 5000)
    assert f"m=application 50123 {protocol} {formats}\r\n" in answer
    assert ("a=sctpmap:5001" in answer) == old


@pytest.mark.parametrize("protocol", ["RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF"])
def test_the_protocol_is_answered_as_it_was_offered(protocol: str) -> None:
    _, answer = answered(offer(VIDEO.replace("UDP/TLS/RTP/SAVPF", protocol)))
    assert media_lines(answer) == [f"m=video 50123 {protocol} 96 97"]


_SHA1 = "a=fingerprint:sha-1 " + ":".join(["A5"] * 20)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "bad_sdp", "empty"),
        (" \r\n", "bad_sdp", "empty"),
        ("\ufeff", "bad_sdp", "empty"),
        ("garbage", "bad_sdp", "v=0"),
        ("\x00\xff" * 100, "bad_sdp", "v=0"),
        ("v=0\n" + "x" * (1 << 20), "sdp_too_large", "64000"),
        ("v=0\n" + "a=x\n" * 5000, "sdp_too_large", "lines"),
        ("v=0\n" + "m=video 9 RTP 96\n" * 40, "sdp_too_large", "sections"),
        ("v=0\nm=video nine UDP 96\n", "bad_sdp", "m=video nine"),
        ("v=0\nm=video 99999 UDP/TLS 96\n", "bad_sdp", "99999"),
        ("v=0\ns=-\nt=0 0\n", "no_video", "no video section"),
        (offer(AUDIO), "no_video", "no video section"),
        (offer(AUDIO, DATA), "no_video", "no video section"),
        (offer(VIDEO.replace("sendonly", "recvonly")), "no_video", "recvonly"),
        (offer(VIDEO.replace("sendonly", "inactive")), "no_video", "inactive"),
        (offer(VIDEO.replace("a=sendonly\n", ""), session="a=inactive\n"), "no_video", "inactive"),
        (offer(VIDEO.replace("m=video 9", "m=video 0")), "no_video", "port is 0"),
        (offer(VIDEO.replace("VP8", "H265")), "no_codec", "H265 is not decoded (this server takes"),
        (offer(video("96", "")), "no_codec", "96 has no a=rtpmap"),
        (offer(video("96", "a=rtpmap:96 VP8/8000\n")), "no_codec", "8000 Hz"),
        (offer(video("72", "a=rtpmap:72 VP8/90000\n")), "no_codec", "RTCP"),
        (offer(video("200", "a=rtpmap:200 VP8/90000\n")), "no_codec", "payload type"),
        (
            offer(video("96 97", "a=rtpmap:96 red/90000\na=rtpmap:97 ulpfec/90000\n")),
            "no_codec",
            "error correction alone",
        ),
        (offer(video("97", "a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n")), "no_codec", "alone"),
        (offer(h264("packetization-mode=2")), "no_codec", "packetization-mode=2"),
        (offer(h264("profile-level-id=991020")), "no_codec", "profile-level-id=991020"),
        (offer(VIDEO.replace("a=ice-pwd", "a=x")), "bad_sdp", "a=ice-pwd"),
        (offer(VIDEO.replace("a=ice-ufrag:", "a=ice-ufrag:?")), "bad_sdp", "a=ice-ufrag"),
        (offer(VIDEO.replace("a=fingerprint", "a=x")), "bad_sdp", "a=fingerprint"),
        (offer(VIDEO.replace(DIGEST, "AA:BB")), "bad_sdp", "32 bytes"),
        (offer(VIDEO.replace(DIGEST, DIGEST[:-1] + "G")), "bad_sdp", "32 bytes"),
        (offer(VIDEO.replace(f"a=fingerprint:sha-256 {DIGEST}", _SHA1)), "bad_sdp", "sha-1"),
        (offer(VIDEO.replace("a=setup:actpass", "a=setup:holdconn")), "bad_sdp", "holdconn"),
        (offer(VIDEO.replace("a=setup:actpass", "a=setup:maybe")), "bad_sdp", "a=setup"),
        (offer(VIDEO.replace("a=rtcp-mux", "a=x")), "no_rtcp_mux", "rtcp-mux"),
        (offer(VIDEO.replace("a=mid:v\n", ""), DATA), "bad_sdp", "a=mid"),
        (offer(VIDEO, DATA.replace("a=mid:d", "a=mid:v")), "bad_sdp", "same a=mid"),
        (offer(VIDEO, DATA.replace("5000", "70000")), "bad_sdp", "sctp-port"),
        (offer(VIDEO, DATA.replace("5000", "0005000000")), "bad_sdp", "sctp-port"),
        (offer(VIDEO, DATA.replace("5000", "0" * 5000)), "bad_sdp", "sctp-port"),
        (offer(VIDEO, DATA.replace("5000", "00005" + "0" * 5000)), "bad_sdp", "sctp-port"),
    ],
)
def test_an_unusable_offer_is_refused_with_a_reason(text: str, code: str, words: str) -> None:
    with pytest.raises(SdpError) as refused:
        read_offer(text)
    assert refused.value.code == code
    assert words in str(refused.value)
    assert 10 < len(str(refused.value)) < 240


@pytest.mark.parametrize("number", ["9" * 5000, "0" * 5000 + "3", "0001999", "256", "0", "\u0663"])
def test_an_extension_without_a_usable_number_is_not_taken(number: str) -> None:
    read = read_offer(offer(VIDEO + f"a=extmap:{number} {TRANSPORT_CC}\n"))
    assert read.extensions.transport_cc == 0


@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                *offer(AUDIO, VIDEO, DATA).splitlines(),
                *h264("packetization-mode=0;profile-level-id=640028").splitlines(),
                *("m=video", "a=", "a=mid:", "=", "a=bundle-only", "a=rtpmap:96", "a=fmtp:96"),
                *("a=extmap:1", "m=video 0 UDP/TLS/RTP/SAVPF 96", "a=group:BUNDLE"),
            ]
        )
    ).map("\n".join)
    | st.permutations(offer(AUDIO, VIDEO, DATA).splitlines()[1:]).map(
        lambda lines: "v=0\n" + "\n".join(lines)
    )
)
def test_no_text_makes_it_fail_otherwise_and_every_answer_is_one_to_its_offer(text: str) -> None:
    try:
        read = read_offer(text)
    except SdpError:
        pass
    else:
        answer = write_answer(read, LOCAL.replace("passive", read.transport.role))
        assert not violations(read.description, read_description(answer))
    read_candidates(text)
