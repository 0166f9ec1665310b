"""The storage without Spark: a folder, or HDFS over WebHDFS with the standard library.

What folding and auditing the history need of a file system, and no more. Two promises carry everything above: a file
appears as a whole or not at all, and of several that create one name exactly one succeeds. Both are a rename here.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.settings import StorageSettings

_DEADLINE_SECONDS: Final = 30.0
_NOT_FOUND: Final = 404
_USER: Final = "vpp"
"""HDFS believes any name; the driver writes under this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or folder; `modified_ms` is by the storage's own clock, of a file: when its content was complete."""

    name: str
    size: int
    modified_ms: int


class _MissingError(StreamingError):
    """HDFS has nothing under a name."""


class Files(Protocol):
    """The little of a file system that is needed; paths are relative to the storage folder."""

    def entries(self, folder: str) -> list[Entry]:
        """Return what is in a folder, nothing if there is no such folder."""

    def read(self, path: str) -> bytes:
        """Return a file's content."""

    def fetch(self, path: str, target: Path) -> None:
        """Copy a file to this machine."""

    def put(self, path: str, source: Path) -> None:
        """Copy a file of this machine to a new name; it appears when it is complete, until then as `partial(path)`."""

    def create(self, path: str, content: bytes) -> bool:
        """Make a file that appears when it is complete; False, and no change, where there is one."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all in it; gone already is fine."""


class LocalFiles:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def entries(self, folder: str) -> list[Entry]:
        found = []
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in (self._root / folder).iterdir():
                with suppress(FileNotFoundError):
                    status = path.stat()
                    entry = Entry(name=path.name, size=status.st_size, modified_ms=status.st_mtime_ns // 1_000_000)
                    found.append(entry)
        return found

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def fetch(self, path: str, target: Path) -> None:
        shutil.copyfile(self._root / path, target)

    def put(self, path: str, source: Path) -> None:
        with source.open("rb") as content, self._complete(partial(path), content) as ready:
            ready.replace(self._root / path)

    def create(self, path: str, content: bytes) -> bool:
        with self._complete(_unique(path), BytesIO(content)) as ready:
            try:
                os.link(ready, self._root / path)
            except FileExistsError:
                return False
        return True

    def remove(self, path: str) -> None:
        target = self._root / path
        with suppress(FileNotFoundError):
            shutil.rmtree(target) if target.is_dir() else target.unlink()

    @contextmanager
    def _complete(self, path: str, content: IO[bytes]) -> Iterator[Path]:
        """Give a file that holds the content, on disk, as long as it is needed."""
        hidden = self._root / path
        hidden.parent.mkdir(parents=True, exist_ok=True)
        try:
            with hidden.open("wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            yield hidden
        finally:
            hidden.unlink(missing_ok=True)


class WebHdfsFiles:
    """A folder in HDFS, through the name node's HTTP port; contents go to and from the data nodes it names."""

    def __init__(self, webhdfs_url: str, root: str) -> None:
        self._root = root.rstrip("/")
        self._base = f"{webhdfs_url.rstrip('/')}/webhdfs/v1"

    def entries(self, folder: str) -> list[Entry]:
        try:
            listing = self._json("GET", folder, op="LISTSTATUS")
        except _MissingError:
            return []
        return [
            Entry(name=found["pathSuffix"], size=found["length"], modified_ms=found["modificationTime"])
            for found in listing["FileStatuses"]["FileStatus"]
        ]

    def read(self, path: str) -> bytes:
        with self._call("GET", self._url(path, op="OPEN")) as response:
            content: bytes = response.read()
        return content

    def fetch(self, path: str, target: Path) -> None:
        with self._call("GET", self._url(path, op="OPEN")) as response, target.open("wb") as file:
            shutil.copyfileobj(response, file, 1 << 20)

    def put(self, path: str, source: Path) -> None:
        with source.open("rb") as content:
            self._upload(partial(path), content, source.stat().st_size)
        if not self._rename(partial(path), path):
            raise StreamingError(f"HDFS does not give the complete file {partial(path)} the name {path}")

    def create(self, path: str, content: bytes) -> bool:
        hidden = _unique(path)
        self._upload(hidden, BytesIO(content), len(content))
        made = self._rename(hidden, path)
        if not made:
            self.remove(hidden)
        return made

    def remove(self, path: str) -> None:
        self._json("DELETE", path, op="DELETE", recursive="true")

    def _upload(self, path: str, content: IO[bytes], size: int) -> None:
        where = self._json("PUT", path, op="CREATE", overwrite="true", noredirect="true")["Location"]
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with self._call("PUT", where, content, headers):
            return

    def _rename(self, path: str, name: str) -> bool:
        """Rename a file; False where the name is taken."""
        return bool(self._json("PUT", path, op="RENAME", destination=f"{self._root}/{name}")["boolean"])

    def _json(self, method: str, path: str, **parameters: str) -> Any:
        with self._call(method, self._url(path, **parameters)) as response:
            return json.load(response)

    def _url(self, path: str, **parameters: str) -> str:
        return f"{self._base}{quote(f'{self._root}/{path}')}?{urlencode({**parameters, 'user.name': _USER})}"

    @contextmanager
    def _call(
        self, method: str, url: str, content: IO[bytes] | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        request = Request(url, content, headers or {}, method=method)
        try:
            with urlopen(request, timeout=_DEADLINE_SECONDS) as response:
                yield response
        except HTTPError as error:
            if error.code == _NOT_FOUND:
                raise _MissingError(f"HDFS has no {url}") from None
            text = error.read(1000).decode(errors="replace")
            raise StreamingError(f"HDFS answers {method} {url} with {error.code}: {text}") from None
        except (URLError, OSError, http.client.HTTPException) as error:
            raise StreamingError(f"HDFS does not answer {url}: {error}") from None


def partial(path: str) -> str:
    """Return where a file is that is not complete: beside it, under a name that readers pass over."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}"


def _unique(path: str) -> str:
    return f"{partial(path)}.{uuid.uuid4().hex[:8]}"


def can_open(storage: StorageSettings) -> bool:
    """Tell whether a storage can be reached without Spark."""
    return storage.url.startswith("file:") or bool(storage.webhdfs_url)


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
