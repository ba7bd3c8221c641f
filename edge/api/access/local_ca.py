"""A local certificate authority: browsers allow camera access only over HTTPS.

The authority's key stays in the user's data directory, readable by the user alone. The leaf
certificate names this machine's current addresses, and is renewed when they change or when it is
about to expire. Name constraints (RFC 5280, section 4.2.1.10) keep the authority, which phones may
trust, from vouching for any site of the Internet.

Each file is replaced at once and synced. A key and its certificate are two files: a pair that does
not match, as a crash between the two leaves it, is made anew.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ifaddr
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.base.directories import data_dir
from edge.base.durable_file import write_durably
from edge.base.event_log import get_logger

CA_DAYS = 3650
LEAF_DAYS = 397  # phones refuse server certificates that live longer than 398 days
RENEW_DAYS = 30

_PRIVATE_NETWORKS = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
    *("100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),  # shared, loopback, link-local
    *("::1/128", "fc00::/7", "fe80::/10"),  # loopback, RFC 4193, link-local
)

log = get_logger("edge.api.access.local_ca")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files: the authority's certificate, the leaf's chain and its key."""

    ca: Path
    cert: Path
    key: Path


def default_directory() -> Path:
    """The authority's directory, in the data directory."""
    return data_dir() / "tls"


def lan_addresses() -> list[IpAddress]:
    """Addresses that the local network can reach, IPv4 first; neither loopback nor link-local."""
    addresses: set[IpAddress] = set()
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if not (address.is_loopback or address.is_link_local):
                addresses.add(address)
    return sorted(addresses, key=lambda address: (address.version, int(address)))


def ensure(
    directory: Path, addresses: Sequence[IpAddress], now: datetime.datetime | None = None
) -> Certificates:
    """The authority and a leaf for `addresses`, localhost and the host's name, issued if needed.

    Names that the authority's constraints exclude, such as public addresses, are left out.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = Certificates(directory / "ca.crt", directory / "leaf.crt", directory / "leaf.key")
    ca_key_file = directory / "ca.key"
    ca = _usable(files.ca, now)
    ca_key = _key_of(ca_key_file, ca)
    if ca is None or ca_key is None:
        log.info("certificate_authority_made", file=files.ca)
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = _issue_ca(ca_key, now)
        _write_key(ca_key_file, ca_key)
        write_durably(files.ca, ca.public_bytes(serialization.Encoding.PEM), 0o644)

    names = {name for name in _subject_names(addresses) if _permits(ca, name)}
    leaf = _usable(files.cert, now)
    if leaf is None or _key_of(files.key, leaf) is None or not _covers(leaf, ca, names):
        leaf_key = ec.generate_private_key(ec.SECP256R1())
        leaf = _issue_leaf(leaf_key, ca, ca_key, names, now)
        _write_key(files.key, leaf_key)
        chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, ca))
        write_durably(files.cert, chain, 0o644)
    return files


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS for the server; ValueError, naming the files, if they do not make a usable pair."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ValueError(f"certificate {cert} with key {key}: {reason}") from error
    return context


def _subject_names(addresses: Sequence[IpAddress]) -> set[x509.GeneralName]:
    loopback: list[IpAddress] = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    host = socket.gethostname()
    names: set[x509.GeneralName] = {x509.IPAddress(each) for each in [*addresses, *loopback]}
    names.update(x509.DNSName(name) for name in {"localhost", host, f"{host}.local"})
    return names


def _usable(path: Path, now: datetime.datetime) -> x509.Certificate | None:
    """The certificate at `path`; None if it cannot be read or is about to expire."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None
    ends = certificate.not_valid_after_utc - datetime.timedelta(days=RENEW_DAYS)
    return certificate if certificate.not_valid_before_utc <= now < ends else None


def _key_of(path: Path, certificate: x509.Certificate | None) -> ec.EllipticCurvePrivateKey | None:
    """The key at `path`; None if it is missing, damaged or another certificate's.

    Raises OSError for a file that may not be read, ValueError for a key of another kind: an
    operator's own, which is not to be replaced.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path}: not an elliptic-curve key; delete it to create another")
    matches = certificate is not None and key.public_key() == certificate.public_key()
    return key if matches else None


def _permits(ca: x509.Certificate, name: x509.GeneralName) -> bool:
    """Whether the authority's name constraints permit `name`; one of earlier versions has none."""
    try:
        constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return True
    permitted = constraints.permitted_subtrees or []
    if isinstance(name, x509.IPAddress):
        networks = [each.value for each in permitted if isinstance(each, x509.IPAddress)]
        return any(
            name.value in network
            for network in networks
            if isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network)
        )
    return isinstance(name, x509.DNSName) and any(
        f".{name.value}".endswith(f".{each.value}")
        for each in permitted
        if isinstance(each, x509.DNSName)
    )


def _constraints() -> x509.NameConstraints:
    names = {"localhost", "local", socket.gethostname()}
    networks = map(ipaddress.ip_network, _PRIVATE_NETWORKS)
    return x509.NameConstraints(
        permitted_subtrees=[
            *(x509.DNSName(name) for name in sorted(names)),
            *(x509.IPAddress(network) for network in networks),
        ],
        excluded_subtrees=None,
    )


def _covers(leaf: x509.Certificate, ca: x509.Certificate, names: set[x509.GeneralName]) -> bool:
    try:
        leaf.verify_directly_issued_by(ca)
        alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except Exception:  # any defect: issue a new one
        return False
    return names <= set(alternative.value)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # a phone's clock may be behind
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _issue_ca(key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    name = _name(f"Edge local CA ({socket.gethostname()})"[:64])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, key, now, CA_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(_constraints(), critical=True)
        .sign(key, hashes.SHA256())
    )


def _issue_leaf(
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    names: set[x509.GeneralName],
    now: datetime.datetime,
) -> x509.Certificate:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(_name("edge"), key, now, LEAF_DAYS)
        .issuer_name(ca.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(sorted(names, key=str)), critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_durably(path, data, 0o600)
