"""What is silent is not gone, what was told once is not the present, and one witness is not the cluster."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_guests_of_a_node_whose_status_daemon_hangs_stay(case):
    played = case("01")

    played.is_read()

    assert played.state("/nodes[name=pve2]/status") == ["unknown"]
    assert played.state("/vms[vmid=101]/status") == ["unknown"]
    assert played.state("/containers[vmid=102]/status") == ["unknown"]
    assert played.state("/concerns[resourceId=alpha-pve2]/code") == ["node_unmeasured"]
    played.is_right()


def test_a_ceph_that_does_not_answer_any_more_is_not_well(case):
    played = case("07")

    played.is_read()

    assert played.state("/concerns/*/code") == ["ceph_silent"]
    assert played.details("nodes", "ceph1", "/stale") == [["ceph"]]
    played.is_right()


def test_ceph_is_read_from_a_member_that_has_it(case):
    played = case("08")

    played.is_read()

    assert played.state("/concerns/*/text") == ["Ceph: 1 full osd(s) (OSD_FULL)"]
    assert played.details("nodes", "ceph1", "/ceph/health") == ["HEALTH_ERR"]
    played.is_right()


def test_a_member_that_is_cut_off_does_not_speak_for_its_cluster(case):
    played = case("05")

    played.is_read()

    assert played.state("/nodes/*/status") == ["offline", "online", "online"]
    assert played.state("/vms/*/status") == ["unknown", "running", "running"]
    assert played.state("/concerns[resourceId=tri-q1]/code") == ["cut_off"]
    assert played.state("/concerns[resourceId=]/code") == []
    played.is_right()
