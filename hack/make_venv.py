"""Makes `.venv`, the development environment of this checkout, from the hashed lock.

Running it again does nothing while the lock, the Python and the checkout's place are the same. It may use the standard
library only: it runs before anything is installed.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from vpplocal.errors import LocalError
from vpplocal.packages import install_missing
from vpplocal.progress import run_long

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv"
LOCK = ROOT / "hack" / "requirements" / "dev.txt"
MARKER = FOLDER / "made-from"
VENV_PACKAGES = {"python3-venv": str(Path(os.__file__).parent / "ensurepip" / "__init__.py")}
SOURCE_ROOTS = ("operator", "workloads", "hack")
USUAL_SECONDS = 100
DEADLINE_SECONDS = 1800


def fingerprint() -> str:
    """What the environment depends on, as one line."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return f"{digest} python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} at {ROOT}\n"


def is_current() -> bool:
    """Whether `.venv` is complete and made from today's lock."""
    return MARKER.is_file() and MARKER.read_text() == fingerprint() and (FOLDER / "bin" / "python").exists()


def make() -> None:
    """Make the environment anew; an interrupted attempt leaves no marker and is made anew as well."""
    if FOLDER.is_symlink():
        FOLDER.unlink()  # rmtree leaves links alone, and what a link points to is somebody else's
    shutil.rmtree(FOLDER, ignore_errors=True)
    if os.geteuid() == 0:
        install_missing(VENV_PACKAGES)
    try:
        venv.create(FOLDER, with_pip=True)
    except subprocess.CalledProcessError:
        raise LocalError(
            f"{sys.executable} cannot make virtual environments; install its venv module (python3-venv)"
        ) from None
    pip = [str(FOLDER / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run_long(
        "venv: development packages",
        [*pip, "install", "--require-hashes", "--no-deps", "-r", str(LOCK)],
        log=ROOT / "out" / "venv.log",
        usual_seconds=USUAL_SECONDS,
        timeout_seconds=DEADLINE_SECONDS,
        advice="check that this machine's package index can be reached",
    )
    # The source roots are importable as they are: no build step between an edit and a run.
    site = next((FOLDER / "lib").glob("python3.*")) / "site-packages"
    (site / "vpp_checkout.pth").write_text("".join(f"{ROOT / folder}\n" for folder in SOURCE_ROOTS))
    MARKER.write_text(fingerprint())


def main() -> int:
    """Make `.venv` unless it is current."""
    parser = argparse.ArgumentParser(description="make .venv from the lock of development packages")
    parser.add_argument("--force", action="store_true", help="make it anew even when it is current")
    arguments = parser.parse_args()
    # Two commands at once (a test and a check, say) must not make the same folder.
    (ROOT / "out").mkdir(exist_ok=True)
    guard = os.open(ROOT / "out" / "venv.lock", os.O_CREAT | os.O_RDWR, 0o644)
    fcntl.flock(guard, fcntl.LOCK_EX)
    if arguments.force or not is_current():
        try:
            make()
        except LocalError as error:
            print(f"venv: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
