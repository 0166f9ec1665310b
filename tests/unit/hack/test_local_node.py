"""How the local node chooses its names, addresses and settings, and what it says while it works."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from vpplocal import addons, cgroups, cluster, node, packages, plan, progress, toolchain
from vpplocal.cache import lock, require_free_disk, require_room
from vpplocal.errors import LocalError
from vpplocal.instance import Instance, choose_network, instance_id
from vpplocal.toolchain import PROGRAMS, recipe_hash, toolchain_binary

HACK = Path(__file__).resolve().parents[3] / "hack"
NETWORK = ipaddress.IPv4Network("100.64.8.0/21")
INSTANCE = Instance(id="ab12cd34", network=NETWORK)


def test_two_checkouts_have_two_nodes_and_one_checkout_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VPP_LOCAL_ID", raising=False)
    assert instance_id(Path("/a")) == instance_id(Path("/a"))
    assert instance_id(Path("/a")) != instance_id(Path("/b"))


def test_a_network_that_is_taken_is_passed_over() -> None:
    first = choose_network("x", [])
    second = choose_network("x", [first])
    assert not first.overlaps(second)
    assert choose_network("x", []) == first


def test_a_default_route_takes_every_network_and_says_so() -> None:
    with pytest.raises(ValueError, match="is in use"):
        choose_network("x", [ipaddress.IPv4Network("0.0.0.0/0")])


def test_link_pods_and_services_are_parts_of_the_network_that_do_not_overlap() -> None:
    parts = (INSTANCE.link_network, INSTANCE.service_network, INSTANCE.pod_network)
    assert all(part.subnet_of(NETWORK) for part in parts)
    assert not any(one.overlaps(other) for i, one in enumerate(parts) for other in parts[i + 1 :])
    assert ipaddress.IPv4Address(INSTANCE.dns_service) in INSTANCE.service_network


def test_the_link_name_fits_the_kernels_fifteen_characters() -> None:
    assert len(INSTANCE.host_link) <= 15


def test_configuration_files_are_valid_and_name_the_nodes_own_cgroup() -> None:
    files = plan.config_files(INSTANCE)
    kubelet = json.loads(files["kubelet.json"])
    assert kubelet["cgroupRoot"] == "/vpp-local-ab12cd34"
    assert kubelet["clusterDNS"] == [INSTANCE.dns_service]
    assert json.loads(files["cni/10-vpp-local.conflist"])["plugins"][0]["ipam"]["ranges"][0][0]["subnet"] == str(
        INSTANCE.pod_network
    )


def test_programs_wait_for_what_they_need() -> None:
    binaries = {name: Path("/bin") / name for name in PROGRAMS}
    after = {program["name"]: program["after"] for program in plan.programs(INSTANCE, binaries)}
    assert after["etcd"] is None
    assert after["kube-apiserver"] == ("127.0.0.1", 2379)
    assert after["kubelet"] == (INSTANCE.node_address, 6443)
    assert after["kube-router"] == (INSTANCE.node_address, 10250)


def test_kube_router_filters_by_policy_and_leaves_addresses_and_services_to_others() -> None:
    binaries = {name: Path("/bin") / name for name in PROGRAMS}
    (router,) = (one["command"] for one in plan.programs(INSTANCE, binaries) if one["name"] == "kube-router")
    assert {one for one in router if one.startswith("--run-")} == {
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
    }
    assert f"--service-cluster-ip-range={INSTANCE.service_network}" in router


def test_kube_router_may_read_and_write_nothing() -> None:
    (role,) = (
        one
        for one in addons.manifests(INSTANCE.dns_service)
        if (one["kind"], one["metadata"]["name"]) == ("ClusterRole", plan.ROUTER_USER)
    )
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}


def test_every_add_on_names_its_kind_and_is_known_by_its_name_only_once() -> None:
    documents = addons.manifests(INSTANCE.dns_service)
    keys = [(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (8.6, "9 s"), (59.6, "1 min 00 s"), (315, "5 min 15 s")])
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_progress_tells_what_how_long_and_how_long_usually() -> None:
    assert progress.progress_line("building kubelet", 12, 40) == "  building kubelet: 12 s (usually 40 s)"


def test_a_failing_command_is_reported_with_its_last_words_and_the_advice(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"cooking failed: no fire; buy matches \(all of it: .*log\)"):
        progress.run_long("cooking", ("sh", "-c", "echo no fire; exit 3"), log=tmp_path / "log", advice="buy matches")


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="waiting took more than 0 s"):
        progress.run_long("waiting", ("sleep", "30"), log=tmp_path / "log", timeout_seconds=0.2)


def _processes_with(word: str) -> list[str]:
    commands = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(file.read_text(errors="replace").replace("\0", " "))
        except OSError:
            continue  # it ended meanwhile
    return [command for command in commands if word in command]


def _wait_until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_long_command_ends_with_its_caller_however_that_ends(tmp_path: Path, number: signal.Signals) -> None:
    mark = str(tmp_path / "mark")  # in the command line of the command and of the child that it starts
    script = f"sh -c 'sleep 60; : {mark}'; : {mark}"
    code = (
        "import pathlib; from vpplocal.progress import run_long; "
        f"run_long('x', ('sh', '-c', {script!r}), log=pathlib.Path({str(tmp_path / 'log')!r}))"
    )
    with subprocess.Popen((sys.executable, "-c", code), env={**os.environ, "PYTHONPATH": str(HACK)}) as caller:
        assert _wait_until(lambda: len(_processes_with(f"sleep 60; : {mark}")) >= 2)
        caller.send_signal(number)
    assert _wait_until(lambda: not _processes_with(mark)), _processes_with(mark)


def test_a_command_that_outlives_runs_to_its_end(tmp_path: Path) -> None:
    code = (
        "import pathlib; from vpplocal.progress import run_long; "
        f"run_long('x', ('sh', '-c', 'touch started; sleep 0.5; touch ended'), cwd=pathlib.Path({str(tmp_path)!r}), "
        f"log=pathlib.Path({str(tmp_path / 'log')!r}), outlives=True)"
    )
    with subprocess.Popen((sys.executable, "-c", code), env={**os.environ, "PYTHONPATH": str(HACK)}) as caller:
        assert _wait_until((tmp_path / "started").exists)
        caller.kill()
    assert _wait_until((tmp_path / "ended").exists)


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cooking failed: no-such-oven cannot be run: No such file or directory"):
        progress.run_long("cooking", ("no-such-oven",), log=tmp_path / "log")


def test_a_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = (
        "import time; from vpplocal.cache import lock, require_free_disk\n"
        "with lock('x', 'waiting'): print('held', flush=True); time.sleep(60)"
    )
    environ = {**os.environ, "PYTHONPATH": str(HACK)}
    with subprocess.Popen((sys.executable, "-c", code), env=environ, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    with lock("x", "waiting"):
        pass
    assert list((tmp_path / "vpp-operator" / "locks").iterdir()) == []


def test_of_many_that_want_a_lock_one_at_a_time_has_it_and_no_file_stays(tmp_path: Path) -> None:
    code = (
        "import os, time; from vpplocal.cache import lock\n"
        "for _ in range(20):\n"
        "    with lock('x', ''):\n"
        f"        os.mkdir({str(tmp_path / 'inside')!r}); time.sleep(0.001); os.rmdir({str(tmp_path / 'inside')!r})"
    )
    environ = {**os.environ, "PYTHONPATH": str(HACK), "XDG_CACHE_HOME": str(tmp_path)}
    holders = [subprocess.Popen((sys.executable, "-c", code), env=environ, stdout=subprocess.DEVNULL) for _ in range(6)]
    assert [holder.wait(timeout=30) for holder in holders] == [0] * 6
    assert list((tmp_path / "vpp-operator" / "locks").iterdir()) == []


def test_cgroup_v2_passes_down_the_controllers_there_are_and_that_it_does_not_pass_yet(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids rdma\n")
    switch = tmp_path / "cgroup.subtree_control"
    switch.write_text("cpu memory\n")
    cgroups._pass_controllers_down(tmp_path)
    assert switch.read_text() == "+pids"


def test_who_is_not_root_is_told_what_root_is_for_and_what_else_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalError, match=r"^installing runc needs root; type the command with sudo, or .* CONTEXT=$"):
        packages.require_root("installing runc")


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ("", []),
        ("overlay", ["the overlay file system"]),
        ("cgroup", ["cgroups"]),
        ("--pid", ["namespaces for networks, mounts and processes"]),
        ("type veth", ["veth links"]),
        ("type bridge", ["bridges"]),
        ("MASQUERADE", ["address translation by iptables"]),
        ("ctstate INVALID", ["connection tracking by iptables"]),
        ("ipset create", ["network policies by iptables and ipset"]),
        ("statistic", ["load balancing by iptables"]),
    ],
)
def test_a_feature_that_the_kernel_lacks_is_named(
    without: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/filesystems").write_text("nodev\ttmpfs\n" + ("" if without == "overlay" else "nodev\toverlay\n"))
    (tmp_path / "sys/fs/cgroup" / ("" if without == "cgroup" else "memory")).mkdir(parents=True)
    commands = tmp_path / "bin"
    commands.mkdir()
    unshare = commands / "unshare"
    unshare.write_text(f'#!/bin/sh\ncase "$*" in *"{without or "nothing"}"*) exit 1;; esac\n')
    unshare.chmod(0o755)
    monkeypatch.setenv("PATH", str(commands))
    assert packages.kernel_lacks(tmp_path) == told


def test_a_build_without_network_says_what_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setattr(toolchain, "require_free_disk", lambda folder, gib: None)
    sentence = (
        r"^building pkg-config failed: .*GOPROXY=off.*; check that the Go module proxy can be reached and try again"
    )
    with pytest.raises(LocalError, match=sentence):
        toolchain_binary("pkg-config")


def test_who_has_named_a_cluster_is_not_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("CONTEXT", "mine")
    with pytest.raises(LocalError, match=r"needs root; type the command with sudo$"):
        packages.require_root("building images without Docker")


@pytest.mark.parametrize(
    ("release", "languages"),
    [
        ('ID=debian\nVERSION_ID="12"\n', False),
        ('PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n', True),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n', False),
        ("ID=debian\n", False),
        ("", False),
    ],
)
def test_compilers_come_from_debian_and_go_and_rust_where_it_has_recent_ones(release: str, languages: bool) -> None:
    found = packages.build_packages(release)
    assert {"gcc", "libc6-dev"} <= set(found)
    assert ({"golang-go", "cargo"} <= set(found)) is languages


def test_only_what_is_not_there_is_missing(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    assert packages.missing_packages({"one": str(there), "two": str(tmp_path / "gone")}) == ["two"]


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("go1.19.8", r"^kubelet needs Go 1\.21 or newer, and .*/go is go1\.19\.8; update it$"),
        ("devel", r"^kubelet needs Go 1\.21 or newer, and .*/go is devel; update it$"),
        ("go1.24.9", None),
        ("go1.26.8", None),
    ],
)
def test_a_go_that_can_fetch_a_newer_one_will_do(
    version: str, sentence: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho {version}\n")
    go.chmod(0o755)
    asked: list[Mapping[str, str]] = []

    def build(what: str, command: tuple[str, ...], *, environ: Mapping[str, str], **_: object) -> None:
        asked.append(environ)
        Path(command[command.index("-o") + 1]).touch()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    monkeypatch.setattr(toolchain, "run_long", build)
    monkeypatch.setattr(toolchain, "require_free_disk", lambda folder, gib: None)
    if sentence:
        with pytest.raises(LocalError, match=sentence):
            toolchain_binary("kubelet")
    else:
        toolchain_binary("kubelet")
        assert [environ["GOTOOLCHAIN"] for environ in asked] == ["auto"]


@pytest.mark.parametrize("said", ["cargo 1.65.0", "no cargo at all"])
def test_a_rust_that_is_too_old_is_told_before_the_build(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cargo = tmp_path / "cargo"
    cargo.write_text(f"#!/bin/sh\necho {said}\n")
    cargo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match=rf"too new for {said}; install Rust 1\.72 or newer"):
        toolchain._require_rust({})


def test_missing_go_is_named_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match=r"built with Go 1\.26, which is not installed; install it"):
        toolchain_binary("kubelet")


def test_a_full_disk_is_named_with_what_is_free_and_needed(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"has \d+\.\d GiB free and 1e\+09 are needed; make room there"):
        require_free_disk(tmp_path, 1e9)


def test_what_goes_onto_one_disk_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=20 << 30))
    one, other = tmp_path / "one", tmp_path / "other"
    require_room({one: 12, other: 8})
    with pytest.raises(LocalError, match=r"the disk of .*/one and .*/other has 20\.0 GiB free and 25 are needed"):
        require_room({one: 16, other: 9})


def test_a_start_from_nothing_asks_for_all_its_room_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(*_: object) -> None:
        raise AssertionError("packages came before the disk")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "_is_up", lambda: False)
    monkeypatch.setattr(packages, "require_root", lambda what: None)
    monkeypatch.setattr(packages, "install_missing", installed)
    monkeypatch.setattr(cluster, "CACHES_GIB", 1e9)
    with pytest.raises(LocalError, match="GiB free and 1e"):
        cluster._node_up()


def test_what_a_killed_build_left_goes_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(toolchain, "require_free_disk", lambda folder, gib: None)
    scratch = tmp_path / "vpp-operator" / "toolchain" / f"kubelet-{recipe_hash('kubelet')}" / "tmpkilled"
    scratch.mkdir(parents=True)

    def built(what: str, command: tuple[str, ...], **_: object) -> None:
        Path(command[command.index("-o") + 1]).write_text("program")

    monkeypatch.setattr(toolchain, "run_long", built)
    program = toolchain_binary("kubelet")
    assert [entry.name for entry in program.parent.iterdir()] == ["kubelet"]


@pytest.mark.parametrize("folder", ["/var/lib/ci/.cache", "/run/user/0"])
def test_a_cache_that_the_node_could_not_see_is_refused(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    monkeypatch.setattr(packages, "require_root", lambda what: None)
    with pytest.raises(LocalError, match="set XDG_CACHE_HOME to a folder elsewhere"):
        node.create()


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_program_has_its_module_files(name: str) -> None:
    assert len(recipe_hash(name)) == 8
