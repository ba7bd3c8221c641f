"""Browsers are shared here as in tests/browser."""

from tests.browser.conftest import shared_browsers

__all__ = ["shared_browsers"]
