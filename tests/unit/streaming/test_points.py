"""Line protocol: the names, the stamps and the escapes."""

from __future__ import annotations

from vpp_contract.readings import QUANTITIES
from vpp_workloads.streaming.points import batch_line, chunks, energy_line, state_line

DER = {"site": "house 1", "der": "house 1/pv,a=b", "kind": "pv"}
TAGS = r"der=house\ 1/pv\,a\=b,kind=pv,site=house\ 1,vpp=demo"


def test_an_hours_energy_is_stamped_with_its_start() -> None:
    row = {**DER, "energy_kwh": 0.1 + 0.2, "seq": 60, "event_time_us": 3_600_000_000}
    assert energy_line("demo", row) == (f"twin_energy,{TAGS} energy_kwh=0.30000000000000004,readings=60i 3600000000000")


def test_only_measured_quantities_become_fields() -> None:
    row = {**DER, **dict.fromkeys(QUANTITIES), "boot": 2, "seq": 9, "event_time_us": 5, "created_us": 7}
    row |= {"power_kw": 1.5, "energy_kwh": -0.5, "voltage_v": float("nan")}
    assert state_line("demo", row, 41) == (
        f"twin_state,{TAGS} power_kw=1.5,energy_kwh=-0.5,boot=2i,seq=9i,created_us=7i,batch_id=41i 5000"
    )


def test_two_batches_of_one_moment_stay_two_points() -> None:
    first, second = (batch_line("demo", number, 1_000, {"readings": 3}) for number in (41, 42))
    assert first == "twin_batches,vpp=demo batch_id=41i,readings=3i 1000041"
    assert second.endswith(" 1000042")


def test_requests_have_a_bounded_size() -> None:
    assert [len(chunk) for chunk in chunks((str(number) for number in range(7)), 3)] == [3, 3, 1]
