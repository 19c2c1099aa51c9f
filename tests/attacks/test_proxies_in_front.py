"""Real proxies in front of a fresh installation: strangers who come through one are never taken for this machine.

Each runs under a user of its own, as packages set them up, and passes on nothing that would give it away.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.ports import own_port
from tests.process.running import PulseProcess, until

pytestmark = [
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(
        os.geteuid() != 0 and not os.environ.get("CI"),
        reason="only root can start a proxy under a user of its own",
    ),
]

WEBSOCKET = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
#: What stands in the location of nginx beside `proxy_pass`, and as whom its workers run.
NGINX = {
    "nginx, bare": ("www-data", ""),
    "nginx, HTTP/1.1": ("www-data", 'proxy_http_version 1.1; proxy_set_header Connection "";'),
    "nginx, the usual lines for WebSockets": ("www-data", f"proxy_http_version 1.1; {WEBSOCKET}"),
    "nginx that runs as root and keeps the Host": (
        "root",
        f"proxy_http_version 1.1; proxy_set_header Host $host; {WEBSOCKET}",
    ),
}
OTHERS = ("Caddy that tells nothing", "Caddy as it comes", "HAProxy", "socat")
#: Under users of their own, so that the owner of the connection gives them away.
OWN_USER = [name for name in (*NGINX, *OTHERS) if "root" not in name]
#: These pass on the Host of the client; what the first request of a browser then shows.
SIGNS = {
    "nginx that runs as root and keeps the Host": "a request was for the Host pulse.example.org",
    "Caddy that tells nothing": "a request was for the Host pulse.example.org",
    "Caddy as it comes": "a request carried the header x-forwarded-",
    "HAProxy": "a request was for the Host pulse.example.org",
    "socat": "a request was for the Host pulse.example.org",
}


@dataclass
class Front:
    """A fresh Pulse, and a proxy that leads to it."""

    name: str
    pulse: PulseProcess
    port: int

    def through(self, method: str, path: str, host: str, body: object = None) -> tuple[int, str]:
        """Status and text of what a stranger is answered who writes this Host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host)
            content = json.dumps(body).encode() if body is not None else b""
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    async def feed(self, host: str) -> int:
        """Status of the handshake of a stranger who writes this Host; 101 when the feed opens."""
        try:
            async with connect(
                f"ws://{host}/ws", host="127.0.0.1", port=self.port, proxy=None, additional_headers={}
            ):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that users of proxies can enter, unlike those of the tests."""
    path = Path(tempfile.mkdtemp(prefix="pulse-proxy-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def front(request, tmp_path, folder) -> Iterator[Front]:
    """The proxy that the test names, in front of a Pulse that nobody has configured."""
    name, port = request.param, own_port()
    program = name.split(",")[0].split()[0].lower()
    installed = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if installed is None and not os.environ.get("CI"):
        pytest.skip(f"{program} is not installed")
    assert installed is not None, f"{program} is needed for this test"
    with PulseProcess(tmp_path / "data") as pulse:
        pulse.healthy()
        user, arguments = command_of(name, folder, port=port, to=pulse.port)
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [installed, *arguments],
                user=user,
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        front = Front(name, pulse, port)
        try:
            until(lambda: listens(process, port), seconds=20, what=f"{name} listens")
            yield front
        finally:
            process.terminate()
            process.wait(10)


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether somebody listens on the port; nothing is sent to it."""
    assert process.poll() is None
    row = f" 0100007F:{port:04X} 00000000:0000 0A "
    return row in Path("/proc/net/tcp").read_text()


def command_of(name: str, folder: Path, *, port: int, to: int) -> tuple[str, list[str]]:
    """Write the configuration; return the user and the arguments."""
    if name in NGINX:
        worker, lines = NGINX[name]
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"user {worker};\nworker_processes 1;\ndaemon off;\npid {folder}/pid;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{places}server {{ listen 127.0.0.1:{port};\n"
            f"location / {{ proxy_pass http://127.0.0.1:{to}; {lines} }} }} }}\n"
        )
        # The master is root, as on every Debian; the workers, who connect, are not.
        return "root", ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    if name in OTHERS[:2]:
        hiding = "header_up -X-Forwarded-For\nheader_up -X-Forwarded-Proto\nheader_up -X-Forwarded-Host\n"
        (folder / "Caddyfile").write_text(
            f"{{\nadmin off\nauto_https off\n}}\nhttp://:{port} {{\nbind 127.0.0.1\nreverse_proxy 127.0.0.1:{to} {{\n"
            f"{hiding if 'nothing' in name else ''}}}\n}}\n"
        )
        shutil.chown(folder, "caddy")
        return "caddy", ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    if name == "HAProxy":
        (folder / "haproxy.cfg").write_text(
            "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
            f"frontend all\n bind 127.0.0.1:{port}\n default_backend pulse\n"
            f"backend pulse\n server pulse 127.0.0.1:{to}\n"
        )
        return "haproxy", ["-db", "-f", str(folder / "haproxy.cfg")]
    listening = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork"
    return "nobody", [listening, f"TCP:127.0.0.1:{to}"]


@pytest.mark.parametrize("front", OWN_USER, indirect=True)
def test_a_stranger_behind_a_proxy_is_never_served(front):
    """The stranger knows everything, and writes the Host that the exception wants."""
    name = f"localhost:{front.pulse.port}"
    node = {"type": "pve", "name": "x", "host": "192.0.2.1", "tokenName": "a@pam!b", "tokenValue": "c"}
    assert front.pulse.request("GET", "/api/state")[0] == 200

    assert asyncio.run(front.feed(name)) in (401, 426)  # bare nginx passes no upgrade on
    assert front.through("GET", "/api/state", name)[0] == 401
    assert front.through("POST", "/api/config/nodes", name, node)[0] == 401
    assert front.through("GET", "/", name)[0] == 302
    # HTTP/1.0 is served to nobody, and so ends nothing: `curl -0` of a person looks the same.
    is_over = front.name != "nginx, bare"
    assert front.pulse.request("GET", "/api/state")[0] == (401 if is_over else 200)
    assert ("this machine, too, is served only with a credential" in front.pulse.log) is is_over


@pytest.mark.parametrize("front", SIGNS, indirect=True)
def test_what_a_browser_sends_through_a_proxy_ends_the_exception_for_good(front):
    assert front.pulse.request("GET", "/api/state")[0] == 200

    assert front.through("GET", "/", "pulse.example.org")[0] == 302

    status, answer = front.pulse.request("GET", "/api/state")
    assert (status, "claim-code" in answer["error"]) == (401, True)
    assert SIGNS[front.name] in front.pulse.log
    assert ended_after_a_restart(front.pulse)


def ended_after_a_restart(pulse: PulseProcess) -> bool:
    """Whether this machine needs a credential in the next process as well; it tells who may come in at its start."""
    pulse.kill()
    with PulseProcess(Path(pulse.environment["PULSE_DATA_DIR"])) as later:
        later.healthy()
        assert "nobody until it is claimed" in later.log
        return later.request("GET", "/api/state")[0] == 401


@pytest.mark.parametrize("user", ["nobody", "root"])
def test_on_the_machine_itself_a_person_is_served_and_a_service_is_not(tmp_path, user):
    with PulseProcess(tmp_path / "data") as pulse:
        pulse.healthy()
        command = [
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            f"http://localhost:{pulse.port}/api/state",
        ]

        first = subprocess.run(command, user=user, capture_output=True, text=True, check=True, cwd="/").stdout
        after = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert (first, after) == {"nobody": ("401", "401"), "root": ("200", "200")}[user]


def test_health_checks_and_old_http_end_nothing(tmp_path):
    with PulseProcess(tmp_path / "data", PULSE_BIND="127.0.0.1") as pulse:
        pulse.healthy()
        own = f"http://localhost:{pulse.port}"
        for command in (
            ["curl", "-s", "-0", f"{own}/api/state"],
            ["curl", "-s", "-I", f"{own}/"],
            ["curl", "-s", f"http://127.0.0.1:{pulse.port}/"],
            ["curl", "-s", "-H", "Host: 10.0.0.9:7655", f"{own}/api/health"],
        ):
            subprocess.run(command, capture_output=True, check=True)
        check = [pulse.command[0], "-m", "pulse.runtime.healthcheck"]
        subprocess.run(check, env=pulse.environment, cwd=Path(__file__).parents[2], check=True)

        assert pulse.request("GET", "/api/state")[0] == 200
