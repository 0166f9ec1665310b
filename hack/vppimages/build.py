"""Builds images with buildah, or with Docker where its engine answers."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vppimages import buildhost
from vppimages.catalogue import ROOT, Image, Names, names, recipe, reference
from vppimages.layout import Layout, Stored
from vpplocal.cache import build_lock, cache_folder, require_free_disk
from vpplocal.errors import LocalError
from vpplocal.images import BASE_IMAGE, ensure_base_image
from vpplocal.packages import image_packages, install_missing, require_root
from vpplocal.progress import run_long
from vpplocal.toolchain import recipe_hash, toolchain_binary

DISK_GIB = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image that is ready: in the cache, or in Docker's own store when `stored` is None."""

    image: Image
    names: Names
    stored: Stored | None

    @property
    def reference(self) -> str:
        return reference(self.image, self.names)


def layout() -> Layout:
    """The cache of this user's images."""
    return Layout(folder=cache_folder() / "images")


def uses_docker() -> bool:
    """Whether images are built with Docker, from the official bases.

    The local node takes only what buildah makes; kind, clusters of the user's and registries take both.
    """
    elsewhere = os.environ.get("CONTEXT") or os.environ.get("REGISTRY") or shutil.which("kind")
    if shutil.which("docker") is None or not elsewhere:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def named(image: Image, *, docker: bool) -> Names:
    """The names an image has, given who builds it."""
    return names(image, {} if docker else _inputs(image))


def build(image: Image, *, docker: bool, force: bool = False) -> Built:
    """Build one image unless it is there.

    Raises:
        LocalError: a tool is missing, the disk is too small, or the build failed.
    """
    its = named(image, docker=docker)
    if docker:
        return _build_with_docker(image, its, force)
    store = layout()
    found = None if force else store.find(image.name, its.content)
    if found is None:
        with build_lock("images"):
            lower = None if force else store.find(f"{image.name}-built", its.built)
            if lower is None:
                lower = _build_with_buildah(image, store, force)
                store.record(f"{image.name}-built", its.built, lower.digest)
            copies = recipe(image).code_copies
            found = store.add_code(lower, copies) if copies else lower
            while (now := named(image, docker=docker)) != its:  # edited meanwhile: the name must be that of the content
                if now.built != its.built:
                    raise LocalError(
                        f"what {image.name} is built from changed during the build; type the command again"
                    )
                its, found = now, store.add_code(lower, copies)
            store.record(image.name, its.content, found.digest)
            store.sweep()
    return Built(image=image, names=its, stored=found)


def _inputs(image: Image) -> dict[str, str]:
    """The build arguments that name this machine's own images, as they enter the content's name."""
    inputs = {"BASE": BASE_IMAGE}
    if image.name == "vpp-influxdb":
        inputs["INFLUXD_IMAGE"] = f"localhost/vpp-influxd-binary:{recipe_hash('influxd')}"
    return inputs


def _build_with_buildah(image: Image, store: Layout, force: bool) -> Stored:
    require_root("building images without Docker")
    install_missing(image_packages())
    require_free_disk(store.folder, DISK_GIB)
    arguments = _inputs(image)
    ensure_base_image()
    if "INFLUXD_IMAGE" in arguments:
        _image_of_file(arguments["INFLUXD_IMAGE"], toolchain_binary("influxd"))
    tag = f"localhost/{image.name}-built"
    command = ["buildah", "bud", "--isolation", "chroot", "--layers", "--format", "oci", "--pull-never", "--tag", tag]
    command += ["--file", str(image.containerfile)]
    for source in buildhost.volumes(cache_folder() / "build-host"):
        command += ["--volume", source]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    if force:
        command.append("--no-cache")
    target = recipe(image).target
    if target is not None:
        command += ["--target", target]
    log = cache_folder() / "logs" / f"image-{image.name}.log"
    advice = "check that the package registries can be reached and type the same command again: finished steps are kept"
    run_long(
        f"building image {image.name}",
        [*command, "."],
        log=log,
        usual_seconds=image.seconds,
        timeout_seconds=3600,
        cwd=ROOT,
        advice=advice,
    )
    store.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.folder) as exported:
        _buildah("push", "--quiet", "--disable-compression", "--format", "oci", tag, f"dir:{exported}")
        return store.take_folder(Path(exported))


def _image_of_file(tag: str, file: Path) -> None:
    """Make an image that holds one program at /usr/local/bin, for a Containerfile to copy from."""
    if (
        subprocess.run(
            ["buildah", "inspect", "--type", "image", tag], capture_output=True, timeout=60, check=False
        ).returncode
        == 0
    ):
        return
    container = _buildah("from", "scratch")
    try:
        _buildah("copy", "--chmod", "755", container, str(file), f"/usr/local/bin/{file.name}")
        _buildah("commit", "--quiet", container, tag)
    finally:
        _buildah("rm", container)


def _buildah(*arguments: str) -> str:
    run = subprocess.run(["buildah", *arguments], capture_output=True, text=True, timeout=900, check=False)
    if run.returncode != 0:
        raise LocalError(f"buildah {arguments[0]} failed: {run.stderr.strip()[-300:]}")
    return run.stdout.strip()


def _build_with_docker(image: Image, its: Names, force: bool) -> Built:
    built = Built(image=image, names=its, stored=None)
    present = subprocess.run(
        ["docker", "image", "inspect", built.reference], capture_output=True, timeout=60, check=False
    )
    if present.returncode != 0 or force:
        run_long(
            f"building image {image.name}",
            [
                "docker",
                "build",
                *(["--no-cache"] if force else []),
                "--tag",
                built.reference,
                "--file",
                str(image.containerfile),
                ".",
            ],
            log=cache_folder() / "logs" / f"image-{image.name}.log",
            usual_seconds=image.seconds,
            timeout_seconds=3600,
            cwd=ROOT,
            advice="check that Docker can pull the base images and type the same command again",
        )
    return built


def sizes(built: list[Built]) -> list[dict[str, object]]:
    """For each image the size of its layers, and how much of that no earlier image in the list brought already."""
    seen: set[str] = set()
    rows: list[dict[str, object]] = []
    for one in built:
        if one.stored is None:
            continue
        own = sum(int(layer["size"]) for layer in one.stored.manifest["layers"] if layer["digest"] not in seen)
        seen.update(layer["digest"] for layer in one.stored.manifest["layers"])
        rows.append({"image": one.image.name, "bytes": one.stored.layer_bytes, "added_bytes": own})
    return rows


def describe(one: Built, store: Layout) -> dict[str, object]:
    """What the cache knows of an image: its user, command and environment."""
    if one.stored is None:
        raise LocalError(f"{one.reference} is in Docker's store, not in the cache; use docker image inspect")
    config = json.loads(store.blob(one.stored.manifest["config"]["digest"]).read_bytes())
    described: dict[str, object] = config["config"]
    return described
