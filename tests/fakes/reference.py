"""Where the published schemas and recorded answers of Proxmox lie, and how to read them.

They are not part of this repository (the recordings have licences of their own): PROXMOX_REFERENCE names a directory with `schema/`
and `recorded/`. Without it a directory `shared/proxmox` beside the repository is taken.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "proxmox"


def reference(name: str) -> Any:
    """Return a reference file; skips the test where there is none, fails it in CI."""
    path = Path(os.environ.get("PROXMOX_REFERENCE", _BESIDE)) / name
    if path.is_file():
        return json.loads(path.read_text())
    reason = f"{name} is not here: set PROXMOX_REFERENCE to the directory with schema/ and recorded/"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


#: Perl prints a number in quotes if it was last a string: keys of which real servers are known to do so.
TEXT_NUMBERS = frozenset(
    {
        *("vmid", "pid", "disk", "maxdisk", "metadata_size", "metadata_used", "lv_size", "used", "ctime"),
        *("pressurecpusome", "pressureiosome", "pressureiofull", "pressurememorysome", "pressurememoryfull"),
        *("keep-daily", "keep-weekly", "keep-monthly"),
    }
)
#: Keys that real servers send with nothing in them.
NULLS = frozenset({"clipboard", "osdid-list"})
NUMBER_AS_TEXT = {"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$"}


def json_schema(fragment: dict[str, Any], *, product: str, name: str = "") -> dict[str, Any]:
    """Return a JSON schema for a fragment of a published one, which describes the property `name`.

    In the published form a property is required unless it says `optional`, and a boolean of PVE and PMG is 0 or 1.
    """
    kind = fragment.get("type")
    if kind == "boolean" and product != "pbs":
        # Before PVE 8 a guest that is no template said so with an empty text.
        return {"enum": [0, 1, ""]} if name == "template" else {"enum": [0, 1]}
    schema: dict[str, Any] = {"type": kind} if kind else {}
    if name in NULLS and product != "pbs":
        return {"type": [kind, "null"]}
    if name in TEXT_NUMBERS and product != "pbs":
        return {"anyOf": [schema, NUMBER_AS_TEXT]}
    for key in ("enum", "minimum", "maximum", "minLength", "maxLength"):
        if key in fragment:
            schema[key] = fragment[key]
    if kind == "array" and "items" in fragment:
        schema["items"] = json_schema(fragment["items"], product=product)
    if "properties" in fragment:
        properties = fragment["properties"]
        schema["properties"] = {
            key: json_schema(value, product=product, name=key) for key, value in properties.items()
        }
        schema["required"] = [
            key for key, value in properties.items() if not value.get("optional") and "default" not in value
        ]
    # PVE tells more keys than it publishes; PBS does not.
    if product == "pbs" and fragment.get("additionalProperties") is False:
        schema["additionalProperties"] = False
    return schema


def returned(schema: dict[str, Any], path: str, *, product: str, method: str = "GET") -> dict[str, Any]:
    """Return the JSON schema of what a call returns under `data`."""
    return json_schema(schema["paths"][path][method]["returns"], product=product)
