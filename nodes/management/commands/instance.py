"""`pulse instance`: add, test, list, remove, pause and resume instances from the command line."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from nodes import authorities, configuring, connecting, editing, probe, reach
from nodes.addresses import spelled_fingerprint
from nodes.choices import InstanceKind
from nodes.drafts import Checked, Draft, NotValid
from nodes.editing import Outcome, UnknownInstance
from nodes.models import Instance
from nodes.proxmox.errors import ProxmoxError
from nodes.serializers import InstanceSerializer
from pulse.lib.causes import caused
from pulse.lib.crypto import SealBroken
from pulse.lib.instants import ago
from pulse.lib.logs import clean

#: Exit codes beside 0; 78 is a configuration that cannot be used at all.
CONNECTION_FAILED = 1
WRONG_INPUT = 2
NOT_CONFIRMED = 3
NOT_FOUND = 4

TEST_SECONDS = 10.0

EXAMPLES = """
The secret is asked for, or read from a file or from standard input. No option takes the secret itself, because every
user of the machine can see the arguments of a command.

  pulse instance add --type pve --host pve1.lab --token-id pulse@pam!pulse
  pulse instance add --type pbs --host pbs.lab --token-id pulse@pbs!pulse --token-value-file /run/secrets/pbs
  pulse instance test pve-0
  pulse instance list
  pulse instance allow-loopback   where Pulse runs on the Proxmox host and shall watch it at 127.0.0.1

Exit codes: 0 done, 1 the host cannot be reached or refuses, 2 wrong input, 3 certificate not confirmed,
4 no such instance, 78 the configuration of Pulse cannot be used.
"""


class Command(BaseCommand):
    """Configure instances without a browser, by the same verbs."""

    help = "Add, test, list, remove, pause or resume the instances that Pulse monitors."

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Show the examples below the options as they are written."""
        from argparse import RawDescriptionHelpFormatter

        parser = super().create_parser(prog_name, subcommand, epilog=EXAMPLES, **options)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare one sub-command per verb."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        # Not abbreviated: `--password x` would be taken for the name of a file, after every user could read it.
        self.declare_add(verbs.add_parser("add", help="start to monitor a host", allow_abbrev=False))
        listing = verbs.add_parser("list", help="show what is configured")
        listing.add_argument("--json", action="store_true", help="as the API lists it")
        for verb, help_text in (
            ("test", "try the stored connection and explain each step"),
            ("remove", "stop to monitor an instance and forget what was read of it"),
            ("pause", "stop polling; what is known stays"),
            ("resume", "poll again"),
        ):
            subparser = verbs.add_parser(verb, help=help_text)
            subparser.add_argument("instance", help="the id, such as pve-0, or the name")
            if verb == "remove":
                subparser.add_argument("--yes", action="store_true", help="do not ask")
        verbs.add_parser("allow-loopback", help="let hosts be watched at 127.0.0.1, ::1 and the like")
        verbs.add_parser("refuse-loopback", help="no longer; as it is by default")

    def declare_add(self, parser: ArgumentParser) -> None:
        """Declare the options of `add`."""
        parser.add_argument("--type", required=True, choices=InstanceKind.values)
        parser.add_argument("--host", required=True, help="name or address; the port has a default")
        parser.add_argument("--name", default="", help="how it is called here; by default as the host")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--token-id", default="", help="user@realm!name of an API token")
        who.add_argument("--user", default="", help="user@realm, with a password instead of a token")
        parser.add_argument(
            "--token-value-file",
            "--password-file",
            dest="secret_file",
            default="",
            help="file that holds the secret, - for standard input",
        )
        trust = parser.add_mutually_exclusive_group()
        trust.add_argument(
            "--fingerprint", default="", help="SHA-256 of the certificate, as Proxmox shows it"
        )
        trust.add_argument(
            "--accept-certificate", action="store_true", help="pin the certificate that the host shows now"
        )
        trust.add_argument(
            "--verify-tls", action="store_true", help="let the certificate authorities of this machine decide"
        )
        parser.add_argument(
            "--no-test", action="store_true", help="store it without asking the host anything"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the verb; a refusal leaves with its exit code."""
        verbs: dict[str, Callable[[dict[str, Any]], None]] = {
            "add": self.add,
            "list": self.list,
            "test": self.test,
            "remove": self.remove,
            "pause": self.pause,
            "resume": self.resume,
            "allow-loopback": self.allow_loopback,
            "refuse-loopback": self.refuse_loopback,
        }
        try:
            with caused(by="the command line"):
                verbs[options["verb"]](options)
        except NotValid as problem:
            fail(problem.message, WRONG_INPUT)
        except SealBroken as problem:
            fail(f"the credential cannot be stored: {problem}", WRONG_INPUT)
        except ProxmoxError as error:
            fail(str(error), CONNECTION_FAILED)
        except UnknownInstance:
            fail("the instance was removed meanwhile", NOT_FOUND)

    # --- add ------------------------------------------------------------------------------------------------------

    def add(self, options: dict[str, Any]) -> None:
        """Confirm the certificate, try the connection, then store the instance."""
        draft = configuring.proposed(
            asked_for(options)
        )  # what is wrong with it is told before anything is sent
        if not options["no_test"]:
            draft = self.confirmed(draft, is_accepted=options["accept_certificate"])
            probed = probe.probe(configuring.target_of(draft), timeout_seconds=TEST_SECONDS)
            self.tell(f"Login works: {probed.kind.upper()} {probed.version}, {probed.latency_ms} ms")
        added = editing.add(draft, at=timezone.now())
        cluster = added.instance.cluster_name
        whole = f"the cluster {cluster}" if cluster else "what is monitored already"
        words = {
            Outcome.ADDED: "Added {0.wire_id}, {0.name}.",
            Outcome.UPDATED: "This host was configured already: updated {0.wire_id}, {0.name}.",
            Outcome.MERGED: "This host belongs to {1}, which is {0.wire_id}, {0.name}.",
        }
        self.tell(words[added.outcome].format(added.instance, whole))

    def confirmed(self, draft: Checked, *, is_accepted: bool) -> Checked:
        """Return the draft with the certificate that was confirmed; leaves with 3 when it is not confirmed."""
        if draft.fingerprint or draft.verify_tls:
            return draft
        if draft.host.startswith("http://"):
            self.tell("Without TLS the credential travels in clear.")
            if not is_accepted and not agreed("Send it all the same?"):
                fail("not confirmed; nothing was sent to the host", NOT_CONFIRMED)
            return draft
        shown = probe.certificate_of(draft.host, policy=reach.policy(), timeout_seconds=TEST_SECONDS)
        self.tell(f"{draft.host} shows this certificate:")
        self.describe(shown)
        if not is_accepted and not agreed("Is this the certificate of your host?"):
            fail("the certificate is not confirmed; nothing was sent to the host", NOT_CONFIRMED)
        return replace(draft, fingerprint=shown.fingerprint)

    def describe(self, shown: probe.Certificate) -> None:
        """Print what a certificate says about itself."""
        self.tell(f"  subject      {shown.subject}")
        self.tell(f"  issuer       {shown.issuer}")
        if shown.not_after is not None:
            self.tell(f"  valid until  {shown.not_after:%Y-%m-%d}")
        self.tell(f"  names        {', '.join(shown.names)}")
        self.tell(f"  SHA-256      {spelled_fingerprint(shown.fingerprint)}")
        self.tell(f"  trusted      {'by this machine' if shown.is_trusted else 'by nobody known here'}")

    # --- the other verbs --------------------------------------------------------------------------------------------

    def list(self, options: dict[str, Any]) -> None:
        """Print a table, or the API's form."""
        instances = Instance.objects.prefetch_related("endpoints")
        if options["json"]:
            self.stdout.write(
                json.dumps([InstanceSerializer(instance).data for instance in instances], indent=2)
            )
            return
        now = timezone.now()
        rows = [("ID", "NAME", "HOST", "STATE", "LAST ANSWER", "PROBLEM")]
        for instance in instances:
            rows.append(
                (
                    instance.wire_id,
                    clean(instance.name),
                    instance.host,
                    "Paused" if instance.is_paused else instance.get_state_display(),
                    ago(instance.last_success_at, now) or "never",
                    clean(instance.failure_message),
                )
            )
        for line in table(rows):
            self.stdout.write(line)

    def test(self, options: dict[str, Any]) -> None:
        """Try the stored connection, one line per step; the first failure ends with 1."""
        instance = found_instance(options["instance"])
        self.step("address", instance.host)
        target = self.tried("credential", lambda: connecting.target_of(instance))
        self.step(
            "credential",
            f"{target.credential.kind} of {target.credential.token_id or target.credential.user}",
        )
        if target.url.startswith("https://"):
            shown = self.tried(
                "certificate",
                lambda: probe.certificate_of(target.url, policy=target.policy, timeout_seconds=TEST_SECONDS),
            )
            is_expected, words = judged(instance, shown)
            self.step(
                "certificate", f"{spelled_fingerprint(shown.fingerprint)}, {words}", is_passed=is_expected
            )
        else:
            self.step("certificate", "none: the connection is not encrypted")
        probed = self.tried("login", lambda: probe.probe(target, timeout_seconds=TEST_SECONDS))
        self.step("login", f"accepted by {probed.kind.upper()} {probed.version} after {probed.latency_ms} ms")
        if probed.kind == InstanceKind.PBS:
            self.step("contents", f"{probed.datastore_count} datastore(s)")
        else:
            cluster = f" of the cluster {probed.cluster.name}" if probed.cluster and probed.is_cluster else ""
            self.step("contents", f"{probed.node_count} node(s){cluster}")

    def tried(self, step: str, call: Callable[[], Any]) -> Any:
        """Return what the step brings; print the failure and leave with 1 when it fails."""
        try:
            return call()
        except ProxmoxError as error:
            self.step(step, str(error), is_passed=False)
            fail(f"the test failed at the {step}", CONNECTION_FAILED)

    def step(self, name: str, text: str, *, is_passed: bool = True) -> None:
        """Print how a step went."""
        self.tell(f"{'ok' if is_passed else 'failed':<7} {name:<12} {text}")

    def remove(self, options: dict[str, Any]) -> None:
        """Remove an instance, after asking."""
        instance = found_instance(options["instance"])
        if not options["yes"] and not agreed(
            f"Remove {instance.wire_id}, {instance.name} ({instance.host})?"
        ):
            fail("not removed; --yes removes without asking", NOT_CONFIRMED)
        former = editing.remove(instance.pk, at=timezone.now())
        self.tell(f"Removed {former.wire_id}, {former.name}.")

    def pause(self, options: dict[str, Any]) -> None:
        """Stop polling an instance."""
        self.tell(f"Paused {editing.pause(found_instance(options['instance']).pk).wire_id}.")

    def resume(self, options: dict[str, Any]) -> None:
        """Poll an instance again."""
        self.tell(f"Resumed {editing.resume(found_instance(options['instance']).pk).wire_id}.")

    def allow_loopback(self, options: dict[str, Any]) -> None:
        """Let hosts be called at the loopback addresses of this machine."""
        editing.allow_loopback(is_allowed=True)
        self.tell("Hosts may be watched at the loopback addresses of this machine.")

    def refuse_loopback(self, options: dict[str, Any]) -> None:
        """Call no host at the loopback addresses of this machine any more."""
        editing.allow_loopback(is_allowed=False)
        self.tell("No host is called at the loopback addresses of this machine.")

    def tell(self, text: str) -> None:
        """Print a line in which a host's words cannot steer the terminal."""
        self.stdout.write(clean(text))


def fail(message: str, code: int) -> NoReturn:
    """Leave with a sentence and an exit code."""
    raise CommandError(clean(message), returncode=code) from None


def asked_for(options: dict[str, Any]) -> Draft:
    """Return what was asked for; the secret comes from a file, stdin or a prompt."""
    secret = read_secret(options["secret_file"], "Token secret: " if options["token_id"] else "Password: ")
    if not secret:
        fail("the secret is empty", WRONG_INPUT)
    return Draft(
        kind=options["type"],
        name=options["name"],
        host=options["host"],
        user=options["user"],
        token_id=options["token_id"],
        fingerprint=options["fingerprint"] or None,
        verify_tls=options["verify_tls"] or None,
        token_value=secret if options["token_id"] else "",
        password="" if options["token_id"] else secret,
    )


def read_secret(path: str, prompt: str) -> str:
    """Return the secret without its line end; leaves with 2 when the file cannot be read."""
    if path and path != "-":
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"the file with the secret cannot be read: {type(error).__name__}", WRONG_INPUT)
    if path == "-" or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return getpass.getpass(prompt)


def agreed(question: str) -> bool:
    """Return whether a person at a terminal says yes; nobody there is a no."""
    if not sys.stdin.isatty():
        return False
    return input(f"{clean(question)} [y/N] ").strip().lower() in ("y", "yes")


def found_instance(text: str) -> Instance:
    """Return the instance with this id or name; leaves with 4 when there is none, with 2 when there are two."""
    instances = list(Instance.objects.all())
    by_id = [instance for instance in instances if instance.wire_id == text]
    matches = by_id or [instance for instance in instances if instance.name == text]
    if not matches:
        fail(f"there is no instance {text}; `pulse instance list` shows them", NOT_FOUND)
    if len(matches) > 1:
        fail(
            f"{text} is the name of {' and '.join(match.wire_id for match in matches)}; use the id",
            WRONG_INPUT,
        )
    return matches[0]


def judged(instance: Instance, shown: probe.Certificate) -> tuple[bool, str]:
    """Return whether the certificate is the expected one, and the words for it."""
    if instance.fingerprint:
        is_pinned = shown.fingerprint == instance.fingerprint
        if not is_pinned and instance.authority and authorities.vouches(instance) == shown.fingerprint:
            return True, "renewed by the authority of the pinned one"
        return (
            is_pinned,
            "as pinned" if is_pinned else f"not {spelled_fingerprint(instance.fingerprint)}, which is pinned",
        )
    if instance.verify_tls:
        return shown.is_trusted, "trusted" if shown.is_trusted else "not trusted by this machine"
    return True, "accepted without a check"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines with aligned columns; the last column is as long as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]
