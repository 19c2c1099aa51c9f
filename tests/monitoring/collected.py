"""What the tests of the slow lanes share: turns of them against the fake, and what the fake was asked meanwhile."""

from __future__ import annotations

from datetime import timedelta

from monitoring.collecting import judging, run
from monitoring.known.facts import FACTS
from monitoring.known.lanes import name_of
from monitoring.store.current import store
from tests.conftest import NOON

#: Everything that a monitor can make use of.
MONITOR = (
    "Sys.Audit",
    "Datastore.Audit",
    "Datastore.Allocate",
    "VM.Audit",
    "Pool.Audit",
    "SDN.Audit",
    "Mapping.Audit",
    "VM.GuestAgent.Audit",
)


def allowed(site, *privileges, path="/"):
    """Credentials of an account with these privileges, as fields of an instance."""
    token_id, token_value = site.add_token("slow", {path: privileges or MONITOR})
    return {"token_id": token_id, "token_value": token_value}


def with_token(watched, site, privileges=None):
    """Give the monitor's token exactly these privileges, by path; everything useful unless told."""
    site.set_privileges(site.token_id, {"/": MONITOR} if privileges is None else privileges)
    return watched


def moment(watched):
    """The instant of the last poll."""
    return NOON + timedelta(seconds=watched.seconds)


def turn(watched, *, after=10, times=1):
    """Poll and let the slow lanes take their turn, some times; returns whether the last one was taken."""
    taken = False
    for _ in range(times):
        watched.poll(after=after)
        taken = run.collect(watched.instance.pk, moment(watched))
    return taken


def judge(watched):
    """Judge what is known by now."""
    return judging.judge_if_due(moment(watched))


def facts_of(watched):
    """What the slow lanes know of the instance."""
    return store().load(FACTS, of=watched.instance.pk)


def progress_of(watched):
    """How far each lane has come with each of its subjects, by what the two are called together."""
    return {
        name_of(lane, subject): one
        for lane, subjects in facts_of(watched).progress.items()
        for subject, one in subjects.items()
    }


def forget_time(watched, *groups):
    """Let the lanes of these groups be due, whatever their period."""
    facts = facts_of(watched)
    facts.progress = {lane: known for lane, known in facts.progress.items() if lane.group not in groups}


def paths(server):
    """The paths that a server was asked since the last reset, with how often."""
    return dict(server.traffic.snapshot()["requests"])


def asked(servers, part):
    """How often all these servers were asked a path that holds a text."""
    return sum(count for server in servers for path, count in paths(server).items() if part in path)


def refusals(servers):
    """The statuses other than 200 that these servers have answered with, and how often."""
    found = {}
    for server in servers:
        for status, count in server.traffic.snapshot()["statuses"].items():
            if status != "200":
                found[status] = found.get(status, 0) + count
    return found


def reset(servers):
    """Count from now on."""
    for server in servers:
        server.traffic.reset()
