"""Where a plant keeps history and checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vpp_operator.api.schema import BYTES, Rule, described
from vpp_operator.api.shared import Reference

_CRON = r"^(@(hourly|daily|weekly|monthly)|[-0-9*/,A-Za-z]+( [-0-9*/,A-Za-z]+){4})$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """How the driver's small files become the history: large files by date and kind."""

    RULES: ClassVar = (
        Rule(
            name="compaction-file-size",
            rule="quantity(self.fileSize).compareTo(quantity('1Mi')) >= 0",
            message="storage.compaction.fileSize must be at least 1Mi; smaller files make every query slow",
        ),
    )

    schedule: str = described(
        "When, as a cron expression in UTC. A reading is in the history after the next run.",
        default="*/10 * * * *",
        pattern=_CRON,
        longest=100,
    )
    suspend: bool = described("True: no run begins. Readings wait in `recent`.", default=False)
    file_size: str = described(
        "A file of this size is full and not written again; smaller ones are carried on by the next run.",
        default="128Mi",
        pattern=BYTES,
        longest=20,
    )
    grace_seconds: int = described(
        "How long files stay readable, in s, after larger ones have taken their place: the longest query's duration.",
        default=3600,
        minimum=60,
        maximum=604800,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where the twin's history and the stream's checkpoint are kept."""

    RULES: ClassVar = (
        Rule(
            name="storage-external-url",
            rule="self.type != 'External' || self.url != ''",
            message="storage of type External needs url, for example hdfs://name-node:8020/vpp",
        ),
        Rule(
            name="storage-url-external-only",
            rule="self.type == 'External' || self.url == ''",
            message="storage.url is for type External only; remove it or set type to External",
        ),
        Rule(
            name="storage-url-hdfs",
            rule="self.url == '' || self.url.matches('^hdfs://[^/]+/.')",
            message="storage.url must be a folder in HDFS, such as hdfs://name-node:8020/vpp; no other kind works yet",
        ),
        Rule(
            name="storage-webhdfs-external-only",
            rule="self.type == 'External' || self.webhdfsUrl == ''",
            message="storage.webhdfsUrl is for type External only; remove it or set type to External",
        ),
        Rule(
            name="storage-replication",
            rule="self.replication <= self.dataNodes",
            message="storage.replication must not be above storage.dataNodes; each copy needs a data node of its own",
        ),
        Rule(
            name="storage-size",
            rule="quantity(self.size).compareTo(quantity('256Mi')) >= 0",
            message="storage.size must be at least 256Mi; history and checkpoint have no room in less",
        ),
        Rule(
            name="storage-type-fixed",
            rule="self.type == oldSelf.type",
            message="storage.type cannot change, it would leave the history behind; make a new VPPCluster",
        ),
        Rule(
            name="storage-volumes-fixed",
            rule="self.size == oldSelf.size && self.storageClassName == oldSelf.storageClassName",
            message="storage.size and storageClassName cannot change, volumes have them; make a new VPPCluster",
        ),
        Rule(
            name="storage-data-nodes-stay",
            rule="self.type != 'HDFS' || self.dataNodes >= oldSelf.dataNodes",
            message="storage.dataNodes must not shrink, a removed node takes its blocks along; keep or raise it",
        ),
    )

    type: str = described(
        "HDFS: the operator runs a name node and data nodes. Volume: one volume at the driver "
        "(for workers on the same node). External: an HDFS you run, by url.",
        default="HDFS",
        enum=("HDFS", "Volume", "External"),
    )
    size: str = described("Size of each node's volume.", default="4Gi", pattern=BYTES, longest=20)
    data_nodes: int = described("HDFS data nodes.", default=1, minimum=1, maximum=100)
    replication: int = described("Copies of each block, for type HDFS.", default=1, minimum=1, maximum=10)
    storage_class_name: str = described("Storage class of the volumes; empty: the cluster's default.", default="")
    url: str = described(
        "Folder in an HDFS you run, such as hdfs://name-node:8020/vpp; the user vpp must be allowed to write to it. "
        "Pods reach data nodes by their host names.",
        default="",
        pattern=r"^(hdfs://[^/]+/.+)?$",
        longest=1024,
    )
    webhdfs_url: str = described(
        "HTTP address of the external HDFS name node, such as http://name-node:9870: its history is compacted and "
        "audited through it. Empty: it is not, and readings stay in `recent`.",
        default="",
        pattern=r"^(https?://.+)?$",
        longest=1024,
    )
    compaction: Compaction = described(
        "How small files become the history. External storage needs webhdfsUrl for it.",
        default=Compaction(),
    )
    secret_ref: Reference | None = described(
        "Secret with the external file system's credentials.", default=None, pending=True
    )
