"""Fetched files: cached once, refused when they differ."""

import hashlib
from pathlib import Path

import pytest

from edge.assets.store import Asset, AssetError, PackageSource, UrlSource, cached, fetch, verify

CONTENT = b"weights, as published"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_CACHE", str(tmp_path / "cache"))


def _asset(tmp_path: Path, served: bytes) -> Asset:
    (tmp_path / "published").write_bytes(served)
    source = UrlSource((tmp_path / "published").as_uri())
    return Asset("some.weights", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), (source,))


def test_fetched_once_then_from_the_cache(tmp_path: Path) -> None:
    asset = _asset(tmp_path, CONTENT)
    assert cached(asset) is None
    reported: list[tuple[int, int]] = []
    path = fetch(asset, lambda done, total: reported.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert reported[-1][0] == len(CONTENT)
    (tmp_path / "published").unlink()
    assert fetch(asset) == path == cached(asset)


@pytest.mark.parametrize(
    ("served", "words"),
    [(CONTENT[:-1], "bytes, but"), (CONTENT[:-1] + b"!", "SHA-256"), (b"", "0 bytes")],
)
def test_a_file_that_differs_is_refused_and_not_kept(
    tmp_path: Path, served: bytes, words: str
) -> None:
    asset = _asset(tmp_path, served)
    with pytest.raises(AssetError, match=words):
        fetch(asset)
    assert cached(asset) is None
    assert [path.name for path in (tmp_path / "cache").iterdir()] == []


def test_an_altered_cache_is_fetched_anew(tmp_path: Path) -> None:
    asset = _asset(tmp_path, CONTENT)
    path = fetch(asset)
    path.write_bytes(b"X" * len(CONTENT))
    assert fetch(asset).read_bytes() == CONTENT


def test_every_source_is_tried_and_named(tmp_path: Path) -> None:
    good = _asset(tmp_path, CONTENT)
    gone = UrlSource((tmp_path / "gone").as_uri())
    assert fetch(Asset(good.name, good.size, good.sha256, (gone, *good.sources))).is_file()
    nowhere = PackageSource("no-such-package-of-edge==0", "x")
    with pytest.raises(AssetError) as caught:
        fetch(Asset("other", good.size, good.sha256, (gone, nowhere)))
    assert "gone" in str(caught.value)
    assert "no-such-package-of-edge" in str(caught.value)


def test_verify_tells_size_from_content(tmp_path: Path) -> None:
    asset = _asset(tmp_path, CONTENT)
    verify(asset, tmp_path / "published")
    (tmp_path / "published").write_bytes(CONTENT + b"!")
    with pytest.raises(AssetError, match="22 bytes"):
        verify(asset, tmp_path / "published")
