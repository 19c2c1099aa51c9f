"""One process per data directory."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from pulse.env import EnvError
from pulse.runtime.lock import sole_process
from pulse.runtime.refusals import StartRefused


def test_the_lock_file_names_the_process_that_holds_it(tmp_path):
    with sole_process(tmp_path):
        assert (tmp_path / "pulse.lock").read_text() == f"{os.getpid()}\n"


def test_a_second_holder_is_refused_with_the_id_of_the_first(tmp_path):
    with (
        sole_process(tmp_path),
        pytest.raises(StartRefused, match=rf"process {os.getpid()} already runs on the data directory"),
        sole_process(tmp_path),
    ):
        pass


def test_the_lock_is_free_again_after_the_block(tmp_path):
    with sole_process(tmp_path):
        pass

    with sole_process(tmp_path):
        assert (tmp_path / "pulse.lock").exists()


def test_a_killed_holder_leaves_no_lock_behind(tmp_path):
    code = (
        "import sys, time, pathlib; from pulse.runtime.lock import sole_process\n"
        f"with sole_process(pathlib.Path({str(tmp_path)!r})):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
    finally:
        holder.kill()
        holder.communicate()

    with sole_process(tmp_path):
        assert (tmp_path / "pulse.lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_file_is_for_its_owner_only(tmp_path):
    with sole_process(tmp_path):
        assert (tmp_path / "pulse.lock").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path, capfd):
    (tmp_path / "file").write_text("")

    with pytest.raises(EnvError) as refusal, sole_process(tmp_path / "file" / "data"):
        pass

    assert refusal.value.code == 78
    assert "cannot be written (Not a directory)" in capfd.readouterr().err


def test_a_symbolic_link_in_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "pulse.lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(EnvError), sole_process(tmp_path):
        pass

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("number", "is_refused"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EIO, True)]
)
def test_a_full_disk_is_no_reason_not_to_start_and_a_broken_one_is(tmp_path, monkeypatch, number, is_refused):
    def failing(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pulse.runtime.lock.os.pwrite", failing)

    if is_refused:
        with (
            pytest.raises(StartRefused, match="cannot be written: Input/output error"),
            sole_process(tmp_path),
        ):
            pass
    else:
        with sole_process(tmp_path):
            assert (tmp_path / "pulse.lock").exists()
