"""Names of a fleet's nodes: one token of a subject, and one segment of a path. Pure."""

from __future__ import annotations

import hashlib
import re

NODE_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"

_NODE = re.compile(NODE_NAME_PATTERN)
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


def is_node_name(text: str) -> bool:
    return _NODE.fullmatch(text) is not None


def default_node_name(host_name: str, port: int, url: str) -> str:
    """A name for the server at `url`, the same at each start and of no other server's.

    Several may run on one machine, or in namespaces that share its host name and their port: a few
    digits are made of the URL.
    """
    digits = hashlib.sha256(url.encode()).hexdigest()[:4]
    host = _OTHER.sub("-", host_name.partition(".")[0])[:48].strip("-_") or "node"
    return f"{host}-{port}-{digits}"
