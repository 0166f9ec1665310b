"""What the operator would make of resources that are in no cluster yet. Passwords are made in a cluster only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpp_operator.api.parsers import PARSERS
from vpp_operator.errors import InvalidSpec
from vpp_operator.ports import Manifest
from vpp_operator.reconcile.accounts import Accounts
from vpp_operator.reconcile.desired import Member, Plan, desired, owner_of
from vpp_operator.reconcile.gather import Picture
from vpp_operator.reconcile.memory import PlantMemory
from vpp_operator.resources import names
from vpp_operator.resources.images import Images
from vpp_operator.resources.influxdb import influxdb_url
from vpp_operator.resources.tls import BrokerTls

HIDDEN: Final = "(made in the cluster)"


class _NoRandomness:
    def password(self) -> str:
        return "-"

    def stream_id(self) -> str:
        return "-"


def preview(documents: Sequence[Manifest], images: Images, operator_namespace: str) -> list[dict[str, Any]]:
    """Return every manifest of the plants among some documents; other kinds are passed over.

    Secrets have their keys and not their values, and no uid of an owner is known yet.

    Raises:
        InvalidSpec: a resource cannot be carried out, or names a VPPCluster that is not among the documents.
    """
    ours = [_in_a_namespace(document) for document in documents if document.get("kind") in PARSERS]
    specs = [_parsed(document) for document in ours]
    plants = {_key(document): spec for document, spec in zip(ours, specs, strict=True) if _is_plant(document)}
    members: dict[tuple[str, str], list[Member]] = {key: [] for key in plants}
    for document, spec in zip(ours, specs, strict=True):
        if _is_plant(document):
            continue
        key = (document["metadata"]["namespace"], spec.vpp_ref.name)
        if key not in members:
            raise InvalidSpec(_title(document), f"names the VPPCluster {key[1]}, which is not among the resources")
        members[key].append(Member(document=document, owner=owner_of(document, key[1]), spec=spec))
    wanted: list[dict[str, Any]] = []
    for document in filter(_is_plant, ours):
        key = _key(document)
        wanted += _manifests(document, plants[key], members[key], images, operator_namespace)
    return [_without_values(manifest) for manifest in wanted]


def _manifests(
    document: Manifest, spec: Any, members: Sequence[Member], images: Images, operator_namespace: str
) -> list[dict[str, Any]]:
    namespace, name = _key(document)
    owner = owner_of(document, name)
    picture = Picture(namespace=namespace, name=name, vpp=document, queue_channels=(), nano_grids=(), owned={}, pods=())
    accounts = Accounts(picture, PlantMemory(), _NoRandomness())
    external_token = "" if spec.monitoring.influxdb.type == "External" else None
    in_order = sorted(members, key=lambda member: member.owner.name)
    plan = Plan(
        owner=owner,
        spec=spec,
        channels=[member for member in in_order if member.owner.kind == "QueueChannel"],
        sites=[member for member in in_order if member.owner.kind == "NanoGrid"],
        images=images,
        operator_namespace=operator_namespace,
        influx=accounts.influx(spec, influxdb_url(owner, spec), external_token),
        run_simulator=True,
        tls=_tls(name, spec),
    )
    return desired(plan, accounts)


def _tls(vpp: str, spec: Any) -> BrokerTls | None:
    """Return TLS as a cluster would have it, with certificates that are made there."""
    if spec.tls is None:
        return None
    made: dict[str, Mapping[str, str]] = {names.broker_authority_secret(vpp): {"ca.crt": "-"}}
    own = names.broker_certificate_secret(vpp)
    if spec.tls.secret_ref is None:
        made |= {
            names.authority_secret(vpp): {"tls.crt": "-", "tls.key": "-"},
            own: {"tls.crt": "-", "tls.key": "-", "ca.crt": "-"},
        }
    secret = own if spec.tls.secret_ref is None else spec.tls.secret_ref.name
    return BrokerTls(secret=secret, authority="-", plain_ports=spec.tls.plain_ports, made=made)


def _in_a_namespace(document: Manifest) -> dict[str, Any]:
    metadata = document.get("metadata") or {}
    if not metadata.get("name"):
        raise InvalidSpec(str(document["kind"]), "has no metadata.name; give it one")
    return {**document, "metadata": {"namespace": "default", "uid": "", **metadata}}


def _parsed(document: Manifest) -> Any:
    try:
        return PARSERS[document["kind"]](document.get("spec") or {})
    except InvalidSpec as error:
        raise InvalidSpec(_title(document), str(error)) from None


def _is_plant(document: Manifest) -> bool:
    return bool(document["kind"] == "VPPCluster")


def _key(document: Manifest) -> tuple[str, str]:
    return document["metadata"]["namespace"], document["metadata"]["name"]


def _title(document: Manifest) -> str:
    return f"{document['kind']} {'/'.join(_key(document))}"


def _without_values(manifest: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in manifest.items() if key != "data" or manifest["kind"] != "Secret"}
    if manifest["kind"] == "Secret":
        shown["stringData"] = dict.fromkeys(manifest["data"], HIDDEN)
    metadata = dict(manifest["metadata"])
    metadata.pop("ownerReferences", None)
    return {**shown, "metadata": metadata}
