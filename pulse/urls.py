"""All routes: the API, the pages, the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path, re_path

from accounts import views as accounts
from pulse import api, pages

urlpatterns: list[URLPattern | URLResolver] = [
    *api.urlpatterns,
    path("", pages.home, name="home"),
    path("login", accounts.sign_in, name="login"),
    path("logout", accounts.sign_out, name="logout"),
    path("setup", accounts.set_up, name="setup"),
    path("admin/", admin.site.urls),
    # 15.5: any other address leads to the page, but for those of programs, files and the admin.
    re_path(r"^(?!api(?:/|$)|ws|socket\.io|static/|admin(?:/|$)).+$", pages.home),
]

handler400 = "pulse.lib.errors.handler400"
handler403 = "pulse.lib.errors.handler403"
handler404 = "pulse.lib.errors.handler404"
handler500 = "pulse.lib.errors.handler500"
