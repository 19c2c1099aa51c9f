"""All routes of the API, one line each, in the order of the contract (http-api.md section 2)."""

from __future__ import annotations

from django.urls import URLPattern, path

from nodes import api as nodes
from pulse import views

urlpatterns: list[URLPattern] = [
    # 3. Core
    path("api/health", views.health),
    path("api/version", views.version),
    # 5. Node configuration
    path("api/config/nodes", nodes.node_list),
    path("api/config/nodes/test-connection", nodes.test_connection),
    path("api/config/nodes/test-config", nodes.test_config),
    path("api/config/nodes/certificate", nodes.certificate),
    path("api/config/nodes/", nodes.node_detail),
    path("api/config/nodes/<str:node_id>", nodes.node_detail),
    path("api/config/nodes/<str:node_id>/test", nodes.test_node),
]
