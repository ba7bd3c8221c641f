"""Logins of administrators' browsers, kept over a restart.

The file opens nothing to who reads it: of a cookie it has a hash, and of the admin token a keyed
hash (HMAC) whose key is the cookie, which only the browser has. A login is valid as long as the
admin token is the one that it was made with.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from edge.base.durable_file import move_aside, write_durably
from edge.base.event_log import get_logger

log = get_logger("edge.api.access.logins")

LOGIN_S = 12 * 3600
MAX_LOGINS = 256  # at a time; a further one ends the oldest
CLOSE_S = 0.5  # for a write that is under way as the server stops
VERSION = 1


class Logins:
    """By cookie. Files are written by a thread of their own: a slow disk delays no login."""

    def __init__(self, file: Path | None) -> None:
        """`file` None: they end with the process."""
        self._file = file
        self._logins: dict[str, tuple[float, str]] = {}  # end and proof, by hash of the cookie
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._is_saved = True
        if file is not None:
            self._logins = _read(file)

    def begin(self, admin_token: str) -> str:
        """A new login's cookie."""
        while len(self._logins) >= MAX_LOGINS:
            del self._logins[next(iter(self._logins))]
        cookie = secrets.token_urlsafe(32)
        self._logins[_hash(cookie)] = (time.time() + LOGIN_S, _proof(cookie, admin_token))
        self._save()
        return cookie

    def end(self, cookie: str) -> None:
        """End the login of this cookie, if there is one."""
        if self._logins.pop(_hash(cookie), None) is not None:
            self._save()

    def is_valid(self, cookie: str, admin_token: str) -> bool:
        """Whether the cookie is of a login with this token that has not ended."""
        end_s, proof = self._logins.get(_hash(cookie), (0.0, ""))
        is_now = 0.0 < end_s - time.time() <= LOGIN_S  # else the clock has been set back
        return is_now and hmac.compare_digest(proof, _proof(cookie, admin_token))

    def close(self) -> None:
        """Wait a moment for the file. Blocks: not for the event loop."""
        if (writer := self._writer) is not None:
            writer.join(CLOSE_S)

    def _save(self) -> None:
        if self._file is None:
            return
        with self._lock:
            self._is_saved = False
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="logins", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        assert self._file is not None
        while True:
            with self._lock:
                if self._is_saved:
                    self._writer = None
                    return
                self._is_saved, logins = True, dict(self._logins)
            text = json.dumps({"version": VERSION, "logins": logins})
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_durably(self._file, text.encode(), 0o600)
            except OSError as error:
                log.warning("logins_not_kept", file=self._file, error=error)


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


def _proof(cookie: str, admin_token: str) -> str:
    return hmac.new(
        cookie.encode("utf-8", "surrogatepass"), admin_token.encode(), "sha256"
    ).hexdigest()


def _read(file: Path) -> dict[str, tuple[float, str]]:
    """The logins in the file that have not ended; a file that cannot be read is moved aside."""
    try:
        data: Any = json.loads(file.read_bytes())
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}")
        now = time.time()
        logins = {
            str(key): (float(end_s), str(proof)) for key, (end_s, proof) in data["logins"].items()
        }
        recent = [(key, login) for key, login in logins.items() if now < login[0] <= now + LOGIN_S]
        return dict(recent[-MAX_LOGINS:])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        try:
            log.warning("logins_unreadable", file=file, moved_to=move_aside(file), error=error)
        except OSError as failed:
            log.warning("logins_unreadable", file=file, error=failed)
    except OSError as error:
        log.warning("logins_unreadable", file=file, error=error)
    return {}
