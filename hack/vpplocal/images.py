"""The base image of every image here, the node's own images, and bringing images into the node."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

from vpplocal import node
from vpplocal.cache import build_lock, cache_folder, require_free_disk
from vpplocal.errors import LocalError
from vpplocal.instance import Instance
from vpplocal.plan import PAUSE_IMAGE
from vpplocal.progress import run_long
from vpplocal.toolchain import recipe_hash, toolchain_binary

BASE_IMAGE = "localhost/vpp-base:trixie"
COREDNS_IMAGE = "localhost/vpp-coredns:1"
PROVISIONER_IMAGE = "localhost/vpp-local-path-provisioner:1"
PROMETHEUS_IMAGE = "localhost/vpp-prometheus:1"


def ensure_base_image() -> str:
    """Make the Debian base that every image starts from, where buildah has none; return its name.

    Raises:
        LocalError: mmdebstrap failed.
    """
    if _exists(BASE_IMAGE):
        return BASE_IMAGE
    with build_lock("base-image"):
        if _exists(BASE_IMAGE):
            return BASE_IMAGE
        require_free_disk(cache_folder(), 4)
        archive = cache_folder() / "base-trixie.tar"
        if not archive.exists():
            part = archive.with_suffix(".part.tar")
            run_long(
                "base image: Debian trixie",
                ("mmdebstrap", "--variant=minbase", "--include=ca-certificates", "trixie", str(part), *_mirrors()),
                log=cache_folder() / "logs" / "base-image.log",
                usual_seconds=20,
                advice="check that Debian's mirrors can be reached",
            )
            part.rename(archive)
        container = _buildah("from", "scratch")
        try:
            _buildah("add", "--quiet", container, str(archive), "/")
            _buildah("config", "--cmd", "bash", container)
            _buildah("commit", "--quiet", container, BASE_IMAGE)
        finally:
            _buildah("rm", container)
    return BASE_IMAGE


def _mirrors() -> list[str]:
    """Return the machine's own Debian mirror as mmdebstrap takes it, so that a local mirror is used here too."""
    found: list[str] = []
    for file in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        if not file.is_file():
            continue
        text = file.read_text(errors="replace")
        found += re.findall(r"^URIs:\s*(\S+)", text, flags=re.MULTILINE)
        found += re.findall(r"^deb\s+(?:\[[^\]]*\]\s*)?(\S+)", text, flags=re.MULTILINE)
    mirror = next((url for url in found if re.search(r"/debian/?$", url)), None)
    return [mirror] if mirror else []


def _exists(reference: str) -> bool:
    done = subprocess.run(
        ("buildah", "inspect", "--type=image", reference), capture_output=True, timeout=60, check=False
    )
    return done.returncode == 0


def _buildah(*args: str) -> str:
    done = subprocess.run(("buildah", *args), capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise LocalError(f"`buildah {' '.join(args)}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def node_image_archives() -> dict[str, Path]:
    """Return an archive for each image the node itself needs, by image name; built once for each version.

    Raises:
        LocalError: a build failed.
    """
    binaries = {
        COREDNS_IMAGE: ("coredns", "/coredns"),
        PROVISIONER_IMAGE: ("local-path-provisioner", "/local-path-provisioner"),
    }
    archives = {
        PAUSE_IMAGE: _archive(PAUSE_IMAGE, "1", Path("/usr/bin/catatonit"), "/pause", ("/pause", "-P")),
        PROMETHEUS_IMAGE: _prometheus_archive(),
        BASE_IMAGE: _exported(BASE_IMAGE, "trixie"),
    }
    for image, (name, target) in binaries.items():
        archives[image] = _archive(image, recipe_hash(name), toolchain_binary(name), target, (target,))
    return archives


def _archive_path(image: str, version: str) -> Path:
    name = image.removeprefix("localhost/").replace(":", "-")
    return cache_folder() / "node-images" / f"{name}-{version}.tar"


def _archive(image: str, version: str, source: Path, target: str, entrypoint: tuple[str, ...]) -> Path:
    if _archive_path(image, version).exists():
        return _archive_path(image, version)
    container = _buildah("from", ensure_base_image())
    try:
        _buildah("copy", "--quiet", container, str(source), target)
        _buildah("config", "--entrypoint", json.dumps(entrypoint), "--cmd", "", container)
        _buildah("commit", "--quiet", container, image)
    finally:
        _buildah("rm", container)
    return _exported(image, version)


def _prometheus_archive() -> Path:
    path = _archive_path(PROMETHEUS_IMAGE, "trixie")
    if path.exists():
        return path
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "Containerfile"
        file.write_text(
            f"FROM {ensure_base_image()}\n"
            "RUN apt-get update && apt-get install -y --no-install-recommends prometheus && apt-get clean "
            "&& rm -rf /var/lib/apt/lists/*\n"
            'USER 65534:65534\nENTRYPOINT ["/usr/bin/prometheus"]\n'
        )
        run_long(
            "image: prometheus",
            ("buildah", "bud", "--isolation=chroot", "--tag", PROMETHEUS_IMAGE, "--file", str(file), folder),
            log=cache_folder() / "logs" / "prometheus-image.log",
            usual_seconds=20,
            advice="check that Debian's mirrors can be reached",
        )
    return _exported(PROMETHEUS_IMAGE, "trixie")


def _exported(image: str, version: str) -> Path:
    path = _archive_path(image, version)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        _buildah("push", "--quiet", image, f"docker-archive:{part}:{image}")
        part.rename(path)
    return path


def load_image(archive: Path, reference: str, instance: Instance | None = None) -> bool:
    """Import an image archive into the node; False where the node has that image from that archive already.

    Raises:
        LocalError: the node does not run, or the import failed.
    """
    target = instance or node.current()
    if target is None:
        raise LocalError("there is no local node for this checkout; start it with `make up`")
    stamp = target.state / "loaded" / reference.replace("/", "_")
    mark = f"{archive.name} {archive.stat().st_size} {archive.stat().st_mtime_ns}"
    if stamp.exists() and stamp.read_text() == mark:
        return False
    command = node.inside(target, "ctr", "--namespace=k8s.io", "images", "import", str(archive))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise LocalError(f"importing {archive.name} into the node failed: {done.stderr.strip()}")
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(mark)
    return True
