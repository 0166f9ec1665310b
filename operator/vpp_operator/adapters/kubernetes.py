"""The API server through the official client: list, get, server-side apply, patch, delete. Watching is kopf's business.

Only the client's transport, credentials and configuration are used, not its models: manifests are plain JSON here, and
the models would cost more memory than all the rest of the operator. Its calls block, so they run on a few threads.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import kubernetes.config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from vpp_operator.errors import Unavailable
from vpp_operator.ports import ALL_KINDS, Conflict, Kind, Manifest, Refused

FIELD_MANAGER: Final = "vpp-operator"
_KINDS: Final = {(kind.api_version, kind.kind): kind for kind in ALL_KINDS}
_THREADS: Final = 4
_REFUSALS: Final = (400, 401, 403, 404, 405, 415, 422)


def find_cluster() -> ApiClient:
    """Return a client for the cluster around this pod, or for the kubeconfig's current context outside of one.

    Raises:
        Unavailable: there is neither, or the kubeconfig cannot be used.
    """
    configuration = Configuration()
    configuration.retries = 0  # the caller decides what is tried again, and when
    try:
        kubernetes.config.load_incluster_config(client_configuration=configuration)
    except kubernetes.config.ConfigException:
        try:
            kubernetes.config.load_kube_config(client_configuration=configuration)
        except (kubernetes.config.ConfigException, OSError) as error:
            raise Unavailable(
                "Kubernetes", f"no service account, and no kubeconfig that can be used; set KUBECONFIG to one ({error})"
            ) from None
    return ApiClient(configuration)


class KubernetesApi:
    """`vpp_operator.ports.Kubernetes` against a real API server."""

    def __init__(self, client: ApiClient, *, timeout_seconds: float = 10.0, page_items: int = 500) -> None:
        """Prepare; nothing is sent yet. Lists come in pages of `page_items` objects."""
        self._client = client
        self._page_items = page_items
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="kubernetes")

    def close(self) -> None:
        """End the threads; calls under way finish."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def list(
        self, kind: Kind, namespace: str | None, selector: str = "", *, fields: str = ""
    ) -> Sequence[Manifest]:
        query = {"limit": str(self._page_items)}
        query |= {name: value for name, value in (("labelSelector", selector), ("fieldSelector", fields)) if value}
        items: list[Manifest] = []
        while True:
            page = await self._call(f"list {kind.plural}", "GET", _path(kind, namespace), query=query)
            items += ({"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page["items"])
            if not page["metadata"].get("continue"):
                return items
            query["continue"] = page["metadata"]["continue"]

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        what = f"get {kind.kind} {namespace}/{name}"
        found: Manifest | None = await self._call(what, "GET", _path(kind, namespace, name), missing_is_none=True)
        return found

    async def apply(self, manifest: Manifest) -> Manifest:
        kind, namespace, name = _address(manifest)
        applied: Manifest = await self._call(
            f"apply {kind.kind} {namespace}/{name}",
            "PATCH",
            _path(kind, namespace, name),
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            content_type="application/apply-patch+yaml",
            body=manifest,
        )
        return applied

    async def create(self, manifest: Manifest) -> Manifest:
        kind, namespace, _ = _address(manifest)
        created: Manifest = await self._call(
            f"create {kind.kind} in {namespace}",
            "POST",
            _path(kind, namespace),
            query={"fieldManager": FIELD_MANAGER},
            body=manifest,
        )
        return created

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Manifest, *, subresource: str = ""
    ) -> Manifest | None:
        patched: Manifest | None = await self._call(
            f"patch {kind.kind} {namespace}/{name}",
            "PATCH",
            _path(kind, namespace, name, subresource),
            query={"fieldManager": FIELD_MANAGER},
            content_type="application/merge-patch+json",
            body=patch,
            missing_is_none=True,
        )
        return patched

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> None:
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        what = f"delete {kind.kind} {namespace}/{name}"
        try:
            await self._call(what, "DELETE", _path(kind, namespace, name), body=options, missing_is_none=True)
        except Conflict:
            return  # another object has that name by now

    async def _call(
        self,
        what: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        body: Manifest | None = None,
        missing_is_none: bool = False,
    ) -> Any:
        send = functools.partial(self._send, method, path, dict(query or {}), content_type, body)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, send)
        except ApiException as error:
            if error.status == 404 and missing_is_none:
                return None
            text = f"cannot {what}: {_message(error)}"
            if error.status == 409:
                raise Conflict(text) from None
            if error.status in _REFUSALS:
                raise Refused(text) from None
            raise Unavailable("Kubernetes", text) from None
        except (HTTPError, OSError) as error:
            raise Unavailable("Kubernetes", f"cannot {what}: {error}") from None

    def _send(self, method: str, path: str, query: dict[str, str], content_type: str, body: Manifest | None) -> Any:
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self._client.call_api(*request, _request_timeout=self._timeout_seconds)
        data = response.read()
        if not 200 <= response.status < 300:
            raise ApiException(status=response.status, reason=response.reason, body=data.decode(errors="replace"))
        return json.loads(data)


def _message(error: ApiException) -> str:
    """Return the API server's own sentence where there is one."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.status} {error.reason}"


def _path(kind: Kind, namespace: str | None, name: str = "", subresource: str = "") -> str:
    prefix = "/api" if "/" not in kind.api_version else "/apis"
    scope = f"/namespaces/{namespace}" if namespace else ""
    parts = [f"{prefix}/{kind.api_version}{scope}/{kind.plural}", name, subresource]
    return "/".join(part for part in parts if part)


def _address(manifest: Manifest) -> tuple[Kind, str, str]:
    metadata = manifest["metadata"]
    return _KINDS[manifest["apiVersion"], manifest["kind"]], metadata["namespace"], metadata.get("name", "")
