"""Which images there are, what each is made from, and the name that follows from it."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vpplocal.errors import LocalError

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path("workloads/images")
REPOSITORY = "localhost"
SKIPPED_FOLDERS = {"__pycache__"}
SKIPPED_SUFFIXES = {".pyc", ".pyo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image: `seconds` is how long its build usually takes from nothing."""

    name: str
    seconds: int

    @property
    def containerfile(self) -> Path:
        """Relative to the checkout."""
        return FOLDER / self.name / "Containerfile"


IMAGES = (
    Image(name="vpp-rabbitmq", seconds=10),
    Image(name="vpp-influxdb", seconds=5),
    Image(name="vpp-hdfs", seconds=30),
    Image(name="vpp-operator", seconds=30),
    Image(name="vpp-edge", seconds=30),
    Image(name="vpp-spark", seconds=70),
    Image(name="vpp-nanogrid", seconds=35),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One COPY line: sources relative to the checkout, target inside the image."""

    sources: tuple[str, ...]
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A Containerfile, taken apart: what has to be built, and the code that is only copied on top of it."""

    built: str
    built_copies: tuple[Copy, ...]
    code_copies: tuple[Copy, ...]
    target: str | None
    """The stage to build when the code is added afterwards; None builds the last stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What an image is called: by version, and by the content it is made from."""

    version: str
    built: str
    content: str


def find(names: list[str]) -> list[Image]:
    """The images of these names, all of them when there are none; the `vpp-` may be left out."""
    by_name = {image.name: image for image in IMAGES}
    unknown = [name for name in names if name not in by_name and f"vpp-{name}" not in by_name]
    if unknown:
        raise LocalError(f"there is no image {', '.join(unknown)}; the images are {', '.join(by_name)}")
    return [by_name.get(name) or by_name[f"vpp-{name}"] for name in names] or list(IMAGES)


def version() -> str:
    """The project's version, which is every image's tag."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def recipe(image: Image) -> Recipe:
    """Take a Containerfile apart. Its last stage counts as code when it only copies from the checkout."""
    text = (ROOT / image.containerfile).read_text()
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip() and not line.startswith("#")]
    last = max(index for index, line in enumerate(lines) if line.upper().startswith("FROM "))
    base = lines[last].split()[1]
    stages = {line.split()[3] for line in lines[:last] if re.match(r"FROM \S+ AS \S+$", line, re.IGNORECASE)}
    only_code = base in stages and all(re.match(r"COPY [^-]", line) for line in lines[last + 1 :])
    built = lines[:last] if only_code else lines
    return Recipe(
        built="\n".join(built),
        built_copies=tuple(_copies(built)),
        code_copies=tuple(_copies(lines[last:])) if only_code else (),
        target=base if only_code else None,
    )


def files(copy: Copy) -> Iterator[tuple[str, Path]]:
    """The files that a COPY line brings, as (path inside the image, path on this machine), in a stable order."""
    for source in copy.sources:
        path = ROOT / source
        if path.is_file():
            yield (copy.target + path.name if copy.target.endswith("/") else copy.target), path
        elif path.is_dir():
            for file in sorted(path.rglob("*")):
                parts = file.relative_to(path).parts
                if file.is_file() and not SKIPPED_FOLDERS.intersection(parts) and file.suffix not in SKIPPED_SUFFIXES:
                    yield f"{copy.target.rstrip('/')}/{'/'.join(parts)}", file
        else:
            raise LocalError(f"{source} is copied into an image, but this checkout has no such file or folder")


def names(image: Image, inputs: dict[str, str]) -> Names:
    """Name an image by its content: Containerfile, copied files and build arguments."""
    parts = recipe(image)
    built = hashlib.sha256()
    built.update(parts.built.encode())
    built.update(repr(sorted(inputs.items())).encode())
    _add_files(built, parts.built_copies)
    content = built.copy()
    _add_files(content, parts.code_copies)
    return Names(version=version(), built=built.hexdigest()[:12], content=content.hexdigest()[:8])


def reference(image: Image, named: Names, repository: str = REPOSITORY) -> str:
    """The full name of an image, with the tag that changes whenever its content does."""
    return f"{repository}/{image.name}:{named.version}-{named.content}"


def _copies(lines: list[str]) -> Iterator[Copy]:
    for line in lines:
        words = line.split()
        if words[0].upper() != "COPY" or any(word.startswith("--from=") for word in words):
            continue
        paths = [word for word in words[1:] if not word.startswith("--")]
        yield Copy(sources=tuple(paths[:-1]), target=paths[-1])


def _add_files(digest: "hashlib._Hash", copies: tuple[Copy, ...]) -> None:
    for copy in copies:
        for target, path in files(copy):
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"{target}\0{executable}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
