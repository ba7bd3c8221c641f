"""Offers within the bounds of `edge.rtc.sdp.description` that cost the most to read.

Each has as many as possible of what one loop goes through: lines, payload types, sections, words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge.rtc.sdp.description import MAX_CHARS, MAX_LINES, MAX_SECTIONS
from tests.rtc.sdp.offers import AUDIO, DATA, DIGEST, TRANSPORT, VIDEO, offer, video

_TYPES = [*range(64), *range(96, 128)]
_HEAD = "a=mid:v\na=sendonly\na=rtcp-mux\n"


def _filled(head: str, lines: Iterable[str], tail: str = "") -> str:
    """The head, as many of the lines as the bounds allow, and the tail."""
    chars = MAX_CHARS - len(head) - len(tail)
    count = MAX_LINES - head.count("\n") - tail.count("\n")
    kept: list[str] = []
    for line in lines:
        chars -= len(line) + 1
        if chars < 0 or len(kept) >= count:
            break
        kept.append(line + "\n")
    return head + "".join(kept) + tail


def _words(head: str, words: Iterable[str], between: str, tail: str = "\n") -> str:
    """The same with words of one line."""
    chars = MAX_CHARS - len(head) - len(tail)
    kept: list[str] = []
    for word in words:
        chars -= len(word) + len(between)
        if chars < 0:
            break
        kept.append(word)
    return head + between.join(kept) + tail


def _codecs(encoding: str = "H264") -> str:
    maps = "".join(f"a=rtpmap:{number} {encoding}/90000\n" for number in _TYPES)
    return offer(video(" ".join(map(str, _TYPES)), maps))


def _retransmitted() -> str:
    originals, copies = _TYPES[::2], _TYPES[1::2]
    maps = "".join(f"a=rtpmap:{number} VP9/90000\n" for number in originals)
    for number, copy in zip(originals, copies, strict=True):
        maps += f"a=rtpmap:{copy} rtx/90000\na=fmtp:{copy} apt={number}\n"
    return offer(video(" ".join(map(str, _TYPES)), maps))


def _audio(number: int) -> str:
    return AUDIO.replace("a=mid:a", f"a=mid:s{number}").replace(TRANSPORT, "")


def _switched_off(number: int) -> str:
    return f"m=video 0 UDP/TLS/RTP/SAVPF 96\na=bundle-only\na=mid:s{number}\n"


def _many(form: str, count: int = MAX_CHARS) -> Iterable[str]:
    return (form.format(number) for number in range(count))


def _session_of(lines: Iterable[str], each: Callable[[int], str]) -> str:
    """Many lines in the session, and the sections after them."""
    mids = " ".join(["v", *(f"s{number}" for number in range(MAX_SECTIONS - 1))])
    head = f"v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE {mids}\n"
    tail = VIDEO + "".join(each(number) for number in range(MAX_SECTIONS - 1))
    return _filled(head, lines, tail)


def worst_offers() -> dict[str, str]:
    """By what there is much of."""
    vp8 = offer(VIDEO)
    plain = offer(video("96", "a=rtpmap:96 VP8/90000\n"))
    head = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\n"
    first = f"{head}a=group:BUNDLE v a d\n"
    rids = [f"r{number}" for number in range(16)]
    own = "m=video 9 UDP/TLS/RTP/SAVPF 96 "
    rest = f"\nc=IN IP4 0.0.0.0\n{_HEAD}a=rtpmap:96 VP8/90000\n{TRANSPORT}"
    audio_rest = f"\n{_HEAD.replace(':v', ':a')}{TRANSPORT}"
    return {
        "feedback of all types, different": _filled(_codecs(), _many("a=rtcp-fb:* {:x}")),
        "feedback of all types, alike": _filled(_codecs("VP8"), _many("a=rtcp-fb:* nack")),
        "feedback of each type": _filled(
            _retransmitted(), (f"a=rtcp-fb:{n % 128} nack {n}" for n in range(MAX_LINES))
        ),
        "feedback in many words": _words(f"{vp8}a=rtcp-fb:* ", _many("n"), " "),
        "codecs not decoded": _filled(
            offer(video(" ".join(map(str, range(1000, 2400))), "")),
            (f"a=rtpmap:{n} X{n}/90000" for n in range(1000, 2400)),
        ),
        "types without a codec": _words(first + own, _many("{}"), " ", rest),
        "one type many times": _words(first + own, _many("9"), " ", rest),
        "retransmission many times": _words(
            first + own, _many("7"), " ", f"{rest}a=rtpmap:7 rtx/90000\na=fmtp:7 apt=96\n"
        ),
        "codec of a wrong type": _words(
            first + own, _many("{}"), " ", f"{rest}a=rtpmap:7 H264/1\na=rtpmap:8 H264/2\n"
        ),
        "parameters": _words(f"{vp8}a=fmtp:96 ", _many("{:x}"), ";"),
        "empty parameters": _words(f"{vp8}a=fmtp:96 ", _many(""), ";"),
        "parameters alike": _words(f"{vp8}a=fmtp:96 ", _many("A"), ";"),
        "parameters' lines": _filled(vp8, _many("a=fmtp:96 a{0}={0};B={0}")),
        "parameter sets": _words(f"{vp8}a=fmtp:96 sprop-parameter-sets=", _many(""), ","),
        "parameter sets, short": _words(f"{vp8}a=fmtp:96 sprop-parameter-sets=", _many("Zw"), ","),
        "parameter sets' names": _words(
            f"{vp8}a=fmtp:96 ", _many("sprop-parameter-sets=Z2=="), ";"
        ),
        "extensions": _filled(vp8, _many("a=extmap:{} urn:x")),
        "extensions alike": _filled(vp8, _many("a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid")),
        "audio types": _words(
            f"{first}{VIDEO}m=audio 9 UDP/TLS/RTP/SAVPF 0 ", _many("{}"), " ", audio_rest
        ),
        "one audio type many times": _words(
            f"{first}{VIDEO}m=audio 9 UDP/TLS/RTP/SAVPF ", _many("0"), " ", audio_rest
        ),
        "data formats": _words(f"{first}{VIDEO}{DATA}a=sctpmap:", _many("5"), " "),
        "rids": _filled(vp8, _many("a=rid:r{} send"), "a=simulcast:send r1;r2\n"),
        "rids' types": _words(f"{vp8}a=simulcast:send a;b\na=rid:a send pt=", _many("{}"), ","),
        "a rid's sizes": _words(
            f"{vp8}a=simulcast:send {';'.join(rids[:1] * 16)}\na=rid:r0 send ",
            _many("max-width=1"),
            ";",
        ),
        "a rid's restrictions": _words(
            f"{vp8}a=simulcast:send {';'.join(rids[:1] * 16)}\na=rid:r0 send ", _many("a"), ";"
        ),
        "restrictions of 16 rids": _filled(
            vp8,
            (f"a=rid:r{n} send " + ";".join(_many("{:x}", 800)) for n in range(16)),
            f"a=simulcast:send {';'.join(rids)}\n",
        ),
        "layers": _words(f"{vp8}a=rid:a send\na=simulcast:send ", _many("a"), ";"),
        "alternatives": _words(f"{vp8}a=rid:a send\na=simulcast:send ", _many("b"), ","),
        "sources of a layer group": _words(f"{vp8}a=ssrc-group:SIM ", _many("{}"), " "),
        "layer groups": _filled(vp8, _many("a=ssrc-group:SIM {} 1 2 3 4 5")),
        "retransmission groups": _filled(vp8, _many("a=ssrc-group:FID {} 1")),
        "sources": _filled(vp8, _many("a=ssrc:{} cname:x")),
        "fingerprints": _filled(
            vp8,
            (f"a=fingerprint:sha-256 {n % 256:02X}:{n // 256:02X}{DIGEST[5:]}" for n in range(999)),
        ),
        "unknown fingerprints": _filled(plain, _many("a=fingerprint:md{} 00")),
        "credentials": _filled(vp8, _many("a=ice-ufrag:abcd{}")),
        "candidates": _filled(vp8, _many("a=candidate:1 1 udp 1 ::1 9 typ srfl")),
        "multicast candidates": _filled(vp8, _many("a=candidate:1 1 udp 1 ff::1:2:3:4 9 typ host")),
        "hidden candidates": _filled(vp8, _many("a=candidate:1 1 udp 1 {}.local 9 typ host")),
        "candidates' priorities": _filled(
            vp8, (f"a=candidate:1 1 udp {'1' * 4200} ::1 9 typ host" for _ in range(99))
        ),
        "a candidate's words": _words(f"{vp8}a=candidate:1 1 udp 1 ::1 9 typ x", _many("a"), " "),
        "members of a group": _session_of([" ".join(["a=group:BUNDLE", *["x"] * 29_000])], _audio),
        "groups": _session_of(_many("a=group:BUNDLE x{}"), _audio),
        "groups of sections switched off": _session_of(_many("a=group:BUNDLE x{}"), _switched_off),
        "members, sections switched off": _session_of(
            [" ".join(["a=group:BUNDLE", *["x"] * 29_000])], _switched_off
        ),
        "groups of the video": _session_of(_many("a=group:BUNDLE v s{}"), _audio),
        "session lines": _session_of(_many("a={}"), _audio),
        "session lines, sections switched off": _session_of(_many("a={}"), _switched_off),
        "lines before the mid": _filled(
            head,
            (f"a=group:BUNDLE v {n}" for n in range(900)),
            f"{own}\n" + "a=x\n" * 900 + rest.lstrip(),
        ),
        "sections": "".join([head, VIDEO, *(VIDEO.replace(":v", f":{n}") for n in range(31))]),
        "sections with codecs not decoded": "".join(
            [
                head,
                *(f"m=video 9 A {' '.join(map(str, range(400)))}\na=mid:{n}\n" for n in range(31)),
            ]
        ),
        "spaces in a simulcast": _words(f"{vp8}a=simulcast:", _many(""), " ", "x\n"),
        "directions in a simulcast": _words(f"{vp8}a=simulcast:", _many("send"), " "),
        "a long word": f"{vp8}a=rid:{'a' * 60_000}\n",
        "spaces in a media line": _words(f"{first}m=video", _many(""), " "),
        "a port of many digits": f"{first}m=video 9/{'1' * 60_000}\n",
        "ends of lines": _words(vp8, _many(""), "\n"),
        "lines of a space": _words(vp8, _many(" "), "\n"),
        "a line that ends late": _words(f"{vp8}a=x", _many(""), "\t"),
    }
