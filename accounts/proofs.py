"""Why a request is not taken for one of a page of ours, in words that lead to what has to be changed; pure."""

from __future__ import annotations

import re

from pulse.lib.clients import Arrival, host_name
from pulse.lib.origins import DEFAULT_PORTS, Origin, parse_origin

#: What a name may look like that is told back; anything else was written by somebody who wants it told.
NAME = re.compile(r"[a-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9a-f:.]{2,45}\](:[0-9]{1,5})?")
ADVICE = "Behind a reverse proxy, let it pass the Host header on as it came (docs/reverse-proxies.md)"


def missing_proof(arrival: Arrival) -> str:
    """Return the sentences for a request that neither its Origin nor the browser's word shows to be ours."""
    if arrival.origin is not None:
        return f"this request was not sent by a page of this Pulse: {origin_cause(arrival)}"
    if arrival.fetch_site not in ("", "none", "same-origin"):
        return "this request was not sent by a page of this Pulse: the browser says that it comes from another site"
    return (
        "nothing proves that a page of this Pulse sent this request: it carries neither Origin nor Sec-Fetch-Site, nor "
        "the token of a form that is still good; reload the page and try again"
    )


def origin_cause(arrival: Arrival) -> str:
    """Return how the Origin of a request differs from the address under which it came."""
    page = parse_origin(arrival.origin or "")
    host = arrival.host.strip().lower()
    if page is None or not NAME.fullmatch(spelled(page).partition("://")[2]):
        return "its Origin is not the address of a page"
    if not NAME.fullmatch(host):
        return f"its page is at {spelled(page)}, and it reached Pulse without a Host. {ADVICE}"
    facts = f"its page is at {spelled(page)}, but it reached Pulse for the Host {host}"
    if page.host != host_name(host).strip("[]"):
        return f"{facts}. {ADVICE}"
    port = host.rpartition(":")[2] if host != host_name(host) else ""
    if port and int(port) != page.port:
        return f"{facts}. {ADVICE}"
    if not port and page.port != DEFAULT_PORTS[page.scheme]:
        return f"{facts}: the port was lost on the way. {ADVICE}"
    return f"{facts} by {arrival.scheme}. Open the page by the address that people use, and reload it"


def spelled(origin: Origin) -> str:
    """Return an origin as an address, without a port that goes without saying."""
    name = f"[{origin.host}]" if ":" in origin.host else origin.host
    port = "" if origin.port == DEFAULT_PORTS[origin.scheme] else f":{origin.port}"
    return f"{origin.scheme}://{name}{port}"
