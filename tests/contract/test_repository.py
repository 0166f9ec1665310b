"""Rules that hold for the repository as a whole: what its files may name, what its code may import and call."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OPERATOR = ROOT / "operator" / "vpp_operator"
WORKLOADS = ROOT / "workloads" / "vpp_workloads"
CONTRACT = ROOT / "workloads" / "vpp_contract"
PURE = (OPERATOR / "model", OPERATOR / "decide", OPERATOR / "api", OPERATOR / "resources", CONTRACT)

# Spelled in pieces, so that this file does not contain what it looks for.
REGISTRIES = [
    host.replace("|", "")
    for host in (
        "py|pi.org", "python|hosted.org", "deb.|debian.org", "security.|debian.org", "proxy.|golang.org",
        "sum.|golang.org", "repo.maven|.apache.org", "repo1|.maven.org", "registry|.npmjs.org", "crates|.io/api",
        "static.crates|.io", "index.crates|.io",
    )
]  # fmt: skip
MACHINE_PATHS = ["/work" + "/", "/root" + "/", "/home" + "/", "/opt" + "/wheels"]
IMPURE_MODULES = {
    "aiohttp", "asyncio", "concurrent", "http", "kopf", "kubernetes", "multiprocessing", "os", "pathlib", "pika",
    "requests", "shutil", "socket", "subprocess", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
IMPURE_CALLS = {
    "open", "input", "print", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "random.random",
    "random.randint", "random.choice", "random.shuffle", "random.seed", "random.uniform", "uuid.uuid4",
    "secrets.token_hex",
}  # fmt: skip
# Import of one workload by another: the simulator publishes through the gateway.
ALLOWED_BETWEEN_WORKLOADS = {("simulator", "gateway")}


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The full names of the modules that a module imports, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(path: Path) -> Iterator[str]:
    """The functions that a module calls, as written, without what stands before the last two names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ".".join(ast.unparse(node.func).split(".")[-2:])


@pytest.mark.parametrize("forbidden", REGISTRIES + MACHINE_PATHS)
def test_no_file_names_a_package_registry_or_a_place_on_one_machine(forbidden: str) -> None:
    # A web address may contain such a path; a line of prose or code may not.
    pattern = re.compile(r"(?<![\w.:-])" + re.escape(forbidden) if forbidden.startswith("/") else re.escape(forbidden))
    found = [str(path.relative_to(ROOT)) for path in tracked_files() if pattern.search(text_of(path))]
    assert found == []


def test_the_contract_needs_the_standard_library_only() -> None:
    for path in modules(CONTRACT):
        foreign = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"vpp_contract", ""}
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


@pytest.mark.parametrize("folder", PURE, ids=lambda path: path.name)
def test_pure_packages_do_no_input_or_output_and_read_no_clock(folder: Path) -> None:
    for path in modules(folder):
        impure = {name for name in imports(path) if name.split(".")[0] in IMPURE_MODULES and name != "urllib.parse"}
        impure = {name for name in impure if not name.startswith("urllib.parse.")}
        # Reading settings from a mapping is the contract's business; the mapping is handed in.
        assert not impure, f"{path.relative_to(ROOT)} imports {impure}"
        called = IMPURE_CALLS.intersection(calls(path))
        assert not called, f"{path.relative_to(ROOT)} calls {called}"


def test_only_handlers_and_main_know_kopf() -> None:
    allowed = {OPERATOR / "handlers.py", OPERATOR / "__main__.py"}
    for path in modules(OPERATOR):
        if path not in allowed:
            assert "kopf" not in {name.split(".")[0] for name in imports(path)}, path.relative_to(ROOT)


def test_workloads_meet_only_in_the_contract() -> None:
    for path in modules(WORKLOADS):
        parts = path.relative_to(WORKLOADS).parts
        if len(parts) == 1:
            continue
        for name in imports(path):
            words = name.split(".")
            if words[0] == "vpp_workloads" and len(words) > 1 and words[1] != parts[0]:
                assert (parts[0], words[1]) in ALLOWED_BETWEEN_WORKLOADS, f"{path.relative_to(ROOT)} imports {name}"


def test_no_module_is_a_drawer_for_everything() -> None:
    names = {path.stem for folder in (OPERATOR, WORKLOADS, CONTRACT, ROOT / "hack") for path in modules(folder)}
    assert not names & {"utils", "util", "common", "helpers", "misc"}


def test_the_control_loop_stays_short() -> None:
    loop = OPERATOR / "loop.py"
    if loop.exists():
        assert len(loop.read_text().splitlines()) < 100


def test_a_paper_is_cited_in_one_place_for_each_equation() -> None:
    seen: dict[str, str] = {}
    for folder in (OPERATOR, WORKLOADS, CONTRACT):
        for path in modules(folder):
            for tag in re.findall(r"\[[A-Z]-\d+\]", path.read_text()):
                assert tag not in seen, f"{tag} stands in {seen[tag]} and {path.relative_to(ROOT)}"
                seen[tag] = str(path.relative_to(ROOT))


def test_source_roots_are_not_packages() -> None:
    # `operator` is a module of the standard library; a package of that name would hide it.
    for root in ("operator", "workloads", "hack"):
        assert not (ROOT / root / "__init__.py").exists()


def test_scripts_do_not_hide_modules_of_the_standard_library() -> None:
    names = {path.stem for path in (ROOT / "hack").glob("*.py")} | {path.name for path in (ROOT / "hack").iterdir()}
    assert not names & set(sys.stdlib_module_names)


def test_scripts_run_before_any_package_is_installed() -> None:
    with_packages = {"bench.py", "generate.py"}
    own = {path.name for path in (ROOT / "hack").iterdir() if path.is_dir()} | {
        path.stem for path in (ROOT / "hack").glob("*.py")
    }
    for path in modules(ROOT / "hack"):
        if path.name in with_packages:
            continue
        sources = {"vpp_contract", "vpp_workloads", ""}  # in the checkout; the next test tells what of them is too much
        foreign = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - own - sources
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


@pytest.mark.parametrize("script", ["demo", "chaos", "cluster", "images", "run_tests", "make_venv"])
def test_a_script_can_be_imported_with_the_standard_library_alone(script: str) -> None:
    program = f"import sys; sys.path.insert(0, 'hack'); import {script}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_target_of_the_makefile_is_explained_and_thin() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):(.*)\n((?:\t.*\n)*)", text, re.MULTILINE)
    wanted = {"demo", "test", "check", "up", "down", "images", "bench", "generate", "venv"}
    assert wanted <= {name for name, _, _ in targets}
    for name, head, recipe in targets:
        assert "## " in head, f"make {name} has no explanation"
        assert len(recipe.splitlines()) == 1, f"make {name} does more than start one command"
        for script in re.findall(r"hack/\w+\.py", recipe):
            assert (ROOT / script).is_file(), f"make {name} starts {script}, which is not there"


def test_no_file_is_a_link_to_a_place_outside_the_repository() -> None:
    listing = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    links = [ROOT / line.split("\t")[1] for line in listing.splitlines() if line.startswith("120000")]
    assert [link for link in links if not link.resolve().is_relative_to(ROOT)] == []


def test_markers_of_cluster_tests_are_declared() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert {marker.split(":")[0] for marker in options["markers"]} >= {"integration", "e2e"}
    assert options["filterwarnings"][0] == "error"


def test_hooks_before_a_commit_run_local_tools_only() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(re.findall(r"repo: (\S+)", hooks)) == {"local"}
    assert "language: system" in hooks


def test_continuous_integration_runs_what_everyone_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert script.rstrip().endswith("exec make test")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
