"""The history's compaction: a CronJob that folds the driver's small files into large ones by date and kind.

It needs no Spark: the pod is up for about a second where little has come, and asks only the storage.
"""

from __future__ import annotations

from typing import Any, Final

from vpp_contract import environment as variables
from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.resources import names
from vpp_operator.resources.hdfs import storage_url, webhdfs_url
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import Owner, environment
from vpp_operator.resources.quantities import amount
from vpp_operator.resources.spark import shared_volume
from vpp_operator.resources.workload import Workload, cron_job

HISTORY: Final = "history"
_DEADLINE_SECONDS: Final = 3600


def history(owner: Owner, spec: VPPClusterSpec, images: Images) -> list[dict[str, Any]]:
    """Return the CronJob; none with a storage that only Spark can reach."""
    if spec.storage.type == "External" and not webhdfs_url(owner, spec):
        return []
    compaction = spec.storage.compaction
    volumes, mounts, affinity = shared_volume(owner, spec)
    values = {
        "HOME": "/tmp",  # the pod's own empty folder
        variables.STORAGE_URL: storage_url(owner, spec),
        variables.WEBHDFS_URL: webhdfs_url(owner, spec),
        variables.HISTORY_FILE_BYTES: str(round(amount(compaction.file_size))),
        variables.HISTORY_GRACE_SECONDS: str(compaction.grace_seconds),
    }
    workload = Workload(
        name=names.history(owner.vpp),
        component=HISTORY,
        image=images.spark,
        pull_policy=images.pull_policy,
        command=("python", "-m", "vpp_workloads.streaming.history"),
        ports={},
        probes={},
        cpu_request="20m",
        cpu_limit="1",
        memory_request="128Mi",
        memory_limit="1Gi",
        environment=environment(values),
        mounts=mounts,
        volumes=volumes,
        affinity=affinity,
    )
    return [
        cron_job(
            owner,
            workload,
            schedule=compaction.schedule,
            suspend=compaction.suspend,
            deadline_seconds=_DEADLINE_SECONDS,
        )
    ]
