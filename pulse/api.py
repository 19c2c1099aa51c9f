"""All routes of the API, one line each, in the order of the contract (http-api.md section 2)."""

from __future__ import annotations

from django.urls import URLPattern, path

urlpatterns: list[URLPattern] = []
