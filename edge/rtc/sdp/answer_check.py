"""Whether an answer is one to its offer: rules whose breach a publisher would suffer in silence."""

from __future__ import annotations

from collections.abc import Iterator

from edge.rtc.sdp.description import Description, Section

_ANSWERING = {
    "sendrecv": {"sendrecv", "sendonly", "recvonly", "inactive"},
    "sendonly": {"recvonly", "inactive"},
    "recvonly": {"sendonly", "inactive"},
    "inactive": {"inactive"},
}
_SETUPS = {
    "actpass": {"active", "passive"},
    "active": {"passive"},
    "passive": {"active"},
}


def violations(offer: Description, answer: Description) -> list[str]:
    """The rules that the answer breaks (RFC 3264, 8285, 8842, 9143), in words."""
    if len(offer.sections) != len(answer.sections):
        return [
            f"{len(answer.sections)} sections answer {len(offer.sections)} (RFC 3264, section 6)"
        ]
    found: list[str] = []
    direction = offer.session.direction or "sendrecv"
    for theirs, ours in zip(offer.sections, answer.sections, strict=True):
        place = f"{theirs.kind} section {theirs.mid or '(no a=mid)'}"
        found += [f"{place}: {rule}" for rule in _section(direction, theirs, ours)]
    found += _bundle(offer, answer)
    found += _setup(offer, answer)
    return found


def _section(default: str, theirs: Section, ours: Section) -> Iterator[str]:
    if (theirs.kind, theirs.protocol) != (ours.kind, ours.protocol):
        yield f"answered as {ours.kind} {ours.protocol} (RFC 3264, section 6)"
    if theirs.mid != ours.mid:
        yield "another a=mid (RFC 5888, section 9.1)"
    if extra := sorted(set(ours.formats) - set(theirs.formats)):
        yield f"{', '.join(extra)} was not offered (RFC 3264, section 6.1)"
    if ours.port == 0:
        return
    if theirs.port == 0 and not theirs.has("bundle-only"):
        yield "accepted, though its port is 0 (RFC 3264, section 6)"
    yield from _media(theirs.direction or default, theirs, ours)
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        if ours.value(name) is None:
            yield f"no a={name}"


def _media(offered: str, theirs: Section, ours: Section) -> Iterator[str]:
    if ours.kind != "application" and (ours.direction or "sendrecv") not in _ANSWERING[offered]:
        yield f"{ours.direction or 'sendrecv'} answers {offered} (RFC 3264, section 6.1)"
    theirs_mapped, formats = _maps(theirs), set(ours.formats)
    numbers = {number for number, _ in theirs_mapped}
    for number, name in sorted(_maps(ours)):
        if number not in formats:
            yield f"a=rtpmap:{number} is not among its formats"
        elif (number, name) not in theirs_mapped and number in numbers:
            yield f"payload type {number} was not offered as {name}"
    rids = {tuple(each.split(" ", 2)[:2]) for each in theirs.values("rid")}
    for value in ours.values("rid"):
        rid = value.split(" ")[0]
        if (rid, "send") not in rids:
            yield f"a=rid:{rid} was not offered (RFC 8851, section 6.3)"
    for number, uri in sorted(_extensions(ours) - _extensions(theirs)):
        yield f"extension {number} was not offered as {uri} (RFC 8285, section 6)"


def _maps(section: Section) -> set[tuple[str, str]]:
    pairs = (value.partition(" ") for value in section.values("rtpmap"))
    return {(number, "/".join(name.strip().lower().split("/")[:2])) for number, _, name in pairs}


def _extensions(section: Section) -> set[tuple[str, str]]:
    pairs = (value.partition(" ") for value in section.values("extmap"))
    return {(number.partition("/")[0], rest.strip().split(" ")[0]) for number, _, rest in pairs}


def _bundle(offer: Description, answer: Description) -> Iterator[str]:
    groups = answer.bundles
    alive = {section.mid for section in answer.sections if section.port}
    for group in groups:
        if not any(group.keys() <= each.keys() for each in offer.bundles):
            yield f"a=group:BUNDLE {' '.join(group)} was not offered (RFC 9143, section 7.3)"
        if not group.keys() <= alive:
            yield "a rejected section is in a=group:BUNDLE (RFC 9143, section 7.3.3)"


def _setup(offer: Description, answer: Description) -> Iterator[str]:
    """Of the section whose transport is used: the group's first, or the only one accepted."""
    tagged = [next(iter(group)) for group in answer.bundles if group]
    default = offer.session.value("setup")
    for theirs, ours in zip(offer.sections, answer.sections, strict=True):
        setup = (theirs.value("setup") or default or "").lower()
        if ours.port == 0 or (tagged and ours.mid not in tagged) or setup not in _SETUPS:
            continue
        if ours.value("setup") not in _SETUPS[setup]:
            yield f"a=setup:{ours.value('setup')} answers {setup} (RFC 8842, section 5.3)"
