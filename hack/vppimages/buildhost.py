"""What a build may know of the machine it runs on: certificates to trust, package proxies, caches.

It is mounted at /run/build-host while an image is built and leaves nothing in it. Containerfiles work without it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

MOUNT = "/run/build-host"
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")

# Java keeps its own list of trusted certificates, made from these files.
TRUST_SCRIPT = f"""#!/bin/sh
set -eu
awk '/BEGIN CERTIFICATE/ {{n++}} n {{print > ("/usr/local/share/ca-certificates/build-host-" n ".crt")}}' {MOUNT}/ca.crt
update-ca-certificates > /dev/null 2>&1
"""


def volumes(folder: Path) -> list[str]:
    """Write the machine's facts into a folder and return the mounts (`source:target`) that a build needs."""
    folder.mkdir(parents=True, exist_ok=True)
    apt = ['APT::Sandbox::User "root";', *_apt_proxies()]
    pip = ["[global]", f"cache-dir = {MOUNT}/pip", *_pip_settings()]
    bundle = next(
        (Path(path) for path in (os.environ.get("SSL_CERT_FILE", ""), *CERTIFICATES) if path and Path(path).is_file()),
        None,
    )
    if bundle is not None:
        shutil.copyfile(bundle, folder / "ca.crt")
        apt.append(f'Acquire::https::CAInfo "{MOUNT}/ca.crt";')
        pip.append(f"cert = {MOUNT}/ca.crt")
        (folder / "trust").write_text(TRUST_SCRIPT)
        (folder / "trust").chmod(0o755)
    (folder / "apt.conf").write_text("\n".join(apt) + "\n")
    (folder / "pip.conf").write_text("\n".join(pip) + "\n")
    settings = Path.home() / ".m2" / "settings.xml"
    if settings.is_file():
        shutil.copyfile(settings, folder / "maven-settings.xml")
    (folder / "maven").mkdir(exist_ok=True)
    (folder / "pip").mkdir(exist_ok=True)
    return [f"{folder}:{MOUNT}", f"{_pip_cache(folder / 'pip')}:{MOUNT}/pip"]


def _apt_proxies() -> list[str]:
    if shutil.which("apt-config") is None:
        return []
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, timeout=30, check=False).stdout
    return [
        line for line in dump.splitlines() if line.startswith("Acquire::") and "proxy" in line.split(" ")[0].lower()
    ]


def _pip_settings() -> list[str]:
    """The settings of this machine's pip that say where packages come from, environment variables included."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    settings: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        # Files come first, the environment last: it wins, as in pip itself.
        if key in PIP_SETTINGS and section in ("global", "install", ":env:"):
            settings[key] = value.strip("'\"").replace("\\n", "\n    ")
    return [f"{key} = {value}" for key, value in settings.items()]


def _pip_cache(otherwise: Path) -> Path:
    """The cache of this user's pip, so that images and development environment fetch a package once."""
    command = [sys.executable, "-m", "pip", "cache", "dir"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    path = Path(found.stdout.strip()) if found.returncode == 0 and found.stdout.strip() else otherwise
    path.mkdir(parents=True, exist_ok=True)
    return path
