"""A real Kubernetes node without Docker: etcd, the control plane, kubelet and containerd in namespaces of their own.

Everything of one node lives in one process tree (a PID, mount and network namespace under one supervisor), one state
folder and one cgroup, so ending the supervisor and removing the two others leaves nothing behind. Several checkouts can
run a node each, side by side: names, addresses and folders follow from the checkout's path.

It runs before any virtual environment exists, so it uses the standard library only. Other scripts of hack/ use:

- `toolchain_binary(name)`: path of kubectl, helm, influxd ..., built first where the cache has none;
- `ensure_base_image()`: the Debian base every image starts from, in buildah's store;
- `load_image(archive, reference)`: imports an image archive into the node, unless it has that image;
- `kubectl(*args)`: runs kubectl against the node.
"""

from vpplocal.errors import LocalError
from vpplocal.images import ensure_base_image, load_image
from vpplocal.node import kubectl
from vpplocal.toolchain import toolchain_binary

__all__ = ["LocalError", "ensure_base_image", "kubectl", "load_image", "toolchain_binary"]
