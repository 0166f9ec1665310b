"""What must happen before a resource may go: accounts are revoked, volumes go or stay as the resource says.

Everything else a resource stands for has it as its owner, and Kubernetes removes it with it.
"""

from __future__ import annotations

import logging

from vpp_contract.names import ACKNOWLEDGEMENTS_QUEUE, TOPOLOGY_STREAM, VPP_LABEL, commands_queue, site_username
from vpp_operator.errors import VPPError
from vpp_operator.ports import (
    PLANT_KINDS,
    SECRET,
    VOLUME_CLAIM,
    BrokerAddress,
    Conflict,
    Manifest,
    Ports,
)
from vpp_operator.reconcile.accounts import READER, account_names
from vpp_operator.reconcile.brokers import address
from vpp_operator.reconcile.gather import Picture, is_deleting
from vpp_operator.reconcile.memory import PlantMemory
from vpp_operator.resources import names
from vpp_operator.resources.metadata import CHANNELS_LABEL, FINALIZER
from vpp_operator.resources.secret_values import secret_texts

_LOG = logging.getLogger(__name__)
_KINDS = {kind.kind: kind for kind in PLANT_KINDS}


async def ensure_finalizers(ports: Ports, picture: Picture) -> None:
    """Give every resource of a plant the operator's finalizer."""
    documents = [picture.vpp, *picture.queue_channels, *picture.nano_grids]
    for document in documents:
        if document is None or is_deleting(document) or FINALIZER in document["metadata"].get("finalizers", ()):
            continue
        await _set_finalizers(ports, document, [*document["metadata"].get("finalizers", ()), FINALIZER])


async def let_go(ports: Ports, memory: PlantMemory, picture: Picture) -> None:
    """Clean up after every resource of the picture that is being deleted, and free it."""
    for site in filter(is_deleting, picture.nano_grids):
        await _revoke(ports, picture, site)
        memory.secrets.pop(names.gateway_secret(site["metadata"]["name"]), None)
        await _free(ports, site)
    for channel in filter(is_deleting, picture.queue_channels):
        if channel["spec"].get("deletionPolicy") == "Delete":
            await _delete_claims(ports, picture.namespace, f"{CHANNELS_LABEL}={channel['metadata']['name']}")
        await _free(ports, channel)
    if picture.vpp is not None and is_deleting(picture.vpp):
        await _leave_external_broker(ports, picture, picture.vpp)
        if picture.vpp["spec"].get("deletionPolicy") == "Delete":
            await _delete_claims(ports, picture.namespace, f"{VPP_LABEL}={picture.name},!{CHANNELS_LABEL}")
        await _free(ports, picture.vpp)


def _accounts(picture: Picture, site: Manifest) -> list[str]:
    """Return the accounts of a site that may be on brokers: those in its Secret, the one before included."""
    name = site["metadata"]["name"]
    texts = secret_texts(picture.owned.get(("Secret", names.gateway_secret(name))))
    generation = site.get("status", {}).get("credentials", {}).get("generation", 1)
    return account_names(texts) or [site_username(name, generation)]


async def _revoke(ports: Ports, picture: Picture, site: Manifest) -> None:
    """Remove a site's accounts from every broker that is up; one that is down loses them when it is looked at again.

    A managed control broker loses the site's queue in the same way; an external one loses it here.
    """
    name, users = site["metadata"]["name"], _accounts(picture, site)
    for pod in picture.pods:
        if pod.component not in ("channel", "control") or not pod.ready:
            continue
        brokers = pod.name.rpartition("-")[0]
        admin = secret_texts(picture.owned.get(("Secret", names.admin_secret(brokers))))
        if not admin.get("password"):
            continue
        try:
            for user in users:
                await ports.brokers.remove(address(pod, admin), ("users", user))
        except VPPError as error:
            _LOG.warning("accounts of %s stay on %s for now: %s", name, pod.name, error)
    external = await _external_broker(ports, picture.vpp) if picture.vpp is not None else None
    if external is not None:
        try:
            for path in (*(("users", user) for user in users), ("queues", "/", commands_queue(name))):
                await ports.brokers.remove(external, path)
        except VPPError as error:
            _LOG.warning("accounts or queue of %s stay on the control broker %s: %s", name, external.host, error)


async def _leave_external_broker(ports: Ports, picture: Picture, vpp: Manifest) -> None:
    at = await _external_broker(ports, vpp)
    if at is None:
        return
    sites = [site["metadata"]["name"] for site in picture.nano_grids]
    users = [READER, *(user for site in picture.nano_grids for user in _accounts(picture, site))]
    queues = [TOPOLOGY_STREAM, ACKNOWLEDGEMENTS_QUEUE, *(commands_queue(site) for site in sites)]
    paths = [*(("queues", "/", queue) for queue in queues), *(("users", user) for user in users)]
    for path in paths:
        try:
            await ports.brokers.remove(at, path)
        except VPPError as error:
            _LOG.warning("%s stays on the control broker %s: %s", "/".join(path), at.host, error)


async def _external_broker(ports: Ports, vpp: Manifest) -> BrokerAddress | None:
    external = vpp["spec"].get("broker", {}).get("external")
    if not external:
        return None
    reference = external["secretRef"]["name"]
    texts = secret_texts(await ports.kubernetes.get(SECRET, vpp["metadata"]["namespace"], reference))
    if not (texts.get("username") and texts.get("password")):
        return None
    return BrokerAddress(
        host=external["host"],
        amqp_port=external.get("amqpPort", 5672),
        management_url=external["managementUrl"],
        username=texts["username"],
        password=texts["password"],
    )


async def _delete_claims(ports: Ports, namespace: str, selector: str) -> None:
    for claim in await ports.kubernetes.list(VOLUME_CLAIM, namespace, selector):
        name = claim["metadata"]["name"]
        await ports.kubernetes.delete(VOLUME_CLAIM, namespace, name, uid=claim["metadata"]["uid"])
        _LOG.info("removed the volume %s/%s, as deletionPolicy says", namespace, name)


async def _free(ports: Ports, document: Manifest) -> None:
    finalizers = [name for name in document["metadata"].get("finalizers", ()) if name != FINALIZER]
    if FINALIZER in document["metadata"].get("finalizers", ()):
        await _set_finalizers(ports, document, finalizers)


async def _set_finalizers(ports: Ports, document: Manifest, finalizers: list[str]) -> None:
    metadata = document["metadata"]
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
    try:
        await ports.kubernetes.patch(_KINDS[document["kind"]], metadata["namespace"], metadata["name"], patch)
    except Conflict:
        return  # it has changed since; the next look tries again
