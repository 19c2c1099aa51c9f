"""What one call to a host costs Pulse: `python -m benchmarks.client [calls]`.

Processor time of the calling thread per call, over TLS on a kept connection: the client as it is used, beside a bare connection of
urllib3 and a plain session of requests that ask the same, in turns so that all meet the same machine. The simulated host is a process of
its own and closes a connection after 100 requests, as Proxmox does.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable

os.environ.setdefault("PULSE_DATA_DIR", tempfile.mkdtemp(prefix="pulse-bench-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")

import django

django.setup()

import msgspec
import requests
import urllib3
from urllib3.connection import HTTPSConnection

from benchmarks.estate import simulated
from nodes.proxmox.client import Client, Credential, Target
from tests.nodes.servers import LOCAL

TURNS = 20
CLIENTS = 160
PATHS = {"small": "/version", "large": "/cluster/resources"}

Ask = Callable[[str], object]


def bare_connection(target: Target, headers: dict[str, str]) -> Ask:
    """Return how urllib3 asks without any of our bounds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, _, port = target.url.removeprefix("https://").partition(":")
    connection = HTTPSConnection(host, int(port), ssl_context=context, assert_hostname=False)

    def ask(path: str) -> object:
        connection.request("GET", f"/api2/json{path}", headers=headers)
        response = connection.getresponse()
        if response.headers.get("Connection", "").lower() == "close":
            connection.close()
        return msgspec.json.decode(response.data)

    return ask


def plain_session(target: Target, headers: dict[str, str]) -> Ask:
    """Return how requests asks as it comes."""
    session = requests.Session()
    session.trust_env, session.verify = False, False
    session.headers.update(headers)

    def ask(path: str) -> object:
        return msgspec.json.decode(session.get(f"{target.url}/api2/json{path}", timeout=10).content)

    return ask


def cpu_milliseconds(ask: Ask, path: str, calls: int) -> float:
    """Return the processor time of one call, the mean of many."""
    started = time.thread_time()
    for _ in range(calls):
        ask(path)
    return (time.thread_time() - started) / calls * 1000


def kilobytes_per_client(target: Target) -> float:
    """Return what Python holds for one client that has called once."""
    Client(target).get("/version")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    clients = [Client(target) for _ in range(CLIENTS)]
    for client in clients:
        client.get("/version")
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    for client in clients:
        client.close()
    return held / CLIENTS / 1024


def main(calls: int = 100) -> None:
    """Ask in turns and print the cheapest turn: what else the machine does only adds."""
    urllib3.disable_warnings()
    with simulated("S", latency_ms=0) as estate:
        told = next(one for one in estate.instances if one["kind"] == "pve")
        credential = Credential(token_id=told["tokenId"], token_value=told["tokenValue"])
        target = Target("pve", told["url"], credential, fingerprint=told["fingerprint"], policy=LOCAL)
        headers = {
            "Accept-Encoding": "gzip",
            "Authorization": f"PVEAPIToken={credential.token_id}={credential.token_value}",
        }
        ways: dict[str, Ask] = {
            "connection of urllib3, bare": bare_connection(target, headers),
            "session of requests, plain": plain_session(target, headers),
            "Client, connection kept": Client(target).get,
        }
        figures: dict[tuple[str, str], list[float]] = {}
        for _ in range(TURNS):
            for name, path in PATHS.items():
                for way, ask in ways.items():
                    figures.setdefault((way, name), []).append(cpu_milliseconds(ask, path, calls))
            anew = cpu_milliseconds(lambda path: Client(target).get(path), PATHS["small"], 10)
            figures.setdefault(("Client, connection made anew", "small"), []).append(anew)
        print(f"processor time of one call in ms, the cheapest of {TURNS} turns of {calls} calls")
        for (way, name), each in figures.items():
            print(f"  {way:30} {name} answer  {min(each):.3f}")
        print(f"  memory of one client with its connection  {kilobytes_per_client(target):.1f} kB")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
