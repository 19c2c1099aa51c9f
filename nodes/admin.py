"""Instances and their inventory in the admin: for an operator in trouble.

Whatever changes an instance goes through the verbs of `nodes.editing`; what was read from Proxmox is only shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR, InlineModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.views.decorators.csrf import csrf_protect

from nodes import connecting, editing, probe
from nodes.address_admin import AddressRuleAdmin
from nodes.certificate_filter import CERTIFICATES, CertificateFilter, certificate_of
from nodes.choices import InstanceKind
from nodes.drafts import FLAGS, NotValid
from nodes.editing import Outcome, UnknownInstance
from nodes.forms import InstanceForm
from nodes.models import AddressRule, ClusterEndpoint, Datastore, Guest, Instance, Node, Storage
from nodes.proxmox.client import Target
from nodes.proxmox.errors import ProxmoxError
from pulse.lib.crypto import SealBroken
from pulse.lib.instants import ago
from pulse.lib.logs import without_secrets
from pulse.lib.outbound.connecting import PUBLIC

if TYPE_CHECKING:
    InstanceModelAdmin = admin.ModelAdmin[Instance]
    EndpointTabularInline = admin.TabularInline[ClusterEndpoint, Instance]
    InventoryModelAdmin = admin.ModelAdmin[Any]
else:  # the classes take a parameter for type checkers only
    InstanceModelAdmin = InventoryModelAdmin = admin.ModelAdmin
    EndpointTabularInline = admin.TabularInline

#: Connections that one click tries at most, and at once.
TEST_LIMIT = 20
TESTS_AT_ONCE = 10
TEST_SECONDS = 10.0

#: Lists of other apps in which an instance can be chosen: what they are called, and the name of their page.
PAGES: list[tuple[str, str]] = []

OBSERVED = (
    "pages",
    "state",
    "problem",
    "failure_code",
    "failing_since",
    "last_success_at",
    "is_cluster",
    "cluster_name",
    "is_paused",
    "is_fingerprint_learned",
    "renewable_by",
    "certificate_renewed_at",
    "next_poll_at",
    "version",
    "created_at",
    "changed_at",
)


def flag_groups(kinds: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the flags of these kinds; what several kinds have is a group of its own, since a form shows a field once."""
    titles = {(kind,): f"What is monitored ({kind.upper()})" for kind in kinds}
    groups = {title: [flag.name for flag in FLAGS if flag.kinds == own] for own, title in titles.items()}
    groups["Disks"] = [flag.name for flag in FLAGS if len(flag.kinds) > 1 and {*flag.kinds} & {*kinds}]
    return [(title, {"fields": names}) for title, names in groups.items() if names]


class ReadOnly:
    """Rows that polling alone adds, changes and removes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Polling adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Polling changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows go with their instance."""
        return False


class EndpointInline(ReadOnly, EndpointTabularInline):
    """The members of a cluster, as the cluster tells them."""

    model = ClusterEndpoint
    fields = ("node_name", "address", "is_online", "last_seen_at", "fingerprint")
    readonly_fields = fields
    extra = 0
    can_delete = False
    verbose_name_plural = "cluster members"


@admin.register(Instance)
class InstanceAdmin(InstanceModelAdmin):
    """How each instance answers; changed by the same verbs as through the API."""

    form = InstanceForm
    inlines = (EndpointInline,)
    list_display = (
        "name",
        "wire_id",
        "kind",
        "host",
        "answers",
        "last_answer",
        "problem",
        "cluster_name",
        "certificate",
    )
    list_filter = ("kind", "state", "is_paused", CertificateFilter, "is_cluster")
    search_fields = (
        "name",
        "host",
        "cluster_name",
        "failure_message",
        "endpoints__node_name",
        "endpoints__address",
    )
    actions = ("test_connections", "pause_polling", "resume_polling", "poll_now")
    save_on_top = False

    @admin.display(description="answers", ordering="state")
    def answers(self, instance: Instance) -> str:
        """Return the state in words, a pause before everything else."""
        return "Paused" if instance.is_paused else instance.get_state_display()

    @admin.display(description="last answer", ordering="last_success_at", empty_value="never")
    def last_answer(self, instance: Instance) -> str | None:
        """Return how long ago the last good poll was."""
        return ago(instance.last_success_at, timezone.now())

    @admin.display(description="problem", ordering="failure_message")
    def problem(self, instance: Instance) -> str:
        """Return why the last poll failed; a host's words may quote the request that it refused."""
        return without_secrets(instance.failure_message)

    @admin.display(description="history")
    def pages(self, instance: Instance) -> str:
        """Return links to the lists that tell more of this instance."""
        links = ((reverse(page), instance.pk, title) for title, page in PAGES)
        return format_html_join(" · ", '<a href="{}?instance__id__exact={}">{}</a>', links)

    @admin.display(description="certificate", ordering="fingerprint")
    def certificate(self, instance: Instance) -> str:
        """Return how the certificate of the host is judged."""
        return CERTIFICATES[certificate_of(instance)]

    @admin.display(description="certificate may be renewed by")
    def renewable_by(self, instance: Instance) -> str:
        """Return who may renew the pinned certificate without anybody's word."""
        if not instance.authority:
            return "nobody: another one is refused"
        return (
            "public authorities" if instance.authority == PUBLIC else "the authority that has signed this one"
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Instance | None = None) -> tuple[str, ...]:
        """Observed fields are never edited, and the kind of an instance is for ever."""
        return OBSERVED if obj is None else ("kind", *OBSERVED)

    def get_fieldsets(self, request: HttpRequest, obj: Instance | None = None) -> Any:
        """Return the groups of the form: on a new instance without the observed fields."""
        kinds = [obj.kind] if obj is not None else InstanceKind.values
        groups: list[tuple[str | None, dict[str, Any]]] = [
            (None, {"fields": ("kind", "name", "host")}),
            (
                "Credential: a token, or a user with a password",
                {"fields": ("token_id", "token_value", "user", "password")},
            ),
            ("Certificate", {"fields": ("fingerprint", "verify_tls")}),
            *flag_groups(kinds),
        ]
        if obj is not None:
            groups.append(("Observed", {"fields": OBSERVED}))
        return groups

    def get_inlines(
        self, request: HttpRequest, obj: Instance | None
    ) -> list[type[InlineModelAdmin[Any, Any]]]:
        """Return the members for those that have some."""
        return [EndpointInline] if obj is not None and obj.is_cluster else []

    @method_decorator(csrf_protect)
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Serve the form without the transaction that Django puts around it: the host is asked before it is stored.

        A refusal by the verb, which the form could not foresee, leads back with its sentence.
        """
        try:
            return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined,no-any-return]
        except (NotValid, SealBroken) as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        except UnknownInstance:
            self.message_user(request, "The instance was removed meanwhile.", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:nodes_instance_changelist"))

    def save_model(self, request: HttpRequest, obj: Instance, form: Any, change: bool) -> None:
        """Add or change the instance by the verb, and make `obj` what is stored now."""
        if change:
            stored = editing.change(obj.pk, form.checked, at=timezone.now())
        else:
            added = editing.add(form.checked, at=timezone.now())
            stored = added.instance
            if added.outcome is Outcome.UPDATED:
                self.message_user(request, f"This host was configured already as {stored}.", messages.WARNING)
            elif added.outcome is Outcome.MERGED:
                self.message_user(request, f"This host is monitored already as {stored}.", messages.WARNING)
        obj.pk = stored.pk
        obj._state.adding = False
        obj.refresh_from_db()

    def response_add(
        self, request: HttpRequest, obj: Instance, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Lead on, after a test if one was asked for."""
        return self.tested(request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Instance) -> HttpResponse:
        """Lead on, after a test if one was asked for."""
        return self.tested(request, obj) or super().response_change(request, obj)

    def tested(self, request: HttpRequest, instance: Instance) -> HttpResponse | None:
        """Try the connection and lead back to the form when "Save and test" was pressed, else None."""
        if "_test" not in request.POST or IS_POPUP_VAR in request.POST:
            return None
        self.tell_tests(request, [instance])
        return HttpResponseRedirect(reverse("admin:nodes_instance_change", args=[instance.pk]))

    def get_deleted_objects(
        self, objs: Iterable[Instance], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return what a removal takes along as counts: thousands of guests are no list to read."""
        instances = list(objs)
        counts = {
            str(model._meta.verbose_name_plural): model._default_manager.filter(
                instance__in=instances
            ).count()
            for model in (Node, Guest, Storage, Datastore)
        }
        counts = {str(Instance._meta.verbose_name_plural): len(instances)} | counts
        return [f"{instance} ({instance.host})" for instance in instances], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Instance) -> None:
        """Remove the instance by the verb."""
        self.delete_queryset(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[Instance]) -> None:
        """Remove the instances by the verb; one that is gone already is no failure."""
        for instance in queryset:
            try:
                editing.remove(instance.pk, at=timezone.now())
            except UnknownInstance:
                continue

    @admin.action(description="Test the connection", permissions=["change"])
    def test_connections(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Try each connection once and say what was found."""
        self.tell_tests(request, list(queryset[:TEST_LIMIT]))
        if queryset.count() > TEST_LIMIT:
            self.message_user(request, f"Only the first {TEST_LIMIT} were tested.", messages.WARNING)

    def tell_tests(self, request: HttpRequest, instances: Sequence[Instance]) -> None:
        """Try the connections side by side and tell each result in its sentence."""
        with ThreadPoolExecutor(max_workers=TESTS_AT_ONCE) as pool:
            results = list(pool.map(tried, [opened(instance) for instance in instances]))
        for instance, result in zip(instances, results, strict=True):
            if isinstance(result, ProxmoxError):
                message = without_secrets(connecting.words_of(result, instance))
                self.message_user(request, f"Test of {instance}: {message}", messages.ERROR)
            else:
                self.message_user(request, f"Test of {instance}: {result}", messages.SUCCESS)

    @admin.action(description="Pause polling", permissions=["change"])
    def pause_polling(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Stop polling; what is known stays."""
        paused = each(queryset, editing.pause)
        self.note(request, paused, "Polling paused.")
        self.message_user(request, f"{len(paused)} paused.")

    @admin.action(description="Resume polling", permissions=["change"])
    def resume_polling(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Poll again."""
        resumed = each(queryset, editing.resume)
        self.note(request, resumed, "Polling resumed.")
        self.message_user(request, f"{len(resumed)} resumed.")

    @admin.action(description="Poll now", permissions=["change"])
    def poll_now(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Make them due at the next tick; a paused one stays paused."""
        pks = list(queryset.filter(is_paused=False).values_list("pk", flat=True))
        count = Instance.objects.poll_soon(pks)
        self.message_user(request, f"{count} will be polled within a second or two.")
        if paused := queryset.filter(is_paused=True).count():
            self.message_user(request, f"{paused} paused: resume polling first.", messages.WARNING)

    def note(self, request: HttpRequest, instances: Iterable[Instance], message: str) -> None:
        """Put into the history of each instance who did what to it."""
        for instance in instances:
            self.log_change(request, instance, message)


def each(instances: Iterable[Instance], verb: Callable[[int], Instance]) -> list[Instance]:
    """Apply the verb to each instance that is still there; return them as they are now."""
    done = []
    for instance in instances:
        try:
            done.append(verb(instance.pk))
        except UnknownInstance:
            continue
    return done


def opened(instance: Instance) -> Target | ProxmoxError:
    """Return how to call an instance, or why that is not possible; asks the database and no host."""
    try:
        return connecting.target_of(instance)
    except ProxmoxError as error:
        return error


def tried(target: Target | ProxmoxError) -> str | ProxmoxError:
    """Return what one try found, in a sentence, or the failure; uses the network and no database."""
    if isinstance(target, ProxmoxError):
        return target
    try:
        probed = probe.probe(target, timeout_seconds=TEST_SECONDS)
    except ProxmoxError as error:
        return error
    return f"answers as {probed.kind.upper()} {probed.version} after {probed.latency_ms} ms"


class InventoryAdmin(ReadOnly, InventoryModelAdmin):
    """What was read from Proxmox: seen here, never edited. No count of a whole table, which may be long."""

    list_select_related = ("instance",)
    show_full_result_count = False


admin.site.register(AddressRule, AddressRuleAdmin)

GONE = ("gone_at", admin.EmptyFieldListFilter)

admin.site.register(
    Node,
    InventoryAdmin,
    list_display=("name", "instance", "pve_version", "cpu_count", "absent_since", "first_seen_at", "gone_at"),
    list_filter=("instance", GONE),
    search_fields=("name", "instance__name", "pve_version"),
)
admin.site.register(
    Guest,
    InventoryAdmin,
    list_display=("vmid", "name", "kind", "instance", "node_name", "tags", "first_seen_at", "gone_at"),
    list_display_links=("vmid", "name"),
    list_filter=("kind", "instance", GONE),
    search_fields=("=vmid", "name", "node_name", "tags"),
)
admin.site.register(
    Storage,
    InventoryAdmin,
    list_display=("name", "instance", "node_name", "plugin", "content", "first_seen_at", "gone_at"),
    list_filter=("plugin", "instance", GONE),
    search_fields=("name", "node_name", "content"),
)
admin.site.register(
    Datastore,
    InventoryAdmin,
    list_display=("name", "instance", "first_seen_at", "gone_at"),
    list_filter=("instance", GONE),
    search_fields=("name", "instance__name"),
)
