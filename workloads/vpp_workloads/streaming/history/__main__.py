"""Folds the history once: `python -m vpp_workloads.streaming.history`. Prints what it did as one JSON document.

Its settings are in the environment, the storage's are the driver's own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Final

from vpp_contract import environment as env
from vpp_contract.names import HISTORY_FOLDER
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import Files, open_files
from vpp_workloads.streaming.history.fold import fold
from vpp_workloads.streaming.history.plan import describe
from vpp_workloads.streaming.settings import history_limits, storage_settings

_PATIENCE_SECONDS: Final = 10.0
"""How long the storage may refuse at first: a network that enforces policies does so to a pod it does not know yet."""


def wait_for_answer(files: Files, patience_seconds: float) -> None:
    """Ask until the storage answers.

    Raises:
        StreamingError: it did not within `patience_seconds`.
        OSError: the same, of a folder.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            files.entries(HISTORY_FOLDER)
            return
        except (StreamingError, OSError):
            if time.monotonic() > deadline:
                raise
        time.sleep(min(0.5, patience_seconds))


def main() -> int:
    """Fold; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    started = time.monotonic()
    try:
        storage, limits = storage_settings(os.environ), history_limits(os.environ)
        files = open_files(storage)
        wait_for_answer(files, _PATIENCE_SECONDS)
        done = fold(files, storage.url, limits, lambda: time.time_ns() // 1_000_000)
    except (env.SettingError, StreamingError, OSError) as error:
        print(f"vpp history: {error}", file=sys.stderr)
        return 1
    document = {
        **describe(done.version, limits),
        "folded_batches": done.batches,
        "removed_files": done.removed_files,
        "removed_batches": done.removed_batches,
        "seconds": round(time.monotonic() - started, 3),
    }
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
