"""The local authority: its certificates verify, are kept, and are renewed in time."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from edge.api.access import local_ca
from edge.base.durable_file import write_durably

HOME = [ipaddress.ip_address("192.168.1.7")]
NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
TODAY = datetime.datetime.now(datetime.UTC)  # where OpenSSL checks the dates by its own clock


def _leaf(files: local_ca.Certificates) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.cert.read_bytes())


def test_the_leaf_names_the_addresses_and_is_signed_by_the_authority(tmp_path: Path) -> None:
    files = local_ca.ensure(tmp_path / "tls", HOME, NOW)
    leaf = _leaf(files)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(files.ca.read_bytes()))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(HOME) <= set(names.get_values_for_type(x509.IPAddress))
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert isinstance(local_ca.server_context(files.cert, files.key), ssl.SSLContext)


def test_keys_are_the_users_alone(tmp_path: Path) -> None:
    files = local_ca.ensure(tmp_path / "tls", HOME, NOW)
    for key in (files.key, files.ca.with_suffix(".key")):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_valid_certificate_is_kept(tmp_path: Path) -> None:
    first = local_ca.ensure(tmp_path, HOME, NOW).cert.read_bytes()
    assert local_ca.ensure(tmp_path, HOME, NOW).cert.read_bytes() == first


@pytest.mark.parametrize(
    ("addresses", "days"),
    [([ipaddress.ip_address("10.0.0.9")], 0), (HOME, local_ca.LEAF_DAYS - local_ca.RENEW_DAYS)],
)
def test_a_new_address_or_an_old_leaf_makes_a_new_leaf_of_the_same_authority(
    tmp_path: Path, addresses: list[local_ca.IpAddress], days: int
) -> None:
    files = local_ca.ensure(tmp_path, HOME, NOW)
    leaf, ca = files.cert.read_bytes(), files.ca.read_bytes()
    local_ca.ensure(tmp_path, addresses, NOW + datetime.timedelta(days=days))
    assert files.cert.read_bytes() != leaf
    assert files.ca.read_bytes() == ca


def test_an_unusable_pair_is_named(tmp_path: Path) -> None:
    one = local_ca.ensure(tmp_path / "one", HOME, NOW)
    two = local_ca.ensure(tmp_path / "two", HOME, NOW)
    with pytest.raises(ValueError, match="leaf.crt"):
        local_ca.server_context(one.cert, two.key)
    with pytest.raises(ValueError, match="No such file"):
        local_ca.server_context(tmp_path / "none.crt", two.key)


def test_lan_addresses_could_be_reached_by_a_neighbour() -> None:
    for address in local_ca.lan_addresses():
        assert not address.is_loopback
        assert not address.is_link_local


class _Killed(BaseException):
    """Stands for the process's end in the midst of it."""


@pytest.mark.parametrize("written", range(4))
@pytest.mark.parametrize("renewed", [False, True])
def test_a_crash_between_two_files_is_mended_at_the_next_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: int, renewed: bool
) -> None:
    if renewed:  # files of old are there, and all have expired
        local_ca.ensure(tmp_path, HOME, TODAY - datetime.timedelta(days=local_ca.CA_DAYS))
    write = write_durably
    calls: list[Path] = []

    def killed(path: Path, data: bytes, mode: int) -> None:
        calls.append(path)
        if len(calls) > written:
            path.with_suffix(f"{path.suffix}.part").write_bytes(data[: len(data) // 2])
            raise _Killed
        write(path, data, mode)

    monkeypatch.setattr(local_ca, "write_durably", killed)
    with pytest.raises(_Killed):
        local_ca.ensure(tmp_path, HOME, TODAY)
    monkeypatch.setattr(local_ca, "write_durably", write)
    _assert_usable(local_ca.ensure(tmp_path, HOME, TODAY))


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "leaf.crt", "leaf.key"])
@pytest.mark.parametrize("damage", ["empty", "cut", "another's", "missing"])
def test_damaged_files_are_made_anew(tmp_path: Path, name: str, damage: str) -> None:
    local_ca.ensure(tmp_path / "other", HOME, TODAY)
    local_ca.ensure(tmp_path / "tls", HOME, TODAY)
    path = tmp_path / "tls" / name
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        other = (tmp_path / "other" / name).read_bytes()
        path.write_bytes({"empty": b"", "cut": content[:60], "another's": other}[damage])
    _assert_usable(local_ca.ensure(tmp_path / "tls", HOME, TODAY))


def test_an_operators_own_key_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    local_ca.ensure(tmp_path, HOME, NOW)
    key = rsa.generate_private_key(65_537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "ca.key").write_bytes(key)
    with pytest.raises(ValueError, match=r"ca\.key: not an elliptic-curve key"):
        local_ca.ensure(tmp_path, HOME, NOW)
    assert (tmp_path / "ca.key").read_bytes() == key


def test_the_authority_is_bound_to_this_host_and_its_networks(tmp_path: Path) -> None:
    files = local_ca.ensure(tmp_path, [*HOME, ipaddress.ip_address("198.51.100.7")], NOW)
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    assert ca.extensions.get_extension_for_class(x509.NameConstraints).critical
    permits = {
        name: local_ca._permits(ca, x509.DNSName(name))
        for name in ("localhost", "edge.local", socket.gethostname(), "example.com", "notlocal")
    }
    assert list(permits.values()) == [True, True, True, False, False]
    for text in ("10.1.2.3", "172.31.0.1", "127.0.0.1", "fd00::7", "::1"):
        assert local_ca._permits(ca, x509.IPAddress(ipaddress.ip_address(text)))
    for text in ("198.51.100.7", "172.32.0.1", "2001:db8::7"):
        assert not local_ca._permits(ca, x509.IPAddress(ipaddress.ip_address(text)))
    names = _leaf(files).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ipaddress.ip_address("198.51.100.7") not in names.get_values_for_type(x509.IPAddress)
    assert set(HOME) <= set(names.get_values_for_type(x509.IPAddress))


def _assert_usable(files: local_ca.Certificates) -> None:
    """A TLS client that trusts the authority accepts the server, by name and by address."""
    server = local_ca.server_context(files.cert, files.key)
    for name in ("localhost", "127.0.0.1", str(HOME[0])):
        trust = ssl.create_default_context(cafile=str(files.ca))
        trust.verify_flags |= ssl.VERIFY_X509_STRICT
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides = [
            trust.wrap_bio(to_client, to_server, server_hostname=name),
            server.wrap_bio(to_server, to_client, server_side=True),
        ]
        for side in sides * 2:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
        assert sides[0].version() == "TLSv1.3"
