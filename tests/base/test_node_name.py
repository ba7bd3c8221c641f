"""Names of nodes: each server's own, usable in subjects and paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.base.node_name import default_node_name, is_node_name
from edge.fleet.subjects import BEAT, node_path, subject


@given(st.text(max_size=80), st.integers(1, 65535), st.text(max_size=80))
def test_every_host_gets_a_name_that_subjects_and_paths_can_have(
    host: str, port: int, url: str
) -> None:
    name = default_node_name(host, port, url)
    assert is_node_name(name)
    assert subject(BEAT, name).count(".") == 2
    assert node_path(name, "/whip/1").split("/") == ["", "n", name, "whip", "1"]


def test_servers_that_share_host_name_and_port_have_different_names() -> None:
    urls = ["https://10.0.0.1:8443", "https://10.0.0.2:8443"]
    assert len({default_node_name("gpu.example", 8443, url) for url in urls}) == 2
    assert default_node_name("gpu.example", 8443, urls[0]).startswith("gpu-8443-")


def test_a_wildcard_is_no_name() -> None:
    assert not any(map(is_node_name, ("*", ">", "a.b", "a/b", "", "a" * 64, "a\n")))
