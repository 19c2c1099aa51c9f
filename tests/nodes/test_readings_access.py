from __future__ import annotations

import pytest

from nodes.proxmox import access
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.access import AccountReading, TokenReading


def test_privileges_of_pve_are_held_with_either_flag_and_go_on_with_one() -> None:
    reading = access.read_permissions({"/": {"Sys.Audit": 1, "VM.Audit": 0}})

    assert reading.held == {"/": frozenset({"Sys.Audit", "VM.Audit"})}
    assert reading.inherited == {"/": frozenset({"Sys.Audit"})}


def test_privileges_of_pbs_are_read_from_true_and_false() -> None:
    reading = access.read_permissions({"/datastore/main": {"Datastore.Audit": True, "Datastore.Read": False}})

    assert reading.has("/datastore/main", "Datastore.Read") is True
    assert reading.has("/datastore/main/ns", "Datastore.Audit") is True
    assert reading.has("/datastore/main/ns", "Datastore.Read") is False


def test_the_nearest_path_above_decides() -> None:
    reading = access.read_permissions({"/": {"VM.Audit": 1}, "/vms": {"VM.PowerMgmt": 1}})

    assert reading.has("/vms/100", "VM.Audit") is False
    assert reading.has("/nodes/pve1", "VM.Audit") is True


def test_an_account_that_may_do_nothing_is_a_reading() -> None:
    reading = access.read_permissions({})

    assert reading.has("/", "Sys.Audit") is False


@pytest.mark.parametrize("data", [None, [], "x", {"vms": {"VM.Audit": 1}}, {5: {}}])
def test_permissions_that_cannot_be_read_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        access.read_permissions(data)


def test_permissions_of_too_many_paths_are_a_bad_answer() -> None:
    with pytest.raises(BadAnswer):
        access.read_permissions({f"/vms/{number}": {"VM.Audit": 1} for number in range(20_001)})


def test_a_path_with_too_many_privileges_is_cut() -> None:
    reading = access.read_permissions({"/": {f"Privilege.{number}": 1 for number in range(500)}})

    assert len(reading.held["/"]) == 256


def test_an_account_is_read_with_its_tokens_and_zero_is_never() -> None:
    data = {
        "expire": 0,
        "email": "a@b.test",
        "tokens": {"web": {"expire": "1798761600"}, "cli": {"privsep": 1}, "": {}},
    }

    assert access.read_account(data) == AccountReading(
        None, (TokenReading("cli"), TokenReading("web", 1798761600))
    )


@pytest.mark.parametrize(
    ("user", "tokens", "token", "expected"),
    [
        (None, (TokenReading("web", 50),), "web", 50),
        (40, (TokenReading("web", 50),), "web", 40),
        (60, (TokenReading("web", 50),), "web", 50),
        (None, (TokenReading("cli", 50),), "web", None),
        (40, (), "", 40),
        (None, (), "", None),
    ],
)
def test_an_account_ends_with_its_user_or_its_own_token(
    user: int | None, tokens: tuple[TokenReading, ...], token: str, expected: int | None
) -> None:
    assert AccountReading(user, tokens).ends_epoch(token) == expected


def test_a_token_of_a_backup_server_is_read() -> None:
    row = {"tokenid": "pulse@pbs!web", "expire": 1798761600}

    assert access.read_token(row) == TokenReading("pulse@pbs!web", 1798761600)
