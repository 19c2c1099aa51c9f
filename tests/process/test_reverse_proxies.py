"""The set-ups of docs/reverse-proxies.md, run by the real nginx and Caddy in front of a whole process."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.authorities import LOOPBACK, Authority, new_authority
from tests.ports import own_port
from tests.process.running import ROOT, PulseProcess, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]

TOKEN = "a-token-of-more-than-twenty-characters"
PASSWORD = "correct horse battery"
OPERATOR = ("operator", "hunter2")
SETUPS = {
    "nginx at the root of a name": "",
    "nginx under a path": "/pulse",
    "nginx that takes the path off": "/pulse",
    "nginx that asks for a password": "",
    "Caddy at the root of a name": "",
    "Caddy on another port": "",
    "Caddy under a path": "/pulse",
    "Caddy that asks for a password": "",
}
PAGE = (ROOT / "docs/reverse-proxies.md").read_text()
BLOCKS = dict(re.findall(r"^### (.+?)$(?:(?!^#).)*?^```(?:nginx|caddyfile)\n(.*?)^```$", PAGE, re.S | re.M))
ADDRESS = re.compile(r'(?:href|src|action|data-url)="([^"#]+)"')


@dataclass
class Front:
    """A proxy in front of Pulse, as a browser meets it."""

    url: str  # of the page, without a slash at its end
    origin: str
    pulse: PulseProcess
    authority: Path
    folder: Path
    auth: tuple[str, str] | None

    def browser(self) -> requests.Session:
        """Nobody yet, but for what the proxy itself asks for."""
        session = requests.Session()
        session.trust_env = False
        session.auth, session.verify = self.auth, str(self.authority)
        return session

    def signed_in(self) -> requests.Session:
        """A person who has signed in."""
        session = self.browser()
        answer = session.post(
            f"{self.url}/login",
            {"username": "ada", "password": PASSWORD},
            headers={"Origin": self.origin},
            allow_redirects=False,
        )
        assert answer.status_code == 302, answer.text
        assert f"{self.origin}{answer.headers['Location']}" == f"{self.url}/"
        return session

    async def greeting(self, *protocols: str, origin: str = "", cookies: str = "") -> tuple[str, str | None]:
        """The type of the first message of the feed, or the status of the refusal, and the sub-protocol that was chosen."""
        headers = {"Cookie": cookies} if cookies else {}
        if self.auth is not None:
            headers["Authorization"] = requests.auth._basic_auth_str(*self.auth)
        is_tls = self.url.startswith("https")
        try:
            async with connect(
                f"{self.url.replace('http', 'ws', 1)}/ws",
                origin=origin or self.origin,
                subprotocols=list(protocols) or None,
                additional_headers=headers,
                ssl=ssl.create_default_context(cafile=self.authority) if is_tls else None,
                max_size=None,
            ) as socket:
                return json.loads(await socket.recv())["type"], socket.subprotocol
        except InvalidStatus as refused:
            return str(refused.response.status_code), None


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    """Who signs the certificate of the proxies."""
    signer = new_authority(tmp_path_factory.mktemp("authority"))
    signer.context_for(LOOPBACK)
    return signer


@pytest.fixture(scope="module")
def pulses(tmp_path_factory) -> Iterator[dict[str, PulseProcess]]:
    """Pulse at the root and under a path, each with an account and a token."""
    running = {}
    try:
        for prefix in ("", "/pulse"):
            running[prefix] = pulse = PulseProcess(
                tmp_path_factory.mktemp("proxied") / "data",
                API_TOKEN=TOKEN,
                PULSE_BIND="127.0.0.1",
                PULSE_TRUSTED_PROXIES="127.0.0.1",
                PULSE_URL_PREFIX=prefix,
                LOG_LEVEL="debug",
            )
            pulse.healthy()
            own = f"http://127.0.0.1:{pulse.port}"
            form = {"code": TOKEN, "username": "ada", "password": PASSWORD, "password_again": PASSWORD}
            answer = requests.post(
                f"{own}/setup", form, headers={"Origin": own}, allow_redirects=False, timeout=10
            )
            assert answer.status_code == 302, answer.text
        yield running
    finally:
        for pulse in running.values():
            pulse.kill()


@pytest.fixture(scope="module", params=SETUPS)
def front(request, tmp_path_factory, pulses, authority) -> Iterator[Front]:
    """A set-up of the page, with ports and files of this test."""
    name, prefix = request.param, SETUPS[request.param]
    program = name.split()[0].lower()
    installed = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if installed is None and not os.environ.get("CI"):
        pytest.skip(f"{program} is not installed: its set-ups are not tested here")
    assert installed is not None, f"{program} is needed to test its set-ups"
    folder, port, pulse = tmp_path_factory.mktemp("proxy"), own_port(), pulses[prefix]
    block = BLOCKS[name].replace("127.0.0.1:7655", f"127.0.0.1:{pulse.port}")
    asks = "password" in name
    start = nginx if program == "nginx" else caddy
    command = start(folder, block, port=port, certificate=authority.folder / "host.pem")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [installed, *command], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    scheme = "https" if "ssl" in block else "http"
    origin = f"{scheme}://127.0.0.1:{port}"
    ca = authority.folder / "authority.pem"
    served = Front(f"{origin}{prefix}", origin, pulse, ca, folder, OPERATOR if asks else None)
    try:
        until(lambda: is_there(served), seconds=20, what=f"{program} serves")
        yield served
    finally:
        process.terminate()
        process.wait(10)


def nginx(folder: Path, block: str, *, port: int, certificate: Path) -> list[str]:
    """Write the configuration; return the arguments."""
    (folder / "lab.htpasswd").write_text("operator:{PLAIN}hunter2\n")
    block = re.sub(r"listen \d+", f"listen 127.0.0.1:{port}", block)
    block = re.sub(r"/etc/ssl/pulse\.(pem|key)", str(certificate), block)
    block = block.replace("/etc/nginx/lab.htpasswd", str(folder / "lab.htpasswd"))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"user {getpass.getuser()};\nworker_processes 1;\ndaemon off;\npid {folder}/pid;\nevents {{}}\n"
        f"http {{\naccess_log {folder}/access.log;\n{places}{block}}}\n"
    )
    return ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, block: str, *, port: int, certificate: Path) -> list[str]:
    """Write the configuration; return the arguments."""
    block = re.sub(r"^\S*example\.org(:\d+)?", f"http://127.0.0.1:{port}", block)
    if "basicauth" in block:
        hashed = subprocess.check_output(["caddy", "hash-password", "--plaintext", "hunter2"], text=True)
        block = re.sub(r"operator \S+", f"operator {hashed.strip()}", block)
    (folder / "Caddyfile").write_text(f"{{\nadmin off\nauto_https off\n}}\n{block}")
    return ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def is_there(front: Front) -> bool:
    """Whether health is answered through the proxy."""
    try:
        return front.browser().get(f"{front.url}/api/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def test_every_set_up_of_the_page_is_tested():
    assert set(BLOCKS) == set(SETUPS)


def test_a_browser_is_led_to_the_sign_in_and_back(front):
    session = front.browser()
    page = session.get(f"{front.url}/?tab=backups")

    assert page.status_code == 200
    assert page.url.startswith(f"{front.url}/login?next=")
    back = session.post(
        page.url,
        {"username": "ada", "password": PASSWORD},
        headers={"Origin": front.origin},
        allow_redirects=False,
    )
    assert f"{front.origin}{back.headers['Location']}" == f"{front.url}/?tab=backups"


def test_everything_that_a_page_names_is_served_under_its_address(front):
    session = front.signed_in()
    for path in ("/", "/api/docs", "/simple-stats"):
        page = session.get(f"{front.url}{path}")
        named = {urljoin(page.url, address) for address in ADDRESS.findall(page.text)}
        fetched = [address for address in named if not address.endswith("/logout")]

        assert page.status_code == 200
        assert len(fetched) > 3
        assert [address for address in named if not address.startswith(f"{front.url}/")] == []
        assert {session.get(address).status_code for address in fetched} == {200}


def test_the_session_is_for_this_path_alone_and_for_tls_where_there_is_tls(front):
    cookies = {cookie.name: (cookie.path, cookie.secure) for cookie in front.signed_in().cookies}
    is_tls, path = front.url.startswith("https"), front.url.removeprefix(front.origin) or "/"
    name = "pulse_session" if not is_tls else "__Host-pulse"

    assert cookies[name] == (path, is_tls)


def test_a_page_may_change_what_it_shows(front):
    answer = front.signed_in().post(
        f"{front.url}/api/config/nodes", json={"type": "pve"}, headers={"Origin": front.origin}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


def test_a_page_of_another_site_may_not_and_is_told_why(front):
    answer = front.signed_in().post(
        f"{front.url}/api/config/nodes", json={"type": "pve"}, headers={"Origin": "http://evil.test"}
    )

    host = front.origin.partition("://")[2]
    assert answer.status_code == 403
    assert (
        f"its page is at http://evil.test, but it reached Pulse for the Host {host}."
        in answer.json()["error"]
    )


def test_a_program_shows_its_token(front):
    answer = front.browser().get(f"{front.url}/api/security/me", headers={"X-API-Token": TOKEN})

    assert answer.json()["name"] == "API_TOKEN"


def test_nobody_is_served_without_a_credential(front):
    assert front.browser().get(f"{front.url}/api/state").status_code == 401


def test_the_feed_opens_for_a_session_and_for_a_token(front):
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in front.signed_in().cookies)

    assert asyncio.run(front.greeting(cookies=cookies)) == ("welcome", None)
    assert asyncio.run(front.greeting("pulse", f"bearer.{TOKEN}")) == ("welcome", "pulse")
    assert asyncio.run(front.greeting(cookies=cookies, origin="http://evil.test")) == ("403", None)
    assert asyncio.run(front.greeting()) == ("401", None)


def test_no_token_is_in_a_log(front):
    asyncio.run(front.greeting("pulse", f"bearer.{TOKEN}"))

    logs = "".join(
        file.read_text() for file in front.folder.iterdir() if file.suffix == ".log" or file.name == "output"
    )
    assert TOKEN not in logs + front.pulse.log
