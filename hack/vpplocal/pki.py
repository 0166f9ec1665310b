"""Certificates and kubeconfigs of a node, made once with openssl and thrown away with its state folder."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

from vpplocal.errors import LocalError
from vpplocal.instance import Instance
from vpplocal.plan import ROUTER_USER

# user -> (subject, groups) as Kubernetes' own bootstrap names them
_CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    ROUTER_USER: f"/CN={ROUTER_USER}",
    "kubelet": "/O=system:nodes/CN=system:node:node",
}


def write_credentials(instance: Instance) -> None:
    """Write the authority, all certificates, the token key and a kubeconfig for each client into the node's folder."""
    folder = instance.state / "lib" / "node"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key")
    # Python 3.13 checks certificates strictly: an authority must say what its key is for.
    _openssl(
        folder, "req", "-x509", "-new", "-key", "ca.key", "-out", "ca.crt", "-days", "3650", "-subj", "/CN=vpp-local",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    names = "kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"
    addresses = "127.0.0.1", instance.node_address, instance.kubernetes_service
    alternatives = ",".join((*(f"DNS:{name}" for name in names), *(f"IP:{address}" for address in addresses)))
    _certificate(folder, "apiserver", "/CN=kube-apiserver", alternatives)
    for name, subject in _CLIENTS.items():
        _certificate(folder, name, subject, f"DNS:{name}")
        (folder / f"{name}.kubeconfig").write_text(_kubeconfig(folder, name, instance.api_server))
    _openssl(folder, "genrsa", "-out", "service-accounts.key", "2048")
    _openssl(folder, "rsa", "-in", "service-accounts.key", "-pubout", "-out", "service-accounts.pub")


def _certificate(folder: Path, name: str, subject: str, alternatives: str) -> None:
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    _openssl(folder, "req", "-new", "-key", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
    extensions = (
        f"subjectAltName={alternatives}",
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
        "subjectKeyIdentifier=hash",
        "authorityKeyIdentifier=keyid",
    )
    (folder / f"{name}.ext").write_text("\n".join(extensions) + "\n")
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", f"{name}.crt", "-days", "3650", "-extfile", f"{name}.ext",
    )  # fmt: skip


def _kubeconfig(folder: Path, name: str, server: str) -> str:
    def embedded(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": embedded("ca.crt")}
    user = {"client-certificate-data": embedded(f"{name}.crt"), "client-key-data": embedded(f"{name}.key")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "vpp-local", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "vpp-local", "context": {"cluster": "vpp-local", "user": name}}],
        "current-context": "vpp-local",
    }
    return json.dumps(document, indent=1)


def _openssl(folder: Path, *args: str) -> None:
    done = subprocess.run(("openssl", *args), cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise LocalError(f"openssl {args[0]} failed: {done.stderr.strip().splitlines()[-1:]}; is the disk full?")
