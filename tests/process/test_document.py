"""The examples of the official API document, run as they are printed there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_proxmox.process import FakeProcess
from tests.process.running import PulseProcess, until

DOCUMENT = Path(__file__).resolve().parents[3] / "shared" / "contract" / "api-document.txt"
TOKEN = "a-token-of-the-documents-reader-000"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not DOCUMENT.exists() and not os.environ.get("CI"), reason="the API document lies beside the checkout"
    ),
]


def printed_between(start, end):
    """The text of the document from one heading to the next."""
    text = DOCUMENT.read_text()
    return text[text.index(start) : text.index(end, text.index(start) + 1)]


def curl_commands(pulse, fake, *, token):
    """The four commands of "Full Example: Monitor a New Node", with host, account and port of this test."""
    example = printed_between("### Full Example: Monitor a New Node", "### PowerShell Example")
    block = re.search(r"```bash\n(.*?)```", example, re.DOTALL).group(1)
    block = block.replace("https://192.168.1.100:8006", fake["url"]).replace(
        "localhost:7655", f"localhost:{pulse.port}"
    )
    block = block.replace('"root@pam"', json.dumps(fake["user"])).replace(
        '"password": "password"', f'"password": "{fake["password"]}"'
    )
    if token:
        block = block.replace("your-token", token)
    else:
        block = re.sub(r'-H "X-API-Token: your-token" ?', "", block)
    return [part for part in re.split(r"^# \d\. .*\n", block, flags=re.MULTILINE) if part.strip()]


def shell(command):
    """The answer of one printed command."""
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl -s ", 1)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("token", ["", TOKEN], ids=["without API_TOKEN", "with API_TOKEN"])
def test_monitor_a_new_node(token, tmp_path):
    variables = {"API_TOKEN": token} if token else {}
    with FakeProcess("homelab") as fakes, PulseProcess(tmp_path / "data", **variables) as pulse:
        pulse.healthy()
        pulse.allow_loopback()  # where the simulated host is
        test, add, state, charts = curl_commands(pulse, fakes.instances[0], token=token)

        tested, added = shell(test), shell(add)
        seen = until(
            lambda: [one for one in [shell(state)] if one["vms"]], seconds=10, what="guests are shown"
        )[0]
        drawn = shell(charts)

    assert tested["status"] == "success"
    assert added["status"] == "success"
    assert {node["status"] for node in seen["nodes"]} == {"online"}
    assert set(drawn["data"]) == {guest["id"] for guest in seen["vms"] + seen["containers"]}


def test_the_python_example(tmp_path):
    example = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL).group(1)
    with (
        FakeProcess("homelab") as fakes,
        PulseProcess(tmp_path / "data", API_TOKEN="your-secure-token") as pulse,
    ):
        pulse.healthy()
        fake = fakes.instances[0]
        body = {
            "type": "pve",
            "name": "lab",
            "host": fake["url"],
            "tokenName": fake["tokenId"],
            "tokenValue": fake["tokenValue"],
        }
        pulse.request("POST", "/api/config/nodes", body, token="your-secure-token")
        until(lambda: pulse.state(token="your-secure-token")["nodes"], seconds=10, what="a node is shown")

        # The stored text has lost the indentation of the loop's one line.
        script = example.replace("localhost:7655", f"localhost:{pulse.port}").replace(
            '\nprint(f"Node', '\n    print(f"Node'
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
        )

    assert done.stdout.splitlines() == ["Status: healthy", "Node: pve - online"]
