"""A file in a real HDFS of the operator's making is kept by the volumes of its nodes."""

from __future__ import annotations

import pytest

from tests.servers import Servers
from vppdemo.kube import wait_until

pytestmark = pytest.mark.integration


def test_a_file_outlives_both_nodes_pods(servers: Servers) -> None:
    name_node, data_node = servers.hdfs()

    def wait_for_the_file(before: str = "") -> None:
        """Wait until the name node has left its safe mode and heard of the data node."""
        command = ("exec", "-n", servers.namespace, data_node, "--", "sh", "-c", f"{before}hdfs dfs -cat /kept")
        wait_until(
            "the file's return",
            lambda: servers.kube.run(*command) == "kept\n",
            timeout_seconds=60,
            explain=lambda: "HDFS gives something else",
        )

    wait_for_the_file(before="echo kept | hdfs dfs -put -f - /kept && ")
    for pod in (name_node, data_node):
        servers.restart(pod)
    wait_for_the_file()
