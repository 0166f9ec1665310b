"""Makes the locks: the exact version and the hashes of every Python package, for each image and for development.

The locks name no index, so they install from whichever one a machine is set up for. They hold for Python 3.11 to
3.13 alike. Run it after a change of the extras in pyproject.toml: `python3 hack/lock.py`, or with `--upgrade` for the
newest versions. Needs `uv`, which it installs into a folder of its own when it is not on the PATH.
"""

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "dev": ROOT / "hack/requirements/dev.txt",
    "operator": ROOT / "workloads/images/vpp-operator/requirements.txt",
    "edge": ROOT / "workloads/images/vpp-edge/requirements.txt",
    "spark": ROOT / "workloads/images/vpp-spark/requirements.txt",
    "nanogrid": ROOT / "workloads/images/vpp-nanogrid/requirements.txt",
}
HEADER = "# Made by hack/lock.py from the extra `{extra}` in pyproject.toml. Do not edit.\n"


def uv() -> str:
    """The path of a `uv` executable, installed beside the caches when the PATH has none."""
    found = shutil.which("uv")
    if found:
        return found
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vpp-operator"
    tool = cache / "uv" / "bin" / "uv"
    if not tool.exists():
        venv.create(cache / "uv", with_pip=True)
        subprocess.run([cache / "uv/bin/python", "-m", "pip", "install", "--quiet", "uv"], check=True, timeout=600)
    return str(tool)


def lock(tool: str, extra: str, target: Path, upgrade: bool) -> None:
    """Write the lock of one extra; versions already in the lock are kept unless `upgrade` is set."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [tool, "pip", "compile", "pyproject.toml", "--extra", extra, "--output-file", str(target)]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-emit-package", "vpp-operator", "--no-annotate"]
    # Development tests what the images run: the versions of the images' locks are the dev lock's constraints.
    if extra == "dev":
        for image_extra in ("operator", "edge", "spark"):
            command += ["--constraints", str(LOCKS[image_extra].relative_to(ROOT))]
    if upgrade:
        command.append("--upgrade")
    subprocess.run(command, cwd=ROOT, check=True, timeout=900, stdout=subprocess.DEVNULL)
    text = target.read_text()
    if not text.startswith("#"):
        target.write_text(HEADER.format(extra=extra) + text)


def main() -> int:
    """Make the named locks, all by default."""
    parser = argparse.ArgumentParser(description="make the locks of the Python requirements")
    parser.add_argument("extras", nargs="*", metavar="EXTRA", help=f"one of {', '.join(LOCKS)}; default: all")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    arguments = parser.parse_args()
    for extra in arguments.extras:
        if extra not in LOCKS:
            parser.error(f"{extra!r} is no extra with a lock; choose from {', '.join(LOCKS)}")
    tool = uv()
    # The development lock comes last: it is constrained by the others.
    for extra in sorted(arguments.extras or LOCKS, key=lambda name: name == "dev"):
        print(f"lock {extra}: {LOCKS[extra].relative_to(ROOT)}", flush=True)
        lock(tool, extra, LOCKS[extra], arguments.upgrade)
    return 0


if __name__ == "__main__":
    sys.exit(main())
