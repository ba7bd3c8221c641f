"""Payload types of offers: negotiated by what can be decoded, answered as they were offered."""

from __future__ import annotations

from typing import get_args

import pytest

from edge.config import Settings, settings
from edge.rtc.jitter import depacketizer
from edge.rtc.sdp import SdpError, read_offer
from edge.rtc.sdp.codecs import CODECS, choose_codecs
from edge.rtc.sdp.description import read_description
from tests.rtc.sdp.offers import answered, h264, media_lines, offer, video


@pytest.mark.parametrize("number", [*range(35, 64), *range(96, 128), 0, 34])
def test_any_type_that_is_not_rtcps_is_answered_as_offered(number: int) -> None:
    read, answer = answered(offer(h264("packetization-mode=1;profile-level-id=42e01f", number)))
    assert read.payload_types == {number: "h264"}
    assert media_lines(answer) == [f"m=video 50123 UDP/TLS/RTP/SAVPF {number}"]


@pytest.mark.parametrize("number", range(64, 96))
def test_a_type_that_looks_like_rtcp_is_refused(number: int) -> None:
    with pytest.raises(SdpError, match="RTCP") as refused:
        read_offer(offer(h264(None, number)))
    assert refused.value.code == "no_codec"


@pytest.mark.parametrize(
    ("parameters", "answer_has"),
    [
        ("packetization-mode=1;profile-level-id=42e01f", "packetization-mode=1"),
        ("profile-level-id=640028;packetization-mode=1", "profile-level-id=640028"),
        ("profile-level-id=4d001f;packetization-mode=1", "profile-level-id=4d001f"),
        ("profile-level-id=6E0028", "profile-level-id=6E0028"),  # High 10
        ("profile-level-id=f40028", "profile-level-id=f40028"),  # High 4:4:4 Predictive
        ("profile-level-id=42001f;packetization-mode=0", "packetization-mode=0"),
        ("profile-level-id=42001f", "profile-level-id=42001f"),
        ("Packetization-Mode=1; profile-level-id=42001f ;", "packetization-mode=1"),
        ("profile-level-id=nonsense;packetization-mode=1", "packetization-mode=1"),
        ("sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==", None),
        (None, None),
    ],
)
def test_h264_is_taken_in_every_form_that_can_be_decoded(
    parameters: str | None, answer_has: str | None
) -> None:
    read, answer = answered(offer(h264(parameters)))
    assert read.payload_types == {96: "h264"}
    found = [line for line in answer.splitlines() if line.startswith("a=fmtp:96 ")]
    if answer_has is None:
        assert found == []
    else:
        assert answer_has in found[0].split(" ", 1)[1].split(";")
        assert "nonsense" not in found[0]


def test_parameter_sets_are_at_hand() -> None:
    [codec] = read_offer(offer(h264("sprop-parameter-sets=Z0IACpZTBYmI,aMljiA=="))).codecs
    assert codec.parameters["sprop-parameter-sets"] == "Z0IACpZTBYmI,aMljiA=="


def test_vp8_comes_first_then_h264_with_several_units_in_a_packet_then_vp9() -> None:
    lines = (
        "a=rtpmap:100 H264/90000\na=fmtp:100 profile-level-id=640028\n"
        "a=rtpmap:101 h264/90000\na=fmtp:101 packetization-mode=1;profile-level-id=640028\n"
        "a=rtpmap:102 H264/90000\na=fmtp:102 packetization-mode=1;profile-level-id=42e01f\n"
        "a=rtpmap:103 VP9/90000\na=rtpmap:104 vp8/90000\n"
        "a=rtpmap:41 rtx/90000\na=fmtp:41 apt=104\na=rtpmap:42 rtx/90000\na=fmtp:42 apt=103\n"
        "a=rtpmap:105 VP8/90000\n"  # not among the formats
    )
    read, answer = answered(offer(video("100 101 102 103 104 41 42", lines)))
    assert [codec.payload_type for codec in read.codecs] == [104, 101, 102, 100, 103]
    assert read.retransmissions == {41: 104, 42: 103}
    assert media_lines(answer) == ["m=video 50123 UDP/TLS/RTP/SAVPF 104 101 102 100 103 41 42"]
    assert "a=rtpmap:104 vp8/90000" in answer
    assert "a=fmtp:41 apt=104" in answer


@pytest.mark.parametrize(
    ("wanted", "types"),
    [
        (("vp9", "h264", "vp8"), [97, 99, 100, 98, 96]),
        (("h264",), [100, 98]),
        (("vp9", "vp8"), [97, 99, 96]),
    ],
)
def test_the_order_of_the_codecs_is_the_servers(wanted: tuple[str, ...], types: list[int]) -> None:
    lines = (
        "a=rtpmap:96 VP8/90000\na=rtpmap:97 VP9/90000\na=rtpmap:98 H264/90000\n"
        "a=rtpmap:99 VP9/90000\na=fmtp:99 profile-id=0\n"
        "a=rtpmap:100 H264/90000\na=fmtp:100 packetization-mode=1\n"
    )
    read = read_offer(offer(video("96 97 98 99 100", lines)), wanted)
    assert [codec.payload_type for codec in read.codecs] == types
    with pytest.raises(SdpError, match=r"H264 is switched off \(this server takes VP9\)"):
        read_offer(offer(h264(None)), ("vp9",))


@pytest.mark.parametrize(
    ("parameters", "answer_has"),
    [(None, "a=fmtp:96 x-google"), ("profile-id=0;max-fr=30", "a=fmtp:96 profile-id=0;x-google")],
)
def test_vp9_is_answered_in_its_profile(parameters: str | None, answer_has: str) -> None:
    fmtp = f"a=fmtp:96 {parameters}\n" if parameters else ""
    read, answer = answered(offer(video("96", f"a=rtpmap:96 VP9/90000\n{fmtp}")))
    assert read.payload_types == {96: "vp9"}
    assert answer_has in answer
    assert "max-fr" not in answer


def test_av1_is_answered_in_its_profile_level_and_tier() -> None:
    lines = "a=rtpmap:45 AV1/90000\na=fmtp:45 level-idx=5;profile=0;tier=0\n"
    read, answer = answered(offer(video("45", lines)))
    assert read.payload_types == {45: "av1"}
    assert "a=fmtp:45 profile=0;level-idx=5;tier=0;x-google-start-bitrate=1000\r\n" in answer


@pytest.mark.parametrize(("name", "key"), [("VP9", "profile-id"), ("AV1", "profile")])
def test_profiles_beside_the_main_one_are_refused(name: str, key: str) -> None:
    lines = f"a=rtpmap:96 {name}/90000\na=fmtp:96 {key}=2\n"
    with pytest.raises(SdpError, match=f"{name} of {key}=2 is not decoded"):
        read_offer(offer(video("96", lines)))


def test_the_setting_has_all_codecs_in_the_order_of_the_answer() -> None:
    assert tuple(Settings().codecs) == CODECS == tuple(get_args(settings.Codec))
    assert set(CODECS) == set(depacketizer.CODECS)


def test_feedback_is_answered_as_far_as_it_was_offered() -> None:
    lines = (
        "a=rtpmap:96 VP8/90000\na=rtcp-fb:96 ccm fir\na=rtcp-fb:96 nack\n"
        "a=rtpmap:97 H264/90000\na=rtcp-fb:* nack  pli\n"
    )
    _, answer = answered(offer(video("96 97", lines)))
    feedback = [line for line in answer.splitlines() if line.startswith("a=rtcp-fb")]
    assert feedback == ["a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:97 nack pli"]


def test_every_reason_is_given_once_and_a_few_at_most() -> None:
    names = ("VVC", "VP7", "VP7", "H265", "MP4V-ES", "theora")
    numbers = range(96, 96 + len(names))
    maps = "".join(f"a=rtpmap:{n} {name}/90000\n" for n, name in zip(numbers, names, strict=True))
    section = read_description(offer(video(" ".join(map(str, numbers)), maps))).sections[0]
    choice = choose_codecs(section)
    assert not choice.codecs
    assert choice.reason.count("VP7 is not decoded") == 1
    assert "2 more" in choice.reason


def test_parameters_may_stand_in_several_lines() -> None:
    lines = "a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1\n"
    lines += "a=fmtp:96 profile-level-id=4d001f\n"
    _, answer = answered(offer(video("96", lines)))
    assert "a=fmtp:96 packetization-mode=1;profile-level-id=4d001f" in answer


def test_of_two_descriptions_of_a_type_the_first_counts() -> None:
    lines = "a=rtpmap:96 VP8/90000\na=rtpmap:96 H264/90000\n"
    assert read_offer(offer(video("96 96", lines))).payload_types == {96: "vp8"}
