"""Certificates and DTLS roles of publishers, over real handshakes; who refused one, and why."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiortc.rtcdtlstransport import RTCCertificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.rtc.publishing import Publisher, Watcher


def _certificate(key: Any) -> RTCCertificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=30))
    return RTCCertificate(key=key, cert=builder.sign(key, hashes.SHA256()))


def _with_key(key: Any) -> Publisher:
    """A publisher whose certificate has that key, and that takes servers of either kind."""
    publisher = Publisher()
    certificate: Any = _certificate(key)
    create = certificate._create_ssl_context

    def create_wide(srtp_profiles: Any) -> Any:
        context = create(srtp_profiles)
        context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
        return context

    certificate._create_ssl_context = create_wide
    [transceiver] = publisher.connection.getTransceivers()
    sctp: Any = publisher.connection.sctp
    for dtls in (transceiver.sender.transport, sctp.transport):
        vars(dtls)["_RTCDtlsTransport__local_certificate"] = certificate
    return publisher


async def _connect(publisher: Publisher, watcher: Watcher, setup: str) -> None:
    offer = (await publisher.offer()).replace("a=setup:actpass", f"a=setup:{setup}")
    await publisher.accept(await watcher.peer.answer(offer))


_KEYS: dict[str, Callable[[], Any]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


@pytest.mark.parametrize("setup", ["actpass", "active", "passive"])
@pytest.mark.parametrize("key", _KEYS)
async def test_publishers_with_every_kind_of_key_connect_in_every_role(
    key: str, setup: str
) -> None:
    watcher, publisher = Watcher(), _with_key(_KEYS[key]())
    try:
        await _connect(publisher, watcher, setup)
        await watcher.until(lambda: len(watcher.frames) >= 3)
        assert watcher.peer.failure == ""
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


@pytest.mark.parametrize("setup", ["active", "passive"])
async def test_a_curve_that_tls_does_not_know_is_refused_in_words(setup: str) -> None:
    """FFmpeg built with GnuTLS makes itself such a key."""
    watcher, publisher = Watcher(), _with_key(ec.generate_private_key(ec.SECP224R1()))
    try:
        await _connect(publisher, watcher, setup)
        await watcher.until(lambda: "failed" in watcher.states)
        assert watcher.peer.failure.startswith("DTLS: ")
        assert "refused" in watcher.peer.failure
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


def _wrong(value: str) -> str:
    return ":".join(["00"] * len(value.split(":")))


async def test_another_certificate_than_the_offers_is_refused_by_name() -> None:
    watcher, publisher = Watcher(), Publisher()
    try:
        offer = re.sub(
            r"(a=fingerprint:\S+ )(\S+)",
            lambda found: found[1] + _wrong(found[2]),
            await publisher.offer(),
        )
        await publisher.accept(await watcher.peer.answer(offer))
        await watcher.until(lambda: "failed" in watcher.states)
        assert "certificate is not that of its offer's a=fingerprint" in watcher.peer.failure
        assert not watcher.frames
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


async def test_one_of_several_certificates_by_the_best_hash_is_enough() -> None:
    watcher, publisher = Watcher(), Publisher()
    try:
        offer = await publisher.offer()
        [value] = set(re.findall(r"a=fingerprint:sha-512 (\S+)", offer))
        right = f"a=fingerprint:sha-512 {value}"
        # A second certificate, and a weaker hash that is of another.
        offer = offer.replace(right, f"{right.lower()}\r\na=fingerprint:sha-512 {_wrong(value)}")
        offer = re.sub(
            r"(a=fingerprint:sha-256 )(\S+)", lambda found: found[1] + _wrong(found[2]), offer
        )
        await publisher.accept(await watcher.peer.answer(offer))
        await watcher.until(lambda: len(watcher.frames) >= 3)
    finally:
        await watcher.peer.close()
        await publisher.connection.close()
