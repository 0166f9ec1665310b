"""Brings built images to a cluster: the local node, a kind cluster, or a registry that any other cluster pulls from.

The local node gets only the layers it does not have, so a change of code costs one small layer.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from vppimages.build import Built, layout
from vppimages.catalogue import REPOSITORY, reference
from vppimages.layout import Stored
from vpplocal.errors import LocalError

Command = Callable[..., Sequence[str]]
DEADLINE_SECONDS = 600


def version_reference(one: Built, repository: str = REPOSITORY) -> str:
    """The name by version alone, which manifests and charts use by default."""
    return f"{repository}/{one.image.name}:{one.names.version}"


def load_node(images: list[Built], ctr: Command) -> int:
    """Import images into a containerd; `ctr(*arguments)` gives its command line. Returns the bytes sent.

    Raises:
        LocalError: containerd refused the images.
    """
    present = set(_run(ctr("content", "ls", "--quiet")).split())
    tagged = _tagged(_run(ctr("images", "ls")))
    missing: list[tuple[str, Stored]] = []
    for one in images:
        if one.stored is None:
            raise LocalError(f"{one.reference} was built with Docker; the local node takes images built with buildah")
        stored = one.stored
        references = (one.reference, version_reference(one))
        missing.extend((name, stored) for name in references if tagged.get(name) != stored.digest)
    if not missing:
        return 0
    with subprocess.Popen(
        ctr("images", "import", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdin is not None
        try:
            sent = layout().archive(missing, present, process.stdin)
            output, _ = process.communicate(timeout=DEADLINE_SECONDS)
        except BrokenPipeError:
            output, _ = process.communicate(timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise LocalError(f"the node did not take the images within {DEADLINE_SECONDS} s; try again") from None
    if process.returncode != 0:
        raise LocalError(f"the node refused the images: {output.decode(errors='replace').strip()[-300:]}")
    return sent


def load_kind(images: list[Built], cluster: str) -> None:
    """Load images into every node of a kind cluster."""
    from_docker = [one.reference for one in images if one.stored is None]
    if from_docker:
        for one in images:
            _run(["docker", "tag", one.reference, version_reference(one)])
        names = [*from_docker, *(version_reference(one) for one in images)]
        _run(["kind", "load", "docker-image", "--name", cluster, *names])
    stored = [one for one in images if one.stored is not None]
    if stored:
        with tempfile.TemporaryDirectory() as folder:
            archive = write_archive(stored, Path(folder) / "images.tar")
            _run(["kind", "load", "image-archive", "--name", cluster, str(archive)])


def push(images: list[Built], registry: str, transport: str = "docker://") -> list[str]:
    """Push images to a registry, by content and by version, and return the names to pull them by."""
    pushed: list[str] = []
    repository = registry.rstrip("/")
    for one in images:
        targets = [reference(one.image, one.names, repository), version_reference(one, repository)]
        if one.stored is None:
            for target in targets:
                _run(["docker", "tag", one.reference, target])
                _run(["docker", "push", target])
        else:
            with tempfile.TemporaryDirectory() as folder:
                archive = Path(folder) / "image.tar"
                with archive.open("wb") as output:
                    layout().archive([(targets[0], one.stored)], set(), output)
                pulled = _run(["buildah", "pull", "--quiet", f"oci-archive:{archive}"]).split()[-1]
                for target in targets:
                    _run(["buildah", "push", "--quiet", pulled, f"{transport}{target}"])
        pushed += targets
    return pushed


def write_archive(images: list[Built], path: Path) -> Path:
    """Write images as one complete OCI archive."""
    named = [(name, one.stored) for one in images if one.stored for name in (one.reference, version_reference(one))]
    with path.open("wb") as output:
        layout().archive(named, set(), output)
    return path


def _tagged(listing: str) -> dict[str, str]:
    """Image name -> digest, from what `ctr images ls` prints."""
    rows = (line.split() for line in listing.splitlines()[1:])
    return {row[0]: next((word for word in row if word.startswith("sha256:")), "") for row in rows if row}


def _run(command: Sequence[str]) -> str:
    environ = {**os.environ, "LC_ALL": "C"}
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False, env=environ
        )
    except FileNotFoundError:
        raise LocalError(f"{command[0]} is not installed, and loading the images needs it") from None
    except subprocess.TimeoutExpired:
        raise LocalError(f"{' '.join(command[:3])} did not finish within {DEADLINE_SECONDS} s; try again") from None
    if run.returncode != 0:
        raise LocalError(f"{' '.join(command[:3])} failed: {(run.stderr or run.stdout).strip()[-300:]}")
    return run.stdout
