"""Reading the history without Spark: over WebHDFS with the standard library, or from a folder."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.parquet as pq

from vpp_contract.names import CHECKPOINT_FOLDER, HISTORY_FOLDER
from vpp_workloads.streaming.audit.compare import HISTORY_FIELDS
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.settings import StorageSettings
from vpp_workloads.streaming.sinks import BATCH_FOLDER

_DEADLINE_SECONDS: Final = 30.0
_NOT_FOUND: Final = 404


class Files(Protocol):
    """The little of a file system that an audit needs; paths are relative to the storage folder."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, none if there is no such folder."""

    def read(self, path: str) -> bytes:
        """Return a file's content."""


class LocalFiles:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> list[str]:
        path = self._root / folder
        return [entry.name for entry in path.iterdir()] if path.is_dir() else []

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()


class WebHdfsFiles:
    """A folder in HDFS, read through the name node's HTTP port; contents come from the data nodes it redirects to."""

    def __init__(self, webhdfs_url: str, root: str) -> None:
        self._base = f"{webhdfs_url.rstrip('/')}/webhdfs/v1{quote(root.rstrip('/'))}"

    def names(self, folder: str) -> list[str]:
        try:
            listing = json.loads(self._get(folder, "LISTSTATUS"))
        except HTTPError as error:
            if error.code == _NOT_FOUND:
                return []
            raise
        return [entry["pathSuffix"] for entry in listing["FileStatuses"]["FileStatus"]]

    def read(self, path: str) -> bytes:
        return self._get(path, "OPEN")

    def _get(self, path: str, operation: str) -> bytes:
        url = f"{self._base}/{quote(path)}?op={operation}"
        try:
            with urlopen(url, timeout=_DEADLINE_SECONDS) as response:
                content: bytes = response.read()
                return content
        except HTTPError:
            raise
        except (URLError, OSError) as error:
            raise StreamingError(f"HDFS does not answer {url}: {error}") from None


def open_files(storage: StorageSettings) -> Files:
    """Return the files of a storage.

    Raises:
        StreamingError: it is neither a folder nor HDFS with a WebHDFS address.
    """
    parts = urlsplit(storage.url)
    if parts.scheme == "file":
        return LocalFiles(Path(parts.path))
    if storage.webhdfs_url:
        return WebHdfsFiles(storage.webhdfs_url, parts.path)
    raise StreamingError(f"the history at {storage.url} cannot be read here; set VPP_WEBHDFS_URL, or use a file:// URL")


def read_history(files: Files) -> pa.Table:
    """Return all readings of finished batches: `HISTORY_FIELDS`, among them `batch_id` from the folder's name."""
    commits = [int(name) for name in files.names(f"{CHECKPOINT_FOLDER}/commits") if name.isdecimal()]
    finished = max(commits, default=-1)
    folders = [name for name in files.names(HISTORY_FOLDER) if name.startswith(BATCH_FOLDER)]
    batches = sorted(number for name in folders if (number := int(name.removeprefix(BATCH_FOLDER))) <= finished)
    with ThreadPoolExecutor(4) as threads:
        tables = [table for parts in threads.map(lambda batch: list(_batch(files, batch)), batches) for table in parts]
    return pa.concat_tables(tables) if tables else HISTORY_FIELDS.empty_table()


def _batch(files: Files, batch: int) -> Iterator[pa.Table]:
    folder = f"{HISTORY_FOLDER}/{BATCH_FOLDER}{batch}"
    for name in files.names(folder):
        if name.endswith(".parquet"):
            stored = [field.name for field in HISTORY_FIELDS if field.name != "batch_id"]
            table = pq.read_table(io.BytesIO(files.read(f"{folder}/{name}")), columns=stored)
            yield table.append_column("batch_id", pa.repeat(pa.scalar(batch, pa.int64()), len(table))).cast(
                HISTORY_FIELDS
            )
