"""Remote addresses that ICE may send checks to: none by which an offer reaches into this host."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence

import ifaddr

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_FIRST_UNPRIVILEGED_PORT = 1024  # libwebrtc refuses candidates on ports below, too
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


_known: list[frozenset[IPAddress]] = []


def own_addresses() -> frozenset[IPAddress]:
    """The addresses of this machine's interfaces; those last known where they cannot be read, which
    takes a descriptor. OSError where they never could."""
    found: set[IPAddress] = set()
    try:
        adapters = list(ifaddr.get_adapters())
    except OSError:
        if not _known:
            raise
        return _known[0]
    for adapter in adapters:
        for each in adapter.ips:
            text = each.ip if isinstance(each.ip, str) else each.ip[0]
            found.add(ipaddress.ip_address(text.partition("%")[0]))
    _known[:] = [frozenset(found)]
    return _known[0]


class CandidatePolicy:
    """Decides which candidates of a publisher are used.

    `own` are this host's addresses, those announced included; `allow` networks are exempt from
    every rule about addresses; with `local_publisher` (the offer came from this machine) every
    address may be used.
    """

    def __init__(
        self,
        own: Collection[IPAddress] = (),
        allow: Sequence[IPNetwork] = (),
        *,
        local_publisher: bool = False,
    ) -> None:
        self._own = own
        self._allow = allow
        self._local_publisher = local_publisher

    def refusal(self, address: str, port: int) -> str | None:
        """Why no check is sent there; None: it may be. ValueError if it is no address."""
        if self._local_publisher:
            return None
        if port < _FIRST_UNPRIVILEGED_PORT:
            return "privileged port"
        if "%" in address:
            return "scoped"
        ip = _embedded(ipaddress.ip_address(address))
        if any(ip in network for network in self._allow):
            return None
        if ip in self._own:
            return "own address"
        kinds = {
            "loopback": ip.is_loopback,
            "link-local": ip.is_link_local,
            "multicast": ip.is_multicast,
            "unspecified": ip.is_unspecified,
            "reserved": ip.version == 4 and (ip.packed[0] == 0 or ip.packed[0] >= 240),
        }
        return next((kind for kind, applies in kinds.items() if applies), None)


def _embedded(ip: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 one stands for, or the address itself."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return ipaddress.IPv4Address(ip.packed[12:])
    return ip
