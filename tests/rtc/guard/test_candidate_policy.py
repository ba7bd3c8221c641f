"""An offer does not make the server send to its own host."""

from __future__ import annotations

import errno
from ipaddress import ip_address, ip_network

import ifaddr
import pytest

from edge.rtc.guard import candidate_policy
from edge.rtc.guard.candidate_policy import CandidatePolicy, own_addresses

OWN = frozenset({ip_address("192.168.1.7"), ip_address("fd00::7"), ip_address("203.0.113.5")})


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.0.0.53", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.53", "loopback"),
        ("64:ff9b::7f00:35", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "scoped"),
        ("224.0.0.251", "multicast"),
        ("ff02::fb", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("0.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("192.168.1.7", "own address"),
        ("::ffff:192.168.1.7", "own address"),
        ("203.0.113.5", "own address"),
        ("fd00::7", "own address"),
    ],
)
def test_addresses_of_this_host_are_refused(address: str, reason: str) -> None:
    assert CandidatePolicy(OWN).refusal(address, 5000) == reason


@pytest.mark.parametrize("address", ["192.168.1.8", "10.0.0.2", "198.51.100.9", "2001:db8::5"])
def test_other_addresses_are_used(address: str) -> None:
    assert CandidatePolicy(OWN).refusal(address, 5000) is None
    assert CandidatePolicy(OWN).refusal(address, 53) == "privileged port"


def test_networks_can_be_allowed() -> None:
    policy = CandidatePolicy(OWN, [ip_network("169.254.0.0/16"), ip_network("192.168.1.7/32")])
    assert policy.refusal("169.254.1.2", 5000) is None
    assert policy.refusal("192.168.1.7", 5000) is None
    assert policy.refusal("127.0.0.1", 5000) == "loopback"
    assert policy.refusal("fe80::1", 5000) == "link-local"


def test_a_publisher_on_this_machine_may_use_every_address() -> None:
    policy = CandidatePolicy(OWN, local_publisher=True)
    assert policy.refusal("127.0.0.1", 5000) is None
    assert policy.refusal("192.168.1.7", 5000) is None


def test_this_machine_has_a_loopback_address() -> None:
    assert ip_address("127.0.0.1") in own_addresses()


def test_without_a_descriptor_the_addresses_are_those_last_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    known = own_addresses()
    monkeypatch.setattr(ifaddr, "get_adapters", exhausted)
    assert own_addresses() == known
    monkeypatch.setattr(candidate_policy, "_known", [])
    with pytest.raises(OSError, match="Too many open files"):
        own_addresses()
