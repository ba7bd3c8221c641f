"""aiortc's DTLS: which certificates it can talk to, whose it accepts, and why a handshake failed.

aiortc alone talks to no DTLS server whose certificate has an RSA key, as GStreamer's and some
cameras' have. A key on a curve that OpenSSL does not know in TLS can't be helped here: FFmpeg built
with GnuTLS makes itself one on P-224. Its publisher is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsParameters,
    RTCDtlsTransport,
    State,
    certificate_digest,
)
from aiortc.rtcpeerconnection import RTCPeerConnection
from cryptography import x509
from OpenSSL import SSL

CIPHERS = b":".join(
    [
        *(b"ECDHE-%s-AES128-GCM-SHA256" % key for key in (b"ECDSA", b"RSA")),
        *(b"ECDHE-%s-AES256-GCM-SHA384" % key for key in (b"ECDSA", b"RSA")),
        *(b"ECDHE-%s-CHACHA20-POLY1305" % key for key in (b"ECDSA", b"RSA")),
        *(b"ECDHE-%s-AES128-SHA" % key for key in (b"ECDSA", b"RSA")),
        *(b"ECDHE-%s-AES256-SHA" % key for key in (b"ECDSA", b"RSA")),
    ]
)
_HASHES = ("sha-512", "sha-384", "sha-256")  # of certificates; the preferred first
_FATAL = 2
_ALERTS = {
    10: "unexpected message",
    20: "bad record",
    40: "handshake failure: no cipher or SRTP profile in common",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "revoked certificate",
    45: "expired certificate",
    46: "unknown certificate",
    47: "illegal parameter",
    48: "unknown authority",
    50: "unreadable message",
    51: "bad signature",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    109: "missing extension",
    116: "certificate required",
}  # RFC 8446, appendix B.2

OnFailure = Callable[[str], None]


def adapt_dtls(
    connection: RTCPeerConnection, dtls: RTCDtlsTransport, on_failure: OnFailure
) -> None:
    """Let a transport talk to publishers of every kind; before its handshake.

    `on_failure(reason)` is called with each reason why the handshake fails, and who refused it.
    """
    certificate: Any = vars(connection)["_RTCPeerConnection__certificates"][0]
    _widen(certificate, on_failure)
    transport: Any = dtls
    transport._validate_peer_identity = lambda parameters: _validate(dtls, parameters, on_failure)
    set_up_srtp = transport._setup_srtp

    def set_up() -> None:
        set_up_srtp()
        if dtls.state == "failed":
            on_failure("DTLS: the publisher offered no SRTP profile that is known here")

    transport._setup_srtp = set_up


def _widen(certificate: RTCCertificate, on_failure: OnFailure) -> None:
    own: Any = certificate
    create = own._create_ssl_context

    def create_widened(srtp_profiles: Any) -> SSL.Context:
        context: Any = create(srtp_profiles)
        context.set_cipher_list(CIPHERS)
        context.set_info_callback(lambda ssl, where, code: _on_info(where, code, on_failure))
        return cast(SSL.Context, context)

    own._create_ssl_context = create_widened


def _on_info(where: int, code: int, on_failure: OnFailure) -> None:
    """OpenSSL's report of an alert: level and description."""
    if where not in (SSL.SSL_CB_READ_ALERT, SSL.SSL_CB_WRITE_ALERT) or code >> 8 != _FATAL:
        return
    alert = code & 0xFF
    name = f"{_ALERTS.get(alert, 'alert')} (alert {alert})"
    if where == SSL.SSL_CB_READ_ALERT:
        on_failure(f"DTLS: the publisher refused this server's handshake: {name}")
    else:
        on_failure(f"DTLS: this server refused the publisher's handshake: {name}{_reason()}")


def _reason() -> str:
    """OpenSSL's own words for the error that is pending."""
    library: Any = vars(SSL)["_lib"]
    code = library.ERR_peek_error()
    pointer = library.ERR_reason_error_string(code) if code else None
    if not pointer:
        return ""
    ffi: Any = vars(SSL)["_ffi"]
    text = ffi.string(pointer).decode()
    if text == "wrong curve":
        text += ": its certificate's key must be RSA or on P-256, P-384, P-521"
    return f", {text}"


def _validate(dtls: RTCDtlsTransport, parameters: RTCDtlsParameters, on_failure: OnFailure) -> None:
    """Fail unless the certificate is one of the offer's, by the best hash that it uses.

    An offer may have fingerprints of several certificates (RFC 8122, section 5).
    """
    transport: Any = dtls
    certificate: x509.Certificate = transport._ssl.get_peer_certificate(as_cryptography=True)
    offered = {algorithm: set[str]() for algorithm in _HASHES}
    for each in parameters.fingerprints:
        offered.get(each.algorithm.lower(), set()).add(each.value.upper())
    best = next((algorithm for algorithm in _HASHES if offered[algorithm]), None)
    if best is None or certificate_digest(certificate, best) not in offered[best]:
        on_failure("DTLS: the publisher's certificate is not that of its offer's a=fingerprint")
        transport._set_state(State.FAILED)
