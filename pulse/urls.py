"""All routes, one line each: the API, the pages, the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path, re_path

from accounts import api as accounts
from accounts.views import change_password, set_up, sign_in, sign_out
from monitoring.api import (
    backfills,
    backups,
    charts,
    events,
    forecasts,
    history,
    remote_write,
    resources,
    state,
    storage_charts,
    storages,
    whatif,
)
from monitoring.api.pve_exporter import pve
from nodes import api as nodes
from pulse import diagnostics, metrics, pages, ready, views
from pulse.openapi import views as openapi

#: The API, in the order of the contract (http-api.md section 2).
API: list[URLPattern] = [
    # 3. Core
    path("api/health", views.HealthView.as_view()),
    path("api/ready", ready.ReadyView.as_view()),
    path("api/version", views.VersionView.as_view()),
    path("api/state", state.StateView.as_view()),
    path("api/config", state.PublicConfigView.as_view()),
    # 4. Monitoring data
    path("api/charts", charts.ChartsView.as_view()),
    path("api/storage", storages.StorageListView.as_view()),
    path("api/storage/", storages.StorageListView.as_view()),
    path("api/storage/<str:identity>", storages.StorageView.as_view()),
    path("api/storage-charts", storage_charts.StorageChartsView.as_view()),
    path("api/backups", backups.BackupsView.as_view()),
    path("api/backups/", backups.BackupsView.as_view()),
    path("api/backups/unified", backups.BackupsView.as_view()),
    path("api/backups/pve", backups.PveBackupsView.as_view()),
    path("api/backups/pbs", backups.PbsBackupsView.as_view()),
    path("api/backups/sources", backups.BackupSourcesView.as_view()),
    path("api/snapshots", backups.SnapshotsView.as_view()),
    path("api/history/events", events.EventsView.as_view()),
    path("api/history/whatif", whatif.WhatIfView.as_view()),
    path("api/forecasts", forecasts.ForecastsView.as_view()),
    path("api/resources/<path:identity>/explain", resources.ExplanationView.as_view()),
    path("api/resources/<path:identity>/history", history.HistoryView.as_view()),
    path("api/resources/<path:identity>", resources.ResourceView.as_view()),
    # What hosts have kept of the past
    path("api/history/backfills", backfills.BackfillListView.as_view()),
    path("api/history/backfills/<str:backfill_id>/cancel", backfills.BackfillCancelView.as_view()),
    # Ours: the samples, and to whom they are written
    path("api/history/remote-write", remote_write.RemoteWriteListView.as_view()),
    path("api/history/remote-write/<int:target_id>", remote_write.RemoteWriteView.as_view()),
    path("api/history/remote-write/<int:target_id>/test", remote_write.RemoteWriteTestView.as_view()),
    # 5. Node configuration
    path("api/config/nodes", nodes.NodeListView.as_view()),
    path("api/config/nodes/test-connection", nodes.ConnectionTestView.as_view()),
    path("api/config/nodes/test-config", nodes.ConfigTestView.as_view()),
    path("api/config/nodes/certificate", nodes.CertificateView.as_view()),
    path("api/config/nodes/", nodes.NodeView.as_view()),
    path("api/config/nodes/<str:node_id>", nodes.NodeView.as_view()),
    path("api/config/nodes/<str:node_id>/test", nodes.NodeTestView.as_view()),
    path("api/config/nodes/<str:node_id>/permissions", nodes.NodePermissionsView.as_view()),
    # The description of all this
    path("api/openapi.json", openapi.DocumentView.as_view()),
    path("api/docs", openapi.PageView.as_view()),
    # 12. Diagnostics
    path("api/diagnostics", diagnostics.DiagnosticsView.as_view()),
    path("api/diagnostics/export", diagnostics.DiagnosticsExportView.as_view()),
    path("api/diagnostics/<str:node_id>", diagnostics.InstanceReportView.as_view()),
    # 13. Security
    path("api/security/status", accounts.SecurityStatusView.as_view()),
    path("api/security/me", accounts.SelfView.as_view()),
    path("api/security/tokens", accounts.TokenListView.as_view()),
    path("api/security/tokens/<str:public_id>", accounts.TokenView.as_view()),
    # For Prometheus (clients.md 3)
    path("metrics", metrics.metrics),
    path("pve", pve),
    # 15. The feed, and what is left of its predecessors
    path("simple-stats", state.simple_stats),
    path("ws", state.socket_without_upgrade),
    path("socket.io/", state.socket_io),
    path("socket.io/<path:rest>", state.socket_io),
]

urlpatterns: list[URLPattern | URLResolver] = [
    *API,
    path("", pages.home, name="home"),
    path("login", sign_in, name="login"),
    path("logout", sign_out, name="logout"),
    path("password", change_password, name="password"),
    path("setup", set_up, name="setup"),
    path("admin/", admin.site.urls),
    # 15.5: any other address leads to the page, but for those of programs, files and the admin.
    re_path(r"^(?!api(?:/|$)|ws|socket\.io|static/|admin(?:/|$)|(?:metrics|pve)(?:/|$)).+$", pages.home),
]

handler400 = "pulse.lib.errors.handler400"
handler403 = "pulse.lib.errors.handler403"
handler404 = "pulse.lib.errors.handler404"
handler500 = "pulse.lib.errors.handler500"
