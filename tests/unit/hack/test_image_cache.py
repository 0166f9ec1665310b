"""Images named by content, code added as a layer, and archives with only what the receiver lacks."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from vppimages import catalogue, layout
from vppimages.catalogue import Copy, Image
from vppimages.layout import Layout, Stored
from vpplocal.errors import LocalError

IMAGE = Image(name="vpp-edge", seconds=1)
CONTAINERFILE = """\
ARG BASE=docker.io/library/debian:trixie-slim
FROM ${BASE} AS runtime
COPY workloads/images/vpp-edge/requirements.txt /build/
RUN install \\
    it

# The code.
FROM runtime
COPY workloads/vpp_contract /opt/vpp/vpp_contract
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout with one image."""
    root = tmp_path / "checkout"
    (root / "workloads/images/vpp-edge").mkdir(parents=True)
    (root / "workloads/vpp_contract").mkdir()
    (root / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (root / "workloads/images/vpp-edge/Containerfile").write_text(CONTAINERFILE)
    (root / "workloads/images/vpp-edge/requirements.txt").write_text("pika==1\n")
    (root / "workloads/vpp_contract/__init__.py").write_text("")
    (root / "workloads/vpp_contract/names.py").write_text("A = 1\n")
    monkeypatch.setattr(catalogue, "ROOT", root)
    return root


def names() -> catalogue.Names:
    return catalogue.names(IMAGE, {"BASE": "base"})


def test_code_changes_the_content_but_not_what_has_to_be_built(checkout: Path) -> None:
    before = names()
    (checkout / "workloads/vpp_contract/names.py").write_text("A = 2\n")
    assert names().built == before.built
    assert names().content != before.content


def test_requirements_change_what_has_to_be_built(checkout: Path) -> None:
    before = names()
    (checkout / "workloads/images/vpp-edge/requirements.txt").write_text("pika==2\n")
    assert names().built != before.built


def test_compiled_files_and_times_change_nothing(checkout: Path) -> None:
    before = names()
    (checkout / "workloads/vpp_contract/__pycache__").mkdir()
    (checkout / "workloads/vpp_contract/__pycache__/names.cpython-311.pyc").write_bytes(b"x")
    os.utime(checkout / "workloads/vpp_contract/names.py", (0, 0))
    assert names() == before


def test_a_build_argument_changes_the_name(checkout: Path) -> None:
    assert catalogue.names(IMAGE, {"BASE": "another"}).content != names().content


def test_the_reference_carries_version_and_content(checkout: Path) -> None:
    assert catalogue.reference(IMAGE, names()) == f"localhost/vpp-edge:1.2.3-{names().content}"


def test_a_missing_source_is_named(checkout: Path) -> None:
    (checkout / "workloads/images/vpp-edge/requirements.txt").unlink()
    with pytest.raises(LocalError, match=r"workloads/images/vpp-edge/requirements.txt is copied into an image"):
        names()


def test_an_unknown_image_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LocalError, match="there is no image vpp-toaster; the images are vpp-rabbitmq, "):
        catalogue.find(["vpp-toaster"])


def test_a_last_stage_that_runs_something_is_built(checkout: Path) -> None:
    (checkout / "workloads/images/vpp-edge/Containerfile").write_text(CONTAINERFILE + "RUN more\n")
    recipe = catalogue.recipe(IMAGE)
    assert recipe.target is None
    assert recipe.code_copies == ()


def put(store: Layout, content: bytes) -> dict[str, object]:
    return {"digest": store.add_blob(content), "size": len(content)}


def image(store: Layout) -> Stored:
    """An image of one layer in the cache."""
    layer = put(store, b"lower")
    config = put(store, json.dumps({"rootfs": {"diff_ids": [layer["digest"]]}, "config": {}}).encode())
    manifest = {"schemaVersion": 2, "config": config, "layers": [layer]}
    return Stored(digest=store.add_blob(json.dumps(manifest).encode()), manifest=manifest)


def test_code_becomes_one_layer_with_plain_modes(checkout: Path, tmp_path: Path) -> None:
    store = Layout(folder=tmp_path / "cache")
    lower = image(store)
    (checkout / "workloads/vpp_contract/names.py").chmod(0o600)
    upper = store.add_code(lower, catalogue.recipe(IMAGE).code_copies)
    assert upper.manifest["layers"][0] == lower.manifest["layers"][0]
    config = json.loads(store.blob(upper.manifest["config"]["digest"]).read_bytes())
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in upper.manifest["layers"]]
    with tarfile.open(store.blob(upper.manifest["layers"][1]["digest"])) as layer:
        modes = {entry.name: oct(entry.mode) for entry in layer}
    assert modes == {
        "opt": "0o755",
        "opt/vpp": "0o755",
        "opt/vpp/vpp_contract": "0o755",
        "opt/vpp/vpp_contract/__init__.py": "0o644",
        "opt/vpp/vpp_contract/names.py": "0o644",
    }


def test_the_same_code_gives_the_same_layer(checkout: Path) -> None:
    copies = (Copy(sources=("workloads/vpp_contract",), target="/opt"),)
    first = layout.code_layer(copies)
    os.utime(checkout / "workloads/vpp_contract/names.py", (0, 0))
    assert layout.code_layer(copies) == first


def test_an_archive_leaves_out_what_the_receiver_has(tmp_path: Path) -> None:
    store = Layout(folder=tmp_path / "cache")
    stored = image(store)
    present = {str(stored.manifest["layers"][0]["digest"])}
    output = io.BytesIO()
    store.archive([("localhost/x:1", stored), ("localhost/x:1-abc", stored)], present, output)
    output.seek(0)
    with tarfile.open(fileobj=output) as archive:
        contents = {entry.name: archive.extractfile(entry) for entry in archive}
        blobs = {name.rpartition("/")[2]: file for name, file in contents.items() if name.startswith("blobs/")}
        index = json.loads(contents["index.json"].read())  # type: ignore[union-attr]
        assert set(blobs) == {digest.removeprefix("sha256:") for digest in stored.digests} - {
            digest.removeprefix("sha256:") for digest in present
        }
        for digest, file in blobs.items():
            assert file is not None
            assert hashlib.sha256(file.read()).hexdigest() == digest
    named = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
    assert named == ["localhost/x:1", "localhost/x:1-abc"]


def test_an_incomplete_image_is_not_found(tmp_path: Path) -> None:
    store = Layout(folder=tmp_path / "cache")
    stored = image(store)
    store.record("vpp-edge", "abc", stored.digest)
    assert store.find("vpp-edge", "abc") == stored
    store.blob(stored.manifest["layers"][0]["digest"]).unlink()
    assert store.find("vpp-edge", "abc") is None


def test_old_images_are_forgotten_and_their_blobs_swept(tmp_path: Path) -> None:
    store = Layout(folder=tmp_path / "cache")
    stored = image(store)
    orphan = store.blob(store.add_blob(b"orphan"))
    young = store.blob(store.add_blob(b"young"))
    os.utime(orphan, (0, 0))
    for number in range(layout.RECORDS_KEPT + 2):
        store.record("vpp-edge", f"{number:08x}", stored.digest)
        os.utime(store.folder / f"vpp-edge-{number:08x}.json", (number, number))
    store.record("vpp-edge-built", "0", stored.digest)
    store.sweep()
    assert not orphan.exists()
    assert young.exists()
    assert all(store.blob(digest).is_file() for digest in stored.digests)
    assert len(list(store.folder.glob("vpp-edge-0*.json"))) == layout.RECORDS_KEPT
    assert store.find("vpp-edge-built", "0") == stored
