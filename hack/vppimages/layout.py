"""The image cache: one folder of blobs named by digest, shared by all images and all checkouts of a user.

An image is a record (its manifest's digest) beside the blobs. Layers are kept as they are unpacked: a cluster on the
same machine takes them without decompressing, and layers that images share are there once.
"""

import hashlib
import io
import json
import os
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from vppimages.catalogue import Copy, files

Json = dict[str, Any]
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
RECORDS_KEPT = 4
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An image in the cache: its manifest and the digests of everything it consists of, manifest included."""

    digest: str
    manifest: Json

    @property
    def digests(self) -> list[str]:
        return [self.digest, self.manifest["config"]["digest"], *(layer["digest"] for layer in self.manifest["layers"])]

    @property
    def layer_bytes(self) -> int:
        return sum(int(layer["size"]) for layer in self.manifest["layers"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The cache folder."""

    folder: Path

    def blob(self, digest: str) -> Path:
        """Where the blob of a digest (`sha256:...`) lies."""
        return self.folder / "blobs" / digest.removeprefix("sha256:")

    def find(self, name: str, key: str) -> Stored | None:
        """The image recorded under a name and key, if the cache has all of it."""
        record = self.folder / f"{name}-{key}.json"
        if not record.is_file():
            return None
        digest = json.loads(record.read_text())["digest"]
        if not self.blob(digest).is_file():
            return None
        stored = Stored(digest=digest, manifest=json.loads(self.blob(digest).read_bytes()))
        if not all(self.blob(part).is_file() for part in stored.digests):
            return None
        os.utime(record)
        return stored

    def record(self, name: str, key: str, digest: str) -> None:
        """Note an image under a name and key, and forget the oldest ones of that name."""
        record = self.folder / f"{name}-{key}.json"
        partial = record.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps({"digest": digest}) + "\n")
        partial.rename(record)
        same_name = [path for path in self.folder.glob(f"{name}-*.json") if path.stem.rpartition("-")[0] == name]
        for old in sorted(same_name, key=lambda path: path.stat().st_mtime, reverse=True)[RECORDS_KEPT:]:
            old.unlink(missing_ok=True)

    def add_blob(self, content: bytes) -> str:
        """Store bytes and return their digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        target = self.blob(digest)
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
            partial.write_bytes(content)
            partial.rename(target)
        return digest

    def take_folder(self, exported: Path) -> Stored:
        """Move an image that a builder exported into a folder (files named by digest) into the cache."""
        manifest = exported / "manifest.json"
        digest = self.add_blob(manifest.read_bytes())
        stored = Stored(digest=digest, manifest=json.loads(manifest.read_text()))
        for part in stored.digests[1:]:
            target = self.blob(part)
            if not target.is_file():
                (exported / part.removeprefix("sha256:")).rename(target)
        return stored

    def add_code(self, built: Stored, copies: tuple[Copy, ...]) -> Stored:
        """Put one layer of copied files on top of an image."""
        layer = code_layer(copies)
        digest = self.add_blob(layer)
        config: Json = json.loads(self.blob(built.manifest["config"]["digest"]).read_bytes())
        config["rootfs"]["diff_ids"].append(digest)
        config.setdefault("history", []).append({"created_by": "COPY code"})
        encoded = json.dumps(config, sort_keys=True).encode()
        manifest = dict(built.manifest)
        manifest["config"] = {"mediaType": CONFIG_TYPE, "digest": self.add_blob(encoded), "size": len(encoded)}
        manifest["layers"] = [*manifest["layers"], {"mediaType": LAYER_TYPE, "digest": digest, "size": len(layer)}]
        return Stored(digest=self.add_blob(json.dumps(manifest, sort_keys=True).encode()), manifest=manifest)

    def sweep(self) -> None:
        """Remove blobs that no record needs; young ones stay, another checkout may be about to record them."""
        needed: set[str] = set()
        for record in self.folder.glob("*.json"):
            digest = json.loads(record.read_text())["digest"]
            if self.blob(digest).is_file():
                needed.update(Stored(digest=digest, manifest=json.loads(self.blob(digest).read_bytes())).digests)
        for blob in (self.folder / "blobs").glob("*"):
            if f"sha256:{blob.name}" not in needed and time.time() - blob.stat().st_mtime > 3600:
                blob.unlink(missing_ok=True)

    def archive(self, images: Iterable[tuple[str, Stored]], present: set[str], output: IO[bytes]) -> int:
        """Write named images as an OCI archive, without the blobs the receiver has; returns the bytes of its blobs."""
        entries: list[Json] = []
        wanted: dict[str, None] = {}
        for reference, stored in images:
            size = self.blob(stored.digest).stat().st_size
            annotations = {
                "io.containerd.image.name": reference,
                "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
            }
            entries.append(
                {"mediaType": MANIFEST_TYPE, "digest": stored.digest, "size": size, "annotations": annotations}
            )
            wanted.update(dict.fromkeys(stored.digests))
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        written = 0
        with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK_BYTES) as archive:
            _add_bytes(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            for digest in wanted:
                if digest in present:
                    continue
                path = self.blob(digest)
                with path.open("rb") as blob:
                    entry = tarfile.TarInfo(f"blobs/sha256/{path.name}")
                    entry.size = path.stat().st_size
                    archive.addfile(entry, blob)
                written += entry.size
            _add_bytes(archive, "index.json", json.dumps(index).encode())
        return written


def code_layer(copies: tuple[Copy, ...]) -> bytes:
    """The tar of a layer: the copied files, the same bytes on every machine and at every time."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as layer:
        content = {target.lstrip("/"): path for copy in copies for target, path in files(copy)}
        for folder in sorted(set(_parents(content))):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            layer.addfile(entry)
        for target, path in sorted(content.items()):
            _add_bytes(layer, target, path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)
    return output.getvalue()


def _parents(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            yield "/".join(parts[:depth])


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
