"""The configuration of the sfuserver that a machine runs, and the text that makes a fresh machine run it."""

import json
from collections.abc import Mapping
from typing import Any

from meeting.allocateserver.configuration import CloudInitTable
from meeting.allocateserver.provisioners.names import filled
from meeting.allocateserver.values import Order

SECRET, CONFIGURATION = "/etc/meeting/secret", "/etc/meeting/sfuserver.toml"

_UNIT = """\
[Unit]
Description=meeting sfuserver
Wants=network-online.target
After=network-online.target

[Service]
DynamicUser=yes
ExecStart={command} sfuserver --config ${{CREDENTIALS_DIRECTORY}}/sfuserver.toml
LoadCredential=sfuserver.toml:{configuration}
LoadCredential=secret:{secret}
Environment=MEETING_SECRET_FILE=%d/secret
StateDirectory=meeting/sfuserver
AmbientCapabilities=CAP_NET_BIND_SERVICE
LimitNOFILE=65536
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


def sfuserver_settings(order: Order, hub: str, further: Mapping[str, Any]) -> dict[str, Any]:
    """The lines of `sfuserver.toml` but for the secret."""
    settings: dict[str, Any] = {"domainaddress": order.address, "apiserver": hub}
    settings.update(filled(dict(further), order))
    return settings


def toml(settings: Mapping[str, Any]) -> str:
    """The lines. TOML's strings, numbers and arrays of them are written as JSON writes them."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def cloud_init(order: Order, secret: str, hub: str, further: Mapping[str, Any], table: CloudInitTable) -> str:
    """User data for cloud-init: files, and the commands that install and start the sfuserver.

    The secret comes in a file that only root can read, and reaches the server as a credential of systemd's, never by a
    command line or an environment. JSON is YAML.
    """
    settings = {"stateDirectory": "/var/lib/meeting/sfuserver", **sfuserver_settings(order, hub, further)}
    files = {
        SECRET: ("0600", secret + "\n"),
        CONFIGURATION: ("0600", toml(settings)),
        "/etc/systemd/system/meeting-sfuserver.service": (
            "0644",
            _UNIT.format(command=table.command, configuration=CONFIGURATION, secret=SECRET),
        ),
    }
    document = {
        "write_files": [
            {"path": path, "owner": "root:root", "permissions": mode, "content": content}
            for path, (mode, content) in files.items()
        ],
        "runcmd": [*table.install, "systemctl daemon-reload", "systemctl enable --now meeting-sfuserver.service"],
    }
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"
