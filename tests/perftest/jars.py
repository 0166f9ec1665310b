"""RabbitMQ's PerfTest from Maven Central, kept in the user's cache and checked by hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from vpplocal.cache import build_lock, cache_folder
from vpplocal.errors import LocalError

HERE: Final = Path(__file__).parent
POM: Final = HERE / "pom.xml"
CHECKSUMS: Final = HERE / "jars.sha256"
MAVEN_SECONDS: Final = 300


def wanted() -> dict[str, str]:
    """Return the checksum of every file by its name."""
    pairs = (line.split() for line in CHECKSUMS.read_text().splitlines())
    return {name: checksum for checksum, name in pairs}


def wrong_files(folder: Path) -> list[str]:
    """Return the names of files that are missing, too many, or not what their checksum says."""
    there = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    checksums = wanted()
    changed = [
        name
        for name in checksums.keys() & there.keys()
        if hashlib.sha256(there[name].read_bytes()).hexdigest() != checksums[name]
    ]
    return sorted({*changed, *(checksums.keys() ^ there.keys())})


def perftest_jars() -> Path:
    """Return the folder of PerfTest and what it needs, fetched unless it is there.

    Raises:
        LocalError: there is no Maven, the registry does not answer, or a file is not what its checksum says.
    """
    version = hashlib.sha256(POM.read_bytes() + CHECKSUMS.read_bytes()).hexdigest()[:8]
    folder = cache_folder() / f"perftest-{version}"
    if not wrong_files(folder):
        return folder
    with build_lock("perftest"):
        if wrong_files(folder):
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise LocalError("PerfTest is fetched with Maven, and there is no mvn; install the package maven")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        command = [maven, "--batch-mode", "--no-transfer-progress", "--quiet", "--file", str(POM)]
        command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={scratch}/jars"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=MAVEN_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise LocalError(f"Maven did not fetch PerfTest within {MAVEN_SECONDS} s") from None
        if done.returncode != 0:
            raise LocalError(f"Maven could not fetch PerfTest: {done.stdout.strip()[-500:]}")
        wrong = wrong_files(Path(scratch) / "jars")
        if wrong:
            raise LocalError(f"{', '.join(wrong)}: not what tests/perftest/jars.sha256 says")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(f"{scratch}/jars", folder)  # noqa: PTH105 - Path.replace returns a path nobody needs
