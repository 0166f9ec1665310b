"""The storage as a folder; HDFS over HTTP is tested on the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import LocalFiles, WebHdfsFiles, open_files
from vpp_workloads.streaming.settings import StorageSettings


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "vpp")


def test_a_file_is_put_read_fetched_and_removed(files: LocalFiles, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    files.put("a/b/file", source)
    (entry,) = files.entries("a/b")
    assert (entry.name, entry.size) == ("file", 7)
    assert abs(entry.modified_ms - source.stat().st_mtime_ns // 1_000_000) < 60_000
    assert files.read("a/b/file") == b"content"
    files.fetch("a/b/file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    files.remove("a/b/file")
    files.remove("a/b/file")
    assert files.entries("a/b") == files.entries("a/c") == []
    files.remove("a")
    assert files.entries("") == []


def test_of_two_that_create_a_file_one_succeeds_and_nothing_else_is_left(files: LocalFiles) -> None:
    assert files.create("log/0", b"first")
    assert not files.create("log/0", b"second")
    assert files.read("log/0") == b"first"
    assert [entry.name for entry in files.entries("log")] == ["0"]


def test_a_file_that_cannot_be_completed_is_not_there(files: LocalFiles, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.put("a/file", tmp_path / "nowhere")
    assert files.entries("a") == []


def test_a_storage_is_a_folder_or_hdfs_or_refused() -> None:
    local = StorageSettings(url="file:///data/vpp", webhdfs_url="")
    hdfs = StorageSettings(url="hdfs://name-node:8020/vpp", webhdfs_url="http://name-node:9870")
    assert isinstance(open_files(local), LocalFiles)
    assert isinstance(open_files(hdfs), WebHdfsFiles)
    with pytest.raises(StreamingError, match="set VPP_WEBHDFS_URL"):
        open_files(StorageSettings(url=hdfs.url, webhdfs_url=""))


def test_a_name_node_that_does_not_answer_is_named() -> None:
    with pytest.raises(StreamingError, match=r"HDFS does not answer http://127\.0\.0\.1:9/"):
        WebHdfsFiles("http://127.0.0.1:9", "/vpp").entries("history")


def test_a_folder_that_vanishes_while_it_is_listed_is_no_error(files: LocalFiles, tmp_path: Path) -> None:
    (tmp_path / "vpp").mkdir()
    (tmp_path / "vpp" / "broken").symlink_to(tmp_path / "nowhere")
    assert files.entries("") == []
