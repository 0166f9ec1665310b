"""Builds the container images and brings them to a cluster: `images.py build|load|list|sizes [NAME...]`.

Standard library only: it runs before any virtual environment exists.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

from vppimages import build, catalogue, load
from vpplocal.cluster import selected
from vpplocal.errors import LocalError

SIZES = catalogue.ROOT / "out" / "images.json"
DOCUMENT = catalogue.ROOT / "docs" / "images.md"
TABLE = re.compile(r"(<!-- sizes -->\n).*?(<!-- /sizes -->)", re.DOTALL)


def built(names: list[str], force: bool = False) -> list[build.Built]:
    """Build the named images, all by default, one after the other."""
    docker = build.uses_docker()
    return [build.build(image, docker=docker, force=force) for image in catalogue.find(names)]


def references(names: list[str]) -> dict[str, str]:
    """Image name -> full reference, without building anything."""
    registry = os.environ.get("REGISTRY", "").rstrip("/") or catalogue.REPOSITORY
    docker = build.uses_docker()
    return {
        image.name: catalogue.reference(image, build.named(image, docker=docker), registry)
        for image in catalogue.find(names)
    }


def load_all(names: list[str]) -> dict[str, str]:
    """Build the images and bring them to where the cluster in use takes them from; returns their references."""
    images = built(names)
    registry = os.environ.get("REGISTRY", "")
    started = time.monotonic()
    if registry:
        load.push(images, registry)
        where = registry
    else:
        where = _load_into_cluster(images)
    print(f"  images are in {where}, {time.monotonic() - started:.0f} s", flush=True)
    return references(names)


def _load_into_cluster(images: list[build.Built]) -> str:
    cluster = selected()
    if cluster.kind == "kind":
        load.load_kind(images, cluster.name)
    elif cluster.kind == "node":
        sent = load.load_node(images, cluster.ctr)
        return f"the local node ({sent / 1e6:.0f} MB sent)"
    else:
        raise LocalError(
            f"the cluster of the context {cluster.name!r} pulls its images from a registry; "
            "name one that it and this machine reach: REGISTRY=host/folder"
        )
    return f"the {cluster.kind} cluster {cluster.name}"


def write_sizes(names: list[str]) -> list[dict[str, object]]:
    """Measure the images and note the result where the documentation takes it from."""
    rows = build.sizes(built(names))
    SIZES.parent.mkdir(exist_ok=True)
    SIZES.write_text(json.dumps(rows, indent=2) + "\n")
    return rows


def write_table() -> None:
    """Put the measured sizes into the documentation."""
    lines = ["| image | size | not shared with the images above it |", "|---|---:|---:|"]
    lines += [
        f"| {row['image']} | {_megabytes(row['bytes'])} MB | {_megabytes(row['added_bytes'])} MB |"
        for row in json.loads(SIZES.read_text())
    ]
    table = "\n".join(lines) + "\n"
    DOCUMENT.write_text(TABLE.sub(lambda match: match[1] + table + match[2], DOCUMENT.read_text()))


def main() -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description="build the container images and bring them to a cluster")
    parser.add_argument("command", choices=("build", "load", "list", "sizes", "archive"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="images, all by default; `vpp-` may be left out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--force", action="store_true", help="build anew from the first step, with today's packages")
    parser.add_argument("--docs", action="store_true", help="`sizes` also writes the table in docs/images.md")
    parser.add_argument("--output", type=Path, default=Path("images.tar"), help="where `archive` writes to")
    arguments = parser.parse_intermixed_args()
    try:
        if arguments.command == "build":
            built(arguments.names, arguments.force)
        elif arguments.command == "load":
            load_all(arguments.names)
        elif arguments.command == "archive":
            load.write_archive(built(arguments.names), arguments.output)
        elif arguments.command == "sizes":
            rows = write_sizes(arguments.names)
            if arguments.docs:
                write_table()
            if arguments.json:
                print(json.dumps(rows, indent=2))
            else:
                for row in rows:
                    size, added = _megabytes(row["bytes"]), _megabytes(row["added_bytes"])
                    print(f"{row['image']:<16} {size:>5} MB, of which {added:>5} MB are its own")
        if arguments.command in ("build", "load", "list"):
            found = references(arguments.names)
            print(json.dumps(found, indent=2) if arguments.json else "\n".join(found.values()))
    except LocalError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


def _megabytes(size: object) -> str:
    return f"{int(str(size)) / 1e6:.0f}"


if __name__ == "__main__":
    sys.exit(main())
