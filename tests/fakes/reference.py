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


def json_schema(fragment: dict[str, Any], *, product: str) -> dict[str, Any]:
    """Return a JSON schema for a fragment of a published one.

    In the published form a property is required unless it says `optional`, and a boolean of PVE is 0 or 1.
    """
    kind = fragment.get("type")
    if kind == "boolean" and product == "pve":
        return {"enum": [0, 1]}
    schema: dict[str, Any] = {"type": kind} if kind else {}
    for key in ("enum", "minimum", "maximum", "minLength", "maxLength"):
        if key in fragment:
            schema[key] = fragment[key]
    if kind == "array" and "items" in fragment:
        schema["items"] = json_schema(fragment["items"], product=product)
    if "properties" in fragment:
        properties = fragment["properties"]
        schema["properties"] = {key: json_schema(value, product=product) for key, value in properties.items()}
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
