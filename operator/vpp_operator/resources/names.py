"""Names of the objects of one virtual power plant, and the addresses its pods know each other under."""

from __future__ import annotations


def control(vpp: str) -> str:
    """Return the control broker's StatefulSet and Service."""
    return f"{vpp}-control"


def admin_secret(brokers: str) -> str:
    """Return the Secret with the administrator of a set of brokers."""
    return f"{brokers}-admin"


def authority_secret(vpp: str) -> str:
    """Return the Secret with the authority that the operator keeps for a plant: its certificate and its key."""
    return f"{vpp}-ca"


def broker_certificate_secret(vpp: str) -> str:
    """Return the Secret with the certificate of a plant's brokers, signed by that authority."""
    return f"{vpp}-broker-tls"


def broker_authority_secret(vpp: str) -> str:
    """Return the Secret with the certificate that clients check brokers against, whosever authority it is."""
    return f"{vpp}-broker-ca"


def reader_secret(vpp: str) -> str:
    """Return the Secret with the streaming driver's account on all brokers."""
    return f"{vpp}-reader"


def influxdb(vpp: str) -> str:
    """Return InfluxDB's StatefulSet and Service."""
    return f"{vpp}-influxdb"


def influxdb_secret(vpp: str) -> str:
    """Return the Secret with InfluxDB's address and token. `<vpp>-influxdb` is what users like to call theirs."""
    return f"{vpp}-influxdb-access"


def hdfs(vpp: str) -> str:
    """Return HDFS's ConfigMap."""
    return f"{vpp}-hdfs"


def name_node(vpp: str) -> str:
    """Return the name node's StatefulSet and Service."""
    return f"{vpp}-hdfs-namenode"


def data_node(vpp: str) -> str:
    """Return the data nodes' StatefulSet and Service."""
    return f"{vpp}-hdfs-datanode"


def spark_master(vpp: str) -> str:
    """Return the Spark master's StatefulSet and Service."""
    return f"{vpp}-spark-master"


def workers(vpp: str) -> str:
    """Return the headless Service of all workers."""
    return f"{vpp}-workers"


def pool(vpp: str, name: str) -> str:
    """Return the StatefulSet of one worker pool."""
    return f"{vpp}-workers-{name}"


def driver(vpp: str) -> str:
    """Return the streaming driver's StatefulSet and Service."""
    return f"{vpp}-driver"


def history(vpp: str) -> str:
    """Return the CronJob that folds the history."""
    return f"{vpp}-history"


def plant(vpp: str) -> str:
    """Return the ConfigMap with what the driver is told of the plant."""
    return f"{vpp}-plant"


def simulator(vpp: str) -> str:
    """Return the simulator's StatefulSet, Service and ConfigMap."""
    return f"{vpp}-simulator"


def simulator_sites(vpp: str) -> str:
    """Return the Secret with the gateway settings of all simulated sites."""
    return f"{vpp}-simulator-sites"


def gateway_secret(site: str) -> str:
    """Return the Secret with a site's account and gateway settings."""
    return f"{site}-gateway"


def service_host(service: str, namespace: str) -> str:
    """Return the name a Service is reached under from every namespace."""
    return f"{service}.{namespace}.svc"


def pod_host(pod: str, service: str, namespace: str) -> str:
    """Return the stable name of a StatefulSet's pod under its headless Service."""
    return f"{pod}.{service}.{namespace}.svc"
