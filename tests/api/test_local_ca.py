"""The local authority: its certificates verify, are kept, and are renewed in time."""

import datetime
import ipaddress
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from edge.api import local_ca

HOME = [ipaddress.ip_address("192.168.1.7")]
NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


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
