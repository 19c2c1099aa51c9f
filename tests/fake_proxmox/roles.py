"""The kinds of guests that real places run, and names no real place should have."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Role:
    """What a guest does, and therefore how big and how busy it is."""

    name: str
    kind: str  # qemu, lxc
    cpus: int
    memory_gib: float
    disk_gib: int
    cpu_ratio: float
    memory_ratio: float
    traffic: float  # bytes per second, network and disk together
    bursts: float = 0.0  # chance of a burst in each half hour
    tags: str = ""
    pool: str = ""
    is_stopped: bool = False


HOME = (
    Role("home-assistant", "qemu", 2, 4, 32, 0.06, 0.55, 60 * KIB, 0.02, "home"),
    Role("truenas", "qemu", 4, 16, 32, 0.08, 0.9, 4 * MIB, 0.05, "storage"),
    Role("opnsense", "qemu", 2, 4, 20, 0.09, 0.35, 6 * MIB, 0.02, "network"),
    Role("windows-11", "qemu", 6, 12, 128, 0.05, 0.5, 40 * KIB, 0.0, "desktop", is_stopped=True),
    Role("docker-host", "qemu", 4, 8, 96, 0.16, 0.7, 900 * KIB, 0.06, "docker"),
    Role("pihole", "lxc", 1, 0.5, 4, 0.012, 0.22, 9 * KIB, 0.0, "network"),
    Role("nginx-proxy-manager", "lxc", 1, 1, 8, 0.02, 0.3, 300 * KIB, 0.0, "network"),
    Role("vaultwarden", "lxc", 1, 0.5, 4, 0.006, 0.3, 3 * KIB, 0.0, ""),
    Role("jellyfin", "lxc", 4, 4, 24, 0.05, 0.45, 2 * MIB, 0.09, "media"),
    Role("nextcloud", "lxc", 2, 4, 64, 0.07, 0.5, 400 * KIB, 0.03, ""),
    Role("postgres", "lxc", 2, 4, 32, 0.08, 0.62, 350 * KIB, 0.02, "db"),
    Role("grafana", "lxc", 1, 1, 10, 0.03, 0.4, 60 * KIB, 0.0, "monitoring"),
    Role("paperless", "lxc", 2, 2, 20, 0.03, 0.45, 40 * KIB, 0.03, ""),
    Role("frigate", "lxc", 4, 4, 48, 0.34, 0.6, 5 * MIB, 0.02, "camera;home"),
)

OFFICE = (
    Role("web", "qemu", 4, 8, 40, 0.22, 0.5, 2 * MIB, 0.02, "production;web", "web"),
    Role("app", "qemu", 8, 16, 60, 0.31, 0.62, 3 * MIB, 0.03, "production;app", "web"),
    Role("api", "lxc", 4, 4, 20, 0.26, 0.55, 2 * MIB, 0.02, "app;production", "web"),
    Role("postgres", "qemu", 8, 32, 400, 0.28, 0.82, 9 * MIB, 0.04, "db;production", "databases"),
    Role("mariadb", "qemu", 4, 16, 200, 0.19, 0.76, 4 * MIB, 0.03, "db;production", "databases"),
    Role("redis", "lxc", 2, 8, 16, 0.09, 0.6, 3 * MIB, 0.0, "db;production", "databases"),
    Role("k8s-worker", "qemu", 12, 32, 120, 0.42, 0.7, 8 * MIB, 0.05, "k8s", "kubernetes"),
    Role("k8s-control", "qemu", 4, 8, 60, 0.18, 0.52, 1 * MIB, 0.0, "k8s", "kubernetes"),
    Role("runner", "lxc", 8, 16, 100, 0.08, 0.35, 3 * MIB, 0.3, "ci", "development"),
    Role("gitlab", "qemu", 8, 16, 300, 0.2, 0.8, 2 * MIB, 0.05, "ci", "development"),
    Role("staging", "lxc", 2, 4, 30, 0.04, 0.4, 100 * KIB, 0.03, "staging", "development"),
    Role("dns", "lxc", 1, 0.5, 4, 0.01, 0.25, 12 * KIB, 0.0, "network"),
    Role("haproxy", "lxc", 2, 2, 8, 0.13, 0.25, 9 * MIB, 0.0, "network;production"),
    Role("mail", "qemu", 4, 8, 250, 0.1, 0.6, 500 * KIB, 0.02, "mail"),
    Role("win-dc", "qemu", 2, 8, 80, 0.06, 0.65, 60 * KIB, 0.0, "windows"),
    Role("win-rds", "qemu", 8, 32, 200, 0.24, 0.72, 900 * KIB, 0.03, "windows"),
    Role("elastic", "qemu", 8, 32, 600, 0.3, 0.88, 6 * MIB, 0.04, "logs"),
    Role("prometheus", "lxc", 4, 8, 120, 0.12, 0.66, 1 * MIB, 0.0, "monitoring"),
    Role("minio", "lxc", 4, 8, 500, 0.08, 0.5, 12 * MIB, 0.05, "storage"),
    Role("vpn", "lxc", 1, 1, 8, 0.04, 0.2, 700 * KIB, 0.0, "network"),
)

_SCRIPT = "<script>window.pwned=1</script>"
HOSTILE_TEXTS = (
    _SCRIPT,
    '"><img src=x onerror=window.pwned=1>',
    "'-window.pwned=1-'",
    "</script><svg/onload=window.pwned=1>",
    "{{7*7}}${7*7}#{7*7}<%=7*7%>",
    "javascript:window.pwned=1//",
    "'; DROP TABLE nodes; --",
    "../../../../etc/passwd",
    '=HYPERLINK("http://127.0.0.1/","open")',
    "abc\u202etxt.exe\u2066hidden\u2069",
    "zero\u200bwidth\ufeff\u00ad",
    "line\nbreak\r\nSet-Cookie: a=b",
    "bell\u0007escape\u001b[31mred",
    "nul\u0000byte",
    "Z" + "\u0334\u0358\u0347" * 60,
    "𝕡𝕣𝕠𝕩𝕞𝕠𝕩-🏠-主機-خادم",
    "%00%0d%0a%2e%2e%2f",
    "__proto__",
    "constructor",
    "W" * 5_000,
    "",
    "   ",
)
