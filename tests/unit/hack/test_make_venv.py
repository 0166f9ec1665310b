"""How the development environment is made anew."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

import make_venv
from vpplocal.errors import LocalError


def test_a_link_in_the_environments_place_goes_and_what_it_points_to_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = tmp_path / "another"
    another.mkdir()
    (another / "kept").touch()
    folder = tmp_path / ".venv"
    folder.symlink_to(another)

    def install(*_: object, **__: object) -> None:
        raise LocalError("no network")

    monkeypatch.setattr(make_venv, "FOLDER", folder)
    monkeypatch.setattr(venv, "create", lambda place, **_: Path(place).mkdir())
    monkeypatch.setattr(make_venv, "run_long", install)
    with pytest.raises(LocalError, match="no network"):
        make_venv.make()
    assert folder.is_dir()
    assert not folder.is_symlink()
    assert (another / "kept").exists()


def test_a_python_without_its_venv_module_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []
    monkeypatch.setattr(make_venv, "FOLDER", tmp_path / ".venv")
    monkeypatch.setattr(make_venv, "install_missing", asked.append)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(venv, "create", _cannot)
    with pytest.raises(LocalError, match=r"cannot make virtual environments; install its venv module"):
        make_venv.make()
    assert [list(packages) for packages in asked] == [["python3-venv"]]


def _cannot(*_: object, **__: object) -> None:
    raise subprocess.CalledProcessError(1, "ensurepip")
