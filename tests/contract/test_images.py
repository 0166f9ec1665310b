"""What every image promises: no root, no build tools, shared layers, pinned and hashed packages with free licences."""

import importlib.metadata
import re
from pathlib import Path

import pytest

from vppimages import catalogue
from vppimages.catalogue import IMAGES, ROOT, Image

PYTHON_IMAGES = [image for image in IMAGES if (ROOT / catalogue.FOLDER / image.name / "requirements.txt").is_file()]
LOCKS = [ROOT / "hack/requirements/dev.txt"] + [
    ROOT / catalogue.FOLDER / image.name / "requirements.txt" for image in PYTHON_IMAGES
]
BASE = "ARG BASE=docker.io/library/debian:trixie-slim"


def stages(image: Image) -> dict[str, list[str]]:
    """The instructions of each stage by its name; the last stage is called `final`."""
    text = re.sub(r"\\\n", " ", (ROOT / image.containerfile).read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line.startswith("FROM "):
            words = line.split()
            current = found.setdefault(words[3] if len(words) == 4 else "final", [line])
        elif line != BASE:
            current.append(line)
    return found


def ancestry(found: dict[str, list[str]]) -> list[str]:
    """The instructions that end up in the image: the final stage's and those of the stages it stands on."""
    lines: list[str] = []
    name = "final"
    while name in found:
        lines = found[name][1:] + lines
        name = found[name][0].split()[1]
    return lines


def by_name(image: Image) -> str:
    return image.name


def test_every_containerfile_is_in_the_catalogue() -> None:
    folders = {path.parent.name for path in (ROOT / catalogue.FOLDER).glob("*/Containerfile")}
    assert folders == {image.name for image in IMAGES}


@pytest.mark.parametrize("image", IMAGES, ids=by_name)
def test_official_base_by_default_and_another_by_argument(image: Image) -> None:
    assert BASE in (ROOT / image.containerfile).read_text().splitlines()
    assert stages(image)
    assert any(instructions[0].split()[1] == "${BASE}" for instructions in stages(image).values())


@pytest.mark.parametrize("image", IMAGES, ids=by_name)
def test_runs_as_user_10001(image: Image) -> None:
    users = [line for line in ancestry(stages(image)) if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]


@pytest.mark.parametrize("image", IMAGES, ids=by_name)
def test_no_build_tools_are_left_in(image: Image) -> None:
    installed = " ".join(line for line in ancestry(stages(image)) if line.startswith("RUN "))
    for tool in ("pip", "python3-venv", "maven", "gcc", "build-essential", "jdk", "curl", "git "):
        assert tool not in installed.replace("openjdk-21-jre-headless", "java"), f"{tool} stays in {image.name}"


@pytest.mark.parametrize("image", IMAGES, ids=by_name)
def test_package_lists_and_caches_are_not_kept(image: Image) -> None:
    for line in ancestry(stages(image)):
        if "apt-get update" in line:
            assert "--mount=type=tmpfs,target=/var/lib/apt/lists" in line
            assert "--mount=type=tmpfs,target=/var/cache" in line


@pytest.mark.parametrize("image", PYTHON_IMAGES, ids=by_name)
def test_code_is_the_last_layer_and_only_copied(image: Image) -> None:
    assert catalogue.recipe(image).target == "runtime"
    assert catalogue.recipe(image).code_copies
    assert not any("/opt/vpp" in copy.target for copy in catalogue.recipe(image).built_copies)


@pytest.mark.parametrize(
    ("stage", "names"),
    [("java", ("vpp-hdfs", "vpp-spark")), ("python", ("vpp-operator", "vpp-edge", "vpp-nanogrid"))],
)
def test_shared_layers_are_the_same_word_for_word(stage: str, names: tuple[str, ...]) -> None:
    texts = {tuple(stages(image)[stage]) for image in IMAGES if image.name in names}
    assert len(texts) == 1


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.parent.name)
def test_lock_is_pinned_and_hashed_and_names_no_index(lock: Path) -> None:
    text = re.sub(r"\\\n", " ", lock.read_text())
    requirements = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert requirements
    for line in requirements:
        assert re.match(r"[a-z0-9._-]+==\S+( ; [^#]+?)?\s+(--hash=sha256:[0-9a-f]{64}\s*)+$", line), line
    assert "://" not in text


@pytest.mark.parametrize("image", PYTHON_IMAGES, ids=by_name)
def test_extra_of_the_image_is_what_its_lock_was_made_from(image: Image) -> None:
    lock = (ROOT / catalogue.FOLDER / image.name / "requirements.txt").read_text()
    assert lock.startswith(f"# Made by hack/lock.py from the extra `{image.name.removeprefix('vpp-')}`")


def test_development_tests_the_versions_that_the_images_run() -> None:
    development = versions(LOCKS[0])
    for image in PYTHON_IMAGES:
        if image.name == "vpp-nanogrid":
            continue
        for package, pinned in versions(ROOT / catalogue.FOLDER / image.name / "requirements.txt").items():
            assert development[package] == pinned, f"{package} in {image.name}"


def test_no_python_package_in_an_image_is_under_the_gpl() -> None:
    shipped = {package for lock in LOCKS[1:] for package in versions(lock)}
    for package in sorted(shipped):
        try:
            metadata = importlib.metadata.metadata(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform, or of an image that development does not install
        licences = [*(metadata.get_all("License-Expression") or []), *(metadata.get_all("License") or [])]
        licences = [licence.split("\n")[0] for licence in licences]
        licences += [entry for entry in metadata.get_all("Classifier") or [] if entry.startswith("License ::")]
        assert not re.search(r"(?<!L)(?<!Lesser )\bA?GPL|General Public License", "; ".join(licences)), package


def versions(lock: Path) -> dict[str, set[str]]:
    """Package -> its pinned versions (more than one where they depend on the Python)."""
    found: dict[str, set[str]] = {}
    for match in re.finditer(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(match[1], set()).add(match[2])
    return found


def test_hdfs_jars_have_a_checksum_each() -> None:
    lines = (ROOT / catalogue.FOLDER / "vpp-hdfs" / "jars.sha256").read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  \S+\.jar", line) for line in lines)
    version = re.search(r"<hadoop.version>(.+)<", (ROOT / catalogue.FOLDER / "vpp-hdfs" / "pom.xml").read_text())
    assert version is not None
    assert f"hadoop-hdfs-{version[1]}.jar" in {line.split()[1] for line in lines}
