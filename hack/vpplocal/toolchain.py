"""Builds the cluster's programs from their Go modules, once for each version.

hack/toolchain holds one go.mod and go.sum for each; the cache holds the programs, in a folder named by a hash of these
files and the way to build them. A build writes beside its final name and is renamed at the end; an interrupted one
goes on from Go's own cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vpplocal.cache import build_lock, cache_folder, require_free_disk
from vpplocal.errors import LocalError
from vpplocal.progress import run_long

MODULES = Path(__file__).resolve().parent.parent / "toolchain"
KUBERNETES_VERSION = "1.34.4"
WANTED_GO = (1, 26)
LEAST_GO = (1, 21)
"""From here on Go fetches, through its module proxy, the newer one that a go.mod asks for."""
LEAST_RUST = (1, 72)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program: the module folder in hack/toolchain, the package, and how long its build takes on two cores."""

    module: str
    package: str
    usual_seconds: float
    ldflags: str = "-s -w"
    tags: str = ""
    cgo: bool = False


def _kubernetes(name: str, usual_seconds: float) -> Program:
    major, minor, _ = KUBERNETES_VERSION.split(".")
    stamps = (("gitVersion", f"v{KUBERNETES_VERSION}"), ("gitMajor", major), ("gitMinor", minor))
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    ldflags = " ".join(("-s -w", *(f"-X {package}.{key}={value}" for package in packages for key, value in stamps)))
    return Program(
        module="kubernetes", package=f"k8s.io/kubernetes/cmd/{name}", usual_seconds=usual_seconds, ldflags=ldflags
    )


def _helm() -> Program:
    # Without these stamps helm believes, where it has no cluster to ask, in Kubernetes 1.20.
    major, minor, _ = KUBERNETES_VERSION.split(".")
    packages = ("helm.sh/helm/v3/pkg/lint/rules", "helm.sh/helm/v3/pkg/chartutil")
    stamps = (("k8sVersionMajor", major), ("k8sVersionMinor", minor))
    ldflags = " ".join(("-s -w", *(f"-X {package}.{key}={value}" for package in packages for key, value in stamps)))
    return Program(module="helm", package="helm.sh/helm/v3/cmd/helm", usual_seconds=60, ldflags=ldflags)


PROGRAMS = {
    "kube-apiserver": _kubernetes("kube-apiserver", 315),
    "kubelet": _kubernetes("kubelet", 40),
    "kube-controller-manager": _kubernetes("kube-controller-manager", 25),
    "kube-scheduler": _kubernetes("kube-scheduler", 10),
    "kubectl": _kubernetes("kubectl", 20),
    "kube-proxy": _kubernetes("kube-proxy", 10),
    "kube-router": Program(
        module="kube-router",
        package="github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
        ldflags="-s -w -X github.com/cloudnativelabs/kube-router/v2/pkg/version.Version=v2.1.0",
        usual_seconds=90,
    ),
    "helm": _helm(),
    "coredns": Program(module="coredns", package="github.com/coredns/coredns", usual_seconds=90),
    "local-path-provisioner": Program(
        module="local-path-provisioner", package="github.com/rancher/local-path-provisioner", usual_seconds=30
    ),
    "pkg-config": Program(module="pkg-config", package="github.com/influxdata/pkg-config", usual_seconds=10, cgo=True),
    "influxd": Program(
        module="influxdb",
        package="github.com/influxdata/influxdb/v2/cmd/influxd",
        ldflags="-s -w -X main.version=v2.7.12",
        usual_seconds=290,
        tags="sqlite_foreign_keys,sqlite_json",
        cgo=True,
    ),
}


def recipe_hash(name: str) -> str:
    """Return eight digits that change with a program's module files or the way it is built."""
    program = PROGRAMS[name]
    digest = hashlib.sha256(repr(program).encode())
    for file in ("go.mod", "go.sum"):
        digest.update((MODULES / program.module / file).read_bytes())
    return digest.hexdigest()[:8]


def is_built(name: str) -> bool:
    """Tell whether the cache has a program."""
    return _place(name).exists()


def _place(name: str) -> Path:
    return cache_folder() / "toolchain" / f"{name}-{recipe_hash(name)}" / name


def toolchain_binary(name: str) -> Path:
    """Return the path of a program, building it first where the cache has none.

    Raises:
        LocalError: no Go, no network, too little disk, or the build failed.
    """
    target = _place(name)
    if target.exists():
        return target
    with build_lock("toolchain"):
        if not target.exists():
            _build(name, target)
    return target


def _build(name: str, target: Path) -> None:
    program = PROGRAMS[name]
    _require_go(name)
    environ = {
        **os.environ,
        "CGO_ENABLED": "1" if program.cgo else "0",
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "auto",  # distributions switch it off; an older Go then refuses the modules
    }
    if name == "influxd":
        environ |= _influxd_environment()
    require_free_disk(cache_folder(), 6)
    shutil.rmtree(target.parent, ignore_errors=True)  # only what a killed build left: the program is not there
    target.parent.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        module = Path(scratch) / "module"
        shutil.copytree(MODULES / program.module, module)
        built = Path(scratch) / name
        tags = ("-tags", program.tags) if program.tags else ()
        run_long(
            f"building {name}",
            (
                "go",
                "build",
                "-trimpath",
                "-buildvcs=false",
                *tags,
                "-ldflags",
                program.ldflags,
                "-o",
                str(built),
                program.package,
            ),
            log=cache_folder() / "logs" / f"{name}.log",
            usual_seconds=program.usual_seconds,
            cwd=module,
            environ=environ,
            advice="check that the Go module proxy can be reached and try again: it goes on where it was",
        )
        built.replace(target)


def _influxd_environment() -> dict[str, str]:
    """InfluxDB's own build: its pkg-config stands in for the system's and compiles the Rust part with cargo."""
    wrapper = cache_folder() / "toolchain" / "rustc-lints-as-warnings"
    wrapper.write_text('#!/bin/sh\nexec "$@" --cap-lints warn\n')
    wrapper.chmod(0o755)
    environ = {"PKG_CONFIG": str(_unlocked("pkg-config")), "RUSTC_WRAPPER": str(wrapper)}
    if shutil.which("rustup") is not None:
        # InfluxDB pins an old toolchain, which rustup would download; the installed one compiles it as well.
        listing = subprocess.run(
            ("rustup", "toolchain", "list"), capture_output=True, text=True, timeout=60, check=False
        ).stdout.split()
        if listing:
            environ["RUSTUP_TOOLCHAIN"] = listing[0]
    _require_rust(environ)
    return environ


def _require_rust(environ: dict[str, str]) -> None:
    wanted = ".".join(str(part) for part in LEAST_RUST)
    advice = f"install Rust {wanted} or newer (with rustup, or from Debian 13 on the package cargo) and try again"
    if shutil.which("cargo") is None:
        raise LocalError(f"building InfluxDB needs cargo; {advice}")
    command = ("cargo", "--version")
    said = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ}
    ).stdout
    match = re.match(r"cargo (\d+)\.(\d+)", said)
    if match is None or (int(match[1]), int(match[2])) < LEAST_RUST:
        raise LocalError(f"InfluxDB is too new for {said.strip() or 'the cargo on the path'}; {advice}")


def _unlocked(name: str) -> Path:
    """Like `toolchain_binary`, for a build that holds the lock already."""
    target = _place(name)
    if not target.exists():
        _build(name, target)
    return target


def _require_go(name: str) -> None:
    go = shutil.which("go")
    wanted, least = (".".join(str(part) for part in version) for version in (WANTED_GO, LEAST_GO))
    instead = f"{name} itself" if os.environ.get("CONTEXT") else "name a cluster of yours with CONTEXT="
    if go is None:
        raise LocalError(
            f"{name} is built with Go {wanted}, which is not installed; "
            f"install it (any Go from {least} on), or {instead}"
        )
    said = subprocess.run((go, "env", "GOVERSION"), capture_output=True, text=True, timeout=60, check=False).stdout
    match = re.match(r"go(\d+)\.(\d+)", said)
    if match is None or (int(match[1]), int(match[2])) < LEAST_GO:
        raise LocalError(f"{name} needs Go {least} or newer, and {go} is {said.strip() or 'unreadable'}; update it")
