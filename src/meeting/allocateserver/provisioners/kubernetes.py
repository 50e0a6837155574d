"""Machines that are pods, made by the Kubernetes API over REST.

A pod's name is its tag; labels let the API list them. The secret is mounted from a Secret of the namespace and is in
neither the pod's command nor its environment.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent

from meeting.allocateserver.configuration import KubernetesTable
from meeting.allocateserver.provisioners import Refused
from meeting.allocateserver.provisioners.names import filled, found
from meeting.allocateserver.provisioners.sfuserver import sfuserver_settings
from meeting.allocateserver.values import Found, Order
from meeting.daemon.client import exchange
from meeting.daemon.errors import ConfigurationError

LEDGER_LABEL = "meeting-ledger"
SECRETS = "/run/meeting"
LARGEST_PAGE = 4 << 20
PAGE = 100
IN_CLUSTER_CA = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"


class KubernetesProvisioner:
    """Pods of one namespace."""

    def __init__(
        self,
        table: KubernetesTable,
        server: str,
        agent: IAgent,
        hub: str,
        further: Mapping[str, Any],
        clock: IReactorTime,
        *,
        timeout: float = 30.0,
    ) -> None:
        """`server`: the URL of the API. `further`: lines of the sfuserver's configuration. `timeout`: seconds for one
        answer.
        """
        self._table = table
        self._pods = f"{server}/api/v1/namespaces/{quote(table.namespace)}/pods"
        self._agent = agent
        self._hub = hub
        self._further = further
        self._clock = clock
        self._timeout = timeout

    async def create(self, order: Order) -> str:
        """Make the pod, unless one has this name."""
        status, answer = await self._ask("POST", self._pods, self.pod(order))
        if status == 409 and _reason(answer) == "AlreadyExists":
            return order.name
        if 400 <= status < 500 and status not in (408, 429):
            raise Refused(f"Kubernetes answers {status}: {_message(answer)}")
        _expect(status, answer, 200, 201, 202)
        return order.name

    async def list(self) -> Sequence[Found]:
        """The pods with our label that are not ending, page by page."""
        names: list[str] = []
        following = ""
        while True:
            query = {
                "labelSelector": LEDGER_LABEL,
                "limit": str(PAGE),
                **({"continue": following} if following else {}),
            }
            status, answer = await self._ask("GET", f"{self._pods}?{urlencode(query)}")
            _expect(status, answer, 200)
            for pod in answer.get("items", []):
                over = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
                if not over and "deletionTimestamp" not in pod["metadata"]:
                    names.append(pod["metadata"]["name"])
            following = answer.get("metadata", {}).get("continue") or ""
            if not following:
                return [each for name in names if (each := found(name, name)) is not None]

    async def destroy(self, provider_id: str) -> None:
        """Delete the pod; it has its grace period to send people away."""
        status, answer = await self._ask("DELETE", f"{self._pods}/{quote(provider_id)}")
        _expect(status, answer, 200, 202, 404)

    def pod(self, order: Order) -> dict[str, Any]:
        """The manifest."""
        table = self._table
        flags: list[str] = []
        for key, value in sfuserver_settings(order, self._hub, self._further).items():
            for each in value if isinstance(value, list) else [value]:
                flags += [f"--{key}", str(each).lower() if isinstance(each, bool) else str(each)]
        container: dict[str, Any] = {
            "name": "sfuserver",
            "image": table.image,
            "command": [*table.command, "sfuserver", "--secretFile", f"{SECRETS}/secret", *flags],
            "volumeMounts": [{"name": "secret", "mountPath": SECRETS, "readOnly": True}],
        }
        if table.resources:
            container["resources"] = filled(table.resources, order)
        spec: dict[str, Any] = {
            "containers": [container],
            "volumes": [{"name": "secret", "secret": {"secretName": table.secret_name, "defaultMode": 0o440}}],
            "restartPolicy": "Always",
            "hostNetwork": table.host_network,
            "terminationGracePeriodSeconds": 30,
            "automountServiceAccountToken": False,
        }
        if table.host_network:
            spec["dnsPolicy"] = "ClusterFirstWithHostNet"
        if table.node_selector:
            spec["nodeSelector"] = filled(table.node_selector, order)
        labels = {
            **filled(table.labels, order),
            "app.kubernetes.io/name": "meeting-sfuserver",
            LEDGER_LABEL: order.ledger,
            "meeting-machine": order.machine,
            "meeting-number": str(order.number),
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": order.name, "labels": labels, "annotations": {"meeting-address": order.address}},
            "spec": spec,
        }

    async def _ask(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        # Read each time: the cluster renews it.
        token = Path(self._table.token_file).read_text().strip()
        data = b"" if body is None else json.dumps(body).encode()
        status, _, answer = await exchange(
            self._agent,
            self._clock,
            method,
            url,
            f"Bearer {token}",
            body=data,
            timeout=self._timeout,
            largest=LARGEST_PAGE,
        )
        return status, answer


def api_server(table: KubernetesTable, environment: Mapping[str, str] = os.environ) -> tuple[str, list[str]]:
    """The API's URL and the authorities to trust: as the table says, or those of the cluster this runs in.

    Raises ConfigurationError.
    """
    if table.server:
        return table.server.rstrip("/"), [table.ca] if table.ca else []
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
    if not host:
        raise ConfigurationError("[machines.kubernetes]: not in a cluster here: write server, tokenFile and ca")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}", [table.ca or IN_CLUSTER_CA]


def _expect(status: int, answer: Any, *fine: int) -> None:
    if status not in fine or (status == 200 and not isinstance(answer, dict)):
        raise RuntimeError(f"Kubernetes answers {status}: {_message(answer)}")


def _reason(answer: Any) -> str:
    return str(answer.get("reason", "")) if isinstance(answer, dict) else ""


def _message(answer: Any) -> str:
    return str(answer.get("message", ""))[:200] if isinstance(answer, dict) else "no words"
