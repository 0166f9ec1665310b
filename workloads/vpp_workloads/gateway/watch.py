"""Notices that settings files have changed, as when a mounted Secret is renewed, and hands the new settings over.

A file that cannot be read or used changes nothing: it may be half written, and what works must go on working.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from vpp_workloads.gateway.errors import SettingsError
from vpp_workloads.gateway.settings import Settings, load_settings

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 2.0
_JOIN_SECONDS: Final = 5.0


class SettingsWatch:
    """Looks at the files of some gateways every two seconds, in a thread of its own."""

    def __init__(
        self, changes: Mapping[Path, Callable[[Settings], None]], *, look_seconds: float = _LOOK_SECONDS
    ) -> None:
        """Remember how the files are now; `start` begins to look.

        Args:
            changes: what to call with the settings of a file that has changed. It may raise SettingsError.
            look_seconds: seconds from one look to the next.
        """
        self._changes = changes
        self._look_seconds = look_seconds
        self._seen = {path: _content(path) for path in changes}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settings-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)

    def look(self) -> None:
        """Look once."""
        for path, change in self._changes.items():
            content = _content(path)
            if content is None or content == self._seen[path]:
                continue
            self._seen[path] = content
            try:
                change(load_settings(path))
                _LOG.info("%s has changed; connecting with what it says now", path)
            except SettingsError as error:
                _LOG.warning("%s has changed and is not taken up: %s", path, error)

    def _run(self) -> None:
        while not self._stopping.wait(self._look_seconds):
            self.look()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
