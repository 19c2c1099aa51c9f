"""How the certificate of each host is judged, as a column and a filter of the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from nodes.models import Instance

#: How the certificate of a host is judged, in the order of the judgement.
CERTIFICATES = {
    "none": "not encrypted",
    "learned": "pinned when first seen",
    "confirmed": "pinned as confirmed",
    "authorities": "checked by the authorities",
    "unchecked": "accepted without a check",
}


def certificate_of(instance: Instance) -> str:
    """Return which of CERTIFICATES holds for an instance."""
    if instance.host.startswith("http://"):
        return "none"
    if instance.fingerprint:
        return "learned" if instance.is_fingerprint_learned else "confirmed"
    return "authorities" if instance.verify_tls else "unchecked"


class CertificateFilter(admin.SimpleListFilter):
    """Narrows the list by how certificates are judged: whose credential could somebody else read?"""

    title = "certificate"
    parameter_name = "certificate"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return list(CERTIFICATES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        """Return the instances of which the chosen judgement holds."""
        if self.value() not in CERTIFICATES:
            return queryset
        if self.value() == "none":
            return queryset.filter(host__startswith="http://")
        encrypted = queryset.exclude(host__startswith="http://")
        if self.value() in ("learned", "confirmed"):
            return encrypted.exclude(fingerprint="").filter(is_fingerprint_learned=self.value() == "learned")
        return encrypted.filter(fingerprint="", verify_tls=self.value() == "authorities")
