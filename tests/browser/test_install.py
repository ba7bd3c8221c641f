"""The page can be installed as an app: Chromium's own criteria, and its icons are what they say."""

from __future__ import annotations

import json
from typing import Any

import cv2
import pytest

from edge.api.pages import WEB

from .pages import SESSION_LOOP, opened
from .standin import serving

pytestmark = pytest.mark.browser

MANIFEST = WEB / "static" / "manifest.webmanifest"


@SESSION_LOOP
async def test_chromium_reads_a_manifest_that_it_would_install() -> None:
    """Its criteria, which a browser without windows does not judge by itself: a secure context, a
    name, a start URL in the scope, a display of its own, and icons of 192 and 512 pixels."""
    async with serving() as standin, opened(standin.url) as watched:
        await watched.open(slo=5000)
        assert await watched.page.evaluate("() => isSecureContext")
        chrome = await watched.page.context.new_cdp_session(watched.page)
        answer: Any = await chrome.send("Page.getAppManifest")
        assert answer["errors"] == []
        read = answer["manifest"]
        assert read["name"] == "Edge"
        assert read["startUrl"] == read["scope"] == read["id"] == standin.url
        assert read["display"] == "kStandalone"
        assert not read["preferRelatedApplications"]


def test_the_icons_have_their_sizes_and_phones_get_what_they_ask_for() -> None:
    icons = json.loads(MANIFEST.read_text())["icons"]
    sizes = set()
    for icon in icons:
        path = MANIFEST.parent / icon["src"]
        assert path.is_file()
        if icon["type"] == "image/png":
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert image is not None
            height, width, channels = image.shape
            assert f"{width}x{height}" == icon["sizes"]
            if icon.get("purpose") == "maskable":  # opaque to its corners
                assert channels == 3 or image[0, 0, 3] == 255
            sizes.add((icon["sizes"], icon.get("purpose", "any")))
    assert {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")} <= sizes
