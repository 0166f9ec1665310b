"""kubectl and helm as the demo needs them: with deadlines, and errors that say which command failed and why."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class DemoError(RuntimeError):
    """A step failed; the text is one sentence that says what, where and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kube:
    """One cluster, reached through its own kubeconfig or a context of the user's."""

    kubectl: Path
    helm: Path
    kubeconfig: Path | None
    context: str | None

    def run(self, *args: str, stdin: str | None = None, timeout_seconds: float = 60.0) -> str:
        """Run kubectl and return what it prints.

        Raises:
            DemoError: it failed or took longer than `timeout_seconds`.
        """
        context = () if self.context is None else ("--context", self.context)
        return self._call((str(self.kubectl), *context, *args), stdin, timeout_seconds)

    def run_helm(self, *args: str, timeout_seconds: float = 300.0) -> str:
        """Run helm and return what it prints.

        Raises:
            DemoError: it failed or took longer than `timeout_seconds`.
        """
        context = () if self.context is None else ("--kube-context", self.context)
        return self._call((str(self.helm), *context, *args), None, timeout_seconds)

    def get(self, *args: str) -> Mapping[str, Any]:
        """Return what `kubectl get ... -o json` prints, decoded."""
        decoded: Mapping[str, Any] = json.loads(self.run("get", *args, "-o", "json"))
        return decoded

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Apply manifests on the server's side, as a GitOps tool would."""
        listing = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.run(
            "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listing), timeout_seconds=120
        )

    def pod_http(self, namespace: str, pod: str, port: int, path: str, timeout_seconds: float = 10.0) -> str:
        """Return what a pod answers to an HTTP GET through the API server's proxy."""
        route = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}"
        return self.run("get", "--raw", route, timeout_seconds=timeout_seconds)

    def _call(self, command: Sequence[str], stdin: str | None, timeout_seconds: float) -> str:
        environ = dict(os.environ)
        if self.kubeconfig is not None:
            environ["KUBECONFIG"] = str(self.kubeconfig)
        shown = " ".join((Path(command[0]).name, *command[1:]))[:160]
        try:
            done = subprocess.run(
                command, input=stdin, env=environ, capture_output=True, text=True, timeout=timeout_seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise DemoError(f"`{shown}` gave no answer within {timeout_seconds:g} s; is the cluster up?") from None
        if done.returncode != 0:
            raise DemoError(f"`{shown}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def wait_until(
    what: str,
    probe: Callable[[], bool],
    *,
    timeout_seconds: float,
    explain: Callable[[], str],
    hopeless: Callable[[], str] = lambda: "",
    interval_seconds: float = 1.0,
) -> None:
    """Call `probe` until it is true; errors of kubectl in between count as not yet.

    Raises:
        DemoError: it was not true within the time, and the text ends with what `explain` says; or `hopeless` says why
            it will not come true.
    """
    deadline = time.monotonic() + timeout_seconds
    last_error = ""
    while True:
        try:
            if probe():
                return
            last_error = ""
        except DemoError as error:
            last_error = f" ({error})"
        if reason := hopeless():
            raise DemoError(reason)
        if time.monotonic() > deadline:
            raise DemoError(f"{what} did not happen within {timeout_seconds:g} s: {explain()}{last_error}")
        time.sleep(interval_seconds)
