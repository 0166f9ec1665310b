"""What README and docs name is there: links, files, make targets, and options of the project's own scripts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACEHOLDERS = ("x", "NAME")
FOLDERS = "charts|crds|docs|examples|hack|operator|tests|workloads"
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def code(page: Path) -> list[str]:
    """The parts of a page that are set as code: blocks and words."""
    return CODE.findall(page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in HEADING.findall(page.read_text())
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_something_that_is_there(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}, which has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_code_is_there(page: Path) -> None:
    for part in code(page):
        for path in re.findall(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./-]+)", part):
            if Path(path).stem not in PLACEHOLDERS:
                assert (ROOT / path.rstrip("/.")).exists(), f"{page.name} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_in_code_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for part in code(page) for name in re.findall(r"(?:^|[\s`])make ([a-z]+)\b", part)}
    assert named <= targets


def test_every_option_of_a_script_is_one() -> None:
    used: dict[str, set[str]] = {}
    for page in PAGES:
        for part in code(page):
            for script, rest in re.findall(r"python3? (hack/\w+\.py)([^\n|;&`]*)", part):
                used.setdefault(script, set()).update(re.findall(r"--[a-z-]+", rest.split("#")[0]))
    assert "hack/images.py" in used
    for script, options in used.items():
        command = [sys.executable, str(ROOT / script), "--help"]
        known = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
        assert not options - set(re.findall(r"--[a-z-]+", known)), f"the documentation gives {script} options it lacks"
