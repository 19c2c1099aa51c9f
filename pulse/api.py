"""All routes of the API, one line each, in the order of the contract (http-api.md section 2)."""

from __future__ import annotations

from django.urls import URLPattern, path

from accounts import api as accounts
from monitoring import api as monitoring
from nodes import api as nodes
from pulse import views

urlpatterns: list[URLPattern] = [
    # 3. Core
    path("api/health", views.health),
    path("api/version", views.version),
    path("api/state", monitoring.whole_state),
    path("api/config", monitoring.public_config),
    # 5. Node configuration
    path("api/config/nodes", nodes.node_list),
    path("api/config/nodes/test-connection", nodes.test_connection),
    path("api/config/nodes/test-config", nodes.test_config),
    path("api/config/nodes/certificate", nodes.certificate),
    path("api/config/nodes/", nodes.node_detail),
    path("api/config/nodes/<str:node_id>", nodes.node_detail),
    path("api/config/nodes/<str:node_id>/test", nodes.test_node),
    # 13. Security
    path("api/security/status", accounts.security_status),
    path("api/security/me", accounts.who_am_i),
    path("api/security/tokens", accounts.token_list),
    path("api/security/tokens/<str:public_id>", accounts.token_detail),
    # 15. The feed, and what is left of its predecessors
    path("simple-stats", monitoring.simple_stats),
    path("ws", monitoring.socket_without_upgrade),
    path("socket.io/", monitoring.socket_io),
    path("socket.io/<path:rest>", monitoring.socket_io),
]
