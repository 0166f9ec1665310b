"""The table of bad inputs to gateway and simulator, each with the sentence it gets.

A sentence says what is wrong, where, and what to do. FOLDER stands for the folder the files lie in.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pika.exceptions import (
    AMQPHeartbeatTimeout,
    ChannelClosedByBroker,
    ConnectionBlockedTimeout,
    ConnectionClosedByBroker,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from tests.unit.simulator.folders import write_folder
from vpp_contract.readings import QUANTITIES
from vpp_workloads.gateway.amqp import explain
from vpp_workloads.gateway.intake import measurements_from_lines
from vpp_workloads.gateway.measurement import Measurement, check
from vpp_workloads.gateway.settings import Settings, load_settings, parse_settings
from vpp_workloads.simulator.config import load_config, parse_config
from vpp_workloads.simulator.data import load_building
from vpp_workloads.simulator.sites import site_profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class BadInput:
    """One mistake. `act` makes it in an empty folder; it ends with an error that says `sentence`."""

    what: str
    act: Callable[[Path], object]
    sentence: str


GATEWAY: Final[Mapping[str, Any]] = {
    "site": "house-01",
    "username": "site-house-01",
    "password": "x",
    "channels": {"host": "ingest", "amqp_port": 5672},
}
SETTINGS: Final = Settings(site="house-01", username="site-house-01", password="x", host="ingest")
SIMULATOR: Final[Mapping[str, Any]] = {
    "vpp": "demo",
    "start": "2022-06-21T00:00:00Z",
    "sites": [
        {"site": "a", "gateway_file": "a.json", "ders": [{"name": "pv", "kind": "pv", "nominal_kw": 4.0}]},
    ],
}


def _gateway(**changes: object) -> Callable[[Path], object]:
    return lambda _folder: parse_settings({**GATEWAY, **changes}, "gateway.json")


def _file(read: Callable[[Path], object], name: str, content: str | None) -> Callable[[Path], object]:
    def act(folder: Path) -> object:
        if content is not None:
            (folder / name).write_text(content)
        return read(folder / name)

    return act


def _refused(error: BaseException) -> Callable[[Path], object]:
    def act(_folder: Path) -> object:
        raise ConnectionError(explain(error, SETTINGS))

    return act


def _line(line: str) -> Callable[[Path], object]:
    return lambda _folder: measurements_from_lines([b"", line.encode()])


def _measurement(**changes: Any) -> Callable[[Path], object]:
    values: dict[str, Any] = {
        "der": "house-01/pv", "kind": "pv", "event_time_us": 1, "interval_seconds": 1.0, "power_kw": 1.0,
        "energy_kwh": 1.0,
    }  # fmt: skip
    return lambda _folder: check(Measurement(**{**values, **changes}), "house-01")


def _simulator(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def act(_folder: Path) -> object:
        values: dict[str, Any] = copy.deepcopy(dict(SIMULATOR))
        change(values)
        config = parse_config(values, "simulator.json")
        return [site_profiles(site, config) for site in config.sites]

    return act


def _der(**changes: object) -> Callable[[Path], object]:
    return _simulator(lambda values: values["sites"][0]["ders"][0].update(changes))


def _data(file: str, change: Callable[[list[str]], object]) -> Callable[[Path], object]:
    """Change the lines of a file of a good data folder and load its first building."""

    def act(folder: Path) -> object:
        write_folder(folder, days=3)
        lines = (folder / file).read_text().splitlines()
        change(lines)
        (folder / file).write_text("\n".join(lines) + "\n")
        return load_building(folder, "Building_1")

    return act


def _schema(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def act(folder: Path) -> object:
        write_folder(folder, days=3)
        schema = json.loads((folder / "schema.json").read_text())
        change(schema["buildings"])
        (folder / "schema.json").write_text(json.dumps(schema))
        return load_building(folder, "Building_1")

    return act


def _set(lines: list[str], places: int | tuple[int, ...], column: int, text: str) -> None:
    for line in (places,) if isinstance(places, int) else places:
        cells = lines[line - 1].split(",")
        cells[column] = text
        lines[line - 1] = ",".join(cells)


def _without_file(folder: Path) -> object:
    write_folder(folder, days=3)
    (folder / "weather.csv").unlink()
    return load_building(folder, "Building_1")


def _unknown_day(folder: Path) -> object:
    write_folder(folder, days=3)
    values: dict[str, Any] = {**SIMULATOR, "data_folder": str(folder), "start": "2022-11-05T00:00:00Z"}
    values["sites"] = [{**SIMULATOR["sites"][0], "profile": {"type": "Data", "building": "Building_1"}}]
    config = parse_config(values, "simulator.json")
    return site_profiles(config.sites[0], config)


GATEWAY_SETTINGS: Final = (
    BadInput(
        what="no settings file",
        act=_file(load_settings, "gateway.json", None),
        sentence="FOLDER/gateway.json: cannot be read (No such file or directory); give the gateway.json of this site",
    ),
    BadInput(
        what="settings that are no JSON",
        act=_file(load_settings, "gateway.json", "site: house-01"),
        sentence="FOLDER/gateway.json: no JSON (Expecting value: line 1 column 1 (char 0)); "
        "give the gateway.json of this site",
    ),
    BadInput(
        what="settings that are a list",
        act=_file(load_settings, "gateway.json", "[]"),
        sentence="FOLDER/gateway.json: must hold one JSON object, not a list",
    ),
    BadInput(
        what="settings without a password",
        act=_gateway(password=""),
        sentence="gateway.json: \"password\" must be a text that is not empty, not ''",
    ),
    BadInput(
        what="settings of a plant without channels",
        act=_gateway(channels=None),
        sentence='gateway.json: "channels" is missing; has the plant a QueueChannel yet?',
    ),
    BadInput(
        what="TLS that is neither on nor off",
        act=_gateway(channels={"host": "h", "tls": "yes"}),
        sentence="gateway.json: channels: \"tls\" must be true or false, not 'yes'",
    ),
    BadInput(
        what="an authority that is a file's name",
        act=_gateway(authority="ca.pem"),
        sentence='gateway.json: "authority" must be PEM text, from BEGIN CERTIFICATE on',
    ),
    BadInput(
        what="channels that are an address",
        act=_gateway(channels="ingest:5672"),
        sentence='gateway.json: "channels" must be an object with the broker\'s "host" and "amqp_port"',
    ),
    BadInput(
        what="a port out of range",
        act=_gateway(channels={"host": "ingest", "amqp_port": 70000}),
        sentence='gateway.json: channels: "amqp_port" must be a whole number from 1 to 65535, not 70000',
    ),
    BadInput(
        what="a batch of no readings",
        act=_gateway(batch_readings=0),
        sentence='gateway.json: "batch_readings" must be a whole number of at least 1, not 0',
    ),
    BadInput(
        what="a spool of a text's size",
        act=_gateway(spool_bytes="64Mi"),
        sentence="gateway.json: \"spool_bytes\" must be a whole number of at least 1, not '64Mi'",
    ),
    BadInput(
        what="a negative pause",
        act=_gateway(linger_seconds=-1),
        sentence='gateway.json: "linger_seconds" must be a number of at least 0, not -1',
    ),
    BadInput(
        what="a filter of something that is not measured",
        act=_gateway(filter={"quantities": {"power_w": {"deadband": 1}}}),
        sentence="gateway.json: filter: power_w: is no quantity; use one of " + ", ".join(QUANTITIES),
    ),
    BadInput(
        what="a filter with a band of another name",
        act=_gateway(filter={"quantities": {"power_kw": {"band": 1}}}),
        sentence='gateway.json: filter: power_kw: must be an object with "deadband" and "min_interval_seconds", '
        "either or both",
    ),
    BadInput(
        what="a filter without quantities",
        act=_gateway(filter={"deadband": 1}),
        sentence='gateway.json: filter: must be an object with "quantities", an object of bands by quantity',
    ),
    BadInput(
        what="an unknown way to sync",
        act=_gateway(spool_sync="Sometimes"),
        sentence='gateway.json: "spool_sync" must be "Normal" or "Full", not \'Sometimes\'',
    ),
)

CREDENTIALS: Final = (
    BadInput(
        what="a wrong password",
        act=_refused(ProbableAuthenticationError("ConnectionClosedByBroker: (403) 'ACCESS_REFUSED'")),
        sentence="broker ingest:5672 refused the login of site-house-01 (ACCESS_REFUSED); check username and password",
    ),
    BadInput(
        what="an account without a virtual host",
        act=_refused(ProbableAccessDeniedError("denied")),
        sentence="broker ingest:5672 does not let site-house-01 into its virtual host; "
        "check the permissions of the account",
    ),
    BadInput(
        what="another site's account",
        act=_refused(ChannelClosedByBroker(403, "ACCESS_REFUSED - write access to topic refused")),
        sentence="broker ingest:5672 does not let site-house-01 write readings.house-01 to exchange ingress "
        "(ACCESS_REFUSED); use the credentials of this site",
    ),
    BadInput(
        what="a broker of something else",
        act=_refused(ChannelClosedByBroker(404, "NOT_FOUND - no exchange 'ingress' in vhost '/'")),
        sentence="broker ingest:5672 has no exchange ingress (NOT_FOUND); is it a channel of this plant?",
    ),
    BadInput(
        what="a port of something else",
        act=_refused(IncompatibleProtocolError("The protocol returned by the server is not supported")),
        sentence="ingest:5672 does not speak AMQP 0.9.1; give the port of RabbitMQ's AMQP listener",
    ),
    BadInput(
        what="a broker that is down",
        act=_refused(ConnectionRefusedError(111, "Connection refused")),
        sentence="nothing listens at ingest:5672; is the broker up?",
    ),
    BadInput(
        what="a broker behind a closed door",
        act=_refused(TimeoutError("TCP connection attempt timed out")),
        sentence="broker ingest:5672 did not answer within 10 s; is it reachable from here?",
    ),
    BadInput(
        what="a broker that restarts",
        act=_refused(ConnectionClosedByBroker(320, "CONNECTION_FORCED - broker forced connection closure")),
        sentence="broker ingest:5672 closed the connection: CONNECTION_FORCED - broker forced connection closure",
    ),
    BadInput(
        what="a broker that is stuck",
        act=_refused(AMQPHeartbeatTimeout("No activity")),
        sentence="broker ingest:5672 was silent for two heartbeats of 20 s",
    ),
    BadInput(
        what="a broker that is full",
        act=_refused(ConnectionBlockedTimeout("Blocked connection timeout expired.")),
        sentence="broker ingest:5672 blocked publishers for 300 s; is its disk or memory full?",
    ),
)

MEASUREMENTS: Final = (
    BadInput(
        what="a line that is no JSON",
        act=_line("pv 1.5 kW"),
        sentence="line 2: no JSON: Expecting value: line 1 column 1 (char 0)",
    ),
    BadInput(what="a line that is a list", act=_line("[1]"), sentence="line 2: a JSON list; send one object a line"),
    BadInput(
        what="a line that brings its own identity",
        act=_line('{"der": "house-01/pv", "boot": 3}'),
        sentence='line 2: field "boot" is given by the gateway; leave it out',
    ),
    BadInput(
        what="a line without power",
        act=_line('{"der": "a/b", "kind": "pv", "event_time_us": 1, "interval_seconds": 1, "energy_kwh": 0}'),
        sentence="line 2: field 'power_kw' is missing",
    ),
    BadInput(
        what="another site's DER",
        act=_measurement(der="house-011/pv"),
        sentence="der 'house-011/pv' does not belong to site house-01; name it house-01/<device>",
    ),
    BadInput(
        what="an unknown kind of DER",
        act=_measurement(kind="boiler"),
        sentence="kind 'boiler' of house-01/pv is unknown; use one of pv, battery, load, wind, hydro, ev",
    ),
    BadInput(
        what="an infinite power",
        act=_measurement(power_kw=float("inf")),
        sentence="power_kw of house-01/pv is inf; leave out what was not measured",
    ),
)

SIMULATOR_SETTINGS: Final = (
    BadInput(
        what="no configuration",
        act=_file(load_config, "simulator.json", None),
        sentence="FOLDER/simulator.json: cannot be read (No such file or directory); "
        "set VPP_SIMULATOR_CONFIG to simulator.json",
    ),
    BadInput(
        what="a configuration that is no JSON",
        act=_file(load_config, "simulator.json", "{"),
        sentence="FOLDER/simulator.json: no JSON "
        "(Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
    ),
    BadInput(
        what="a start without a time zone",
        act=_simulator(lambda values: values.update(start="2022-06-21T00:00:00")),
        sentence='simulator.json: "start" has no time zone; write 2022-06-21T00:00:00Z for UTC',
    ),
    BadInput(
        what="a start within an hour",
        act=_simulator(lambda values: values.update(start="2022-06-21T00:30:00Z")),
        sentence='simulator.json: "start" must be a full hour, not 2022-06-21T00:30:00Z',
    ),
    BadInput(
        what="a start that is no time",
        act=_simulator(lambda values: values.update(start="midsummer")),
        sentence="simulator.json: \"start\" must be a time such as 2022-06-21T00:00:00Z, not 'midsummer'",
    ),
    BadInput(
        what="an interval that does not divide an hour",
        act=_simulator(lambda values: values.update(reading_interval_seconds=7)),
        sentence='simulator.json: "reading_interval_seconds" must divide an hour, 7 does not; use 60, say',
    ),
    BadInput(
        what="a simulation of no days",
        act=_simulator(lambda values: values.update(days=0)),
        sentence='simulator.json: "days" must be a number from 1 to 366, not 0',
    ),
    BadInput(
        what="a site that is listed twice",
        act=_simulator(lambda values: values["sites"].append(values["sites"][0])),
        sentence='simulator.json: site "a" is listed 2 times; give each site a name of its own',
    ),
    BadInput(
        what="a site without DERs",
        act=_simulator(lambda values: values["sites"][0].update(ders=[])),
        sentence="simulator.json: sites[0]: site a has no DERs; give it at least one",
    ),
    BadInput(
        what="two DERs of one name",
        act=_simulator(lambda values: values["sites"][0]["ders"].append({"name": "pv", "kind": "load"})),
        sentence="simulator.json: sites[0]: two DERs of site a have the same name; give each a name of its own",
    ),
    BadInput(
        what="a building without a data folder",
        act=_simulator(lambda values: values["sites"][0].update(profile={"type": "Data", "building": "Building_1"})),
        sentence='simulator.json: site "a" follows a building, but "data_folder" is not set; name the folder',
    ),
    BadInput(
        what="a latitude beyond the pole",
        act=_simulator(lambda values: values["sites"][0].update(location={"latitude": 91, "longitude": 0})),
        sentence='simulator.json: sites[0]: location: "latitude" must be a number from -90 to 90, not 91',
    ),
    BadInput(
        what="a kind of DER that does not exist",
        act=_der(kind="coal"),
        sentence='simulator.json: sites[0]: ders[0]: "kind" must be one of '
        "pv, battery, load, wind, hydro, ev, not 'coal'",
    ),
    BadInput(
        what="panels without a size",
        act=_der(nominal_kw=None),
        sentence='DER a/pv: "nominal_kw" is missing',
    ),
    BadInput(
        what="panels that hang over",
        act=_der(tilt_deg=120),
        sentence='DER a/pv: "tilt_deg" must be a number from 0 to 90, not 120',
    ),
    BadInput(
        what="a load profile that BDEW does not have",
        act=_der(kind="load", profile="H7"),
        sentence="DER a/pv: \"profile\" must be one of h0, h0_dyn, g0, g1, g2, g3, g4, g5, g6, l0, l1, l2, not 'h7'",
    ),
)

DATA_FILES: Final = (
    BadInput(
        what="a folder that is not there",
        act=lambda folder: load_building(folder / "nowhere", "Building_1"),
        sentence="FOLDER/nowhere/schema.json: cannot be read (No such file or directory); a data folder needs it",
    ),
    BadInput(
        what="a building that is not in the folder",
        act=_schema(lambda buildings: buildings.update(Castle=buildings.pop("Building_1"))),
        sentence="FOLDER/schema.json: has no building 'Building_1'; it names 2: Building_2, Castle",
    ),
    BadInput(
        what="a file outside the folder",
        act=_schema(lambda buildings: buildings["Building_1"].update(weather="../weather.csv")),
        sentence='FOLDER/schema.json: "weather" of Building_1 must be the name of a file in the folder, '
        "not '../weather.csv'",
    ),
    BadInput(
        what="panels without a size in the folder",
        act=_schema(lambda buildings: buildings["Building_1"].pop("pv")),
        sentence='FOLDER/schema.json: "pv.attributes.nominal_power" of Building_1 must be the panels\' size in kW, '
        "not None",
    ),
    BadInput(
        what="a file that is missing",
        act=_without_file,
        sentence="FOLDER/weather.csv: cannot be read (No such file or directory); add it to the data folder",
    ),
    BadInput(
        what="a column that is missing",
        act=_data("Building_1.csv", lambda lines: _set(lines, 1, 7, "load")),
        sentence="FOLDER/Building_1.csv: has no column non_shiftable_load; "
        "see docs/profiles.md for the columns it needs",
    ),
    BadInput(
        what="a word among numbers",
        act=_data("Building_1.csv", lambda lines: _set(lines, 12, 11, "sunny")),
        sentence="FOLDER/Building_1.csv, line 12, column solar_generation: 'sunny' is no number",
    ),
    BadInput(
        what="a negative load",
        act=_data("Building_1.csv", lambda lines: _set(lines, 3, 7, "-0.5")),
        sentence="FOLDER/Building_1.csv, line 3, column non_shiftable_load: -0.5 is outside 0 to 1e+06",
    ),
    BadInput(
        what="not a number among numbers",
        act=_data("weather.csv", lambda lines: _set(lines, 5, 0, "nan")),
        sentence="FOLDER/weather.csv, line 5, column outdoor_dry_bulb_temperature: 'nan' is no number",
    ),
    BadInput(
        what="a row cut short",
        act=_data("Building_1.csv", lambda lines: lines.__setitem__(9, "8,8,1")),
        sentence="FOLDER/Building_1.csv, line 10: has 3 cells, the header names 12 columns",
    ),
    BadInput(
        what="values that are missing",
        act=_data("Building_1.csv", lambda lines: _set(lines, (4, 5, 6, 7, 8), 7, "")),
        sentence="FOLDER/Building_1.csv, column non_shiftable_load: no value in line 4, 5, 6 and 2 more; "
        "gaps are not filled, complete the file",
    ),
    BadInput(
        what="hours that are missing",
        act=_data("Building_1.csv", lambda lines: [lines.pop(20) for _ in range(3)]),
        sentence="FOLDER/Building_1.csv, line 21, column hour: hour 22 follows hour 18, where hour 19 was due; "
        "rows must follow each other hour by hour",
    ),
    BadInput(
        what="a month out of order",
        act=_data("Building_1.csv", lambda lines: _set(lines, 30, 0, "11")),
        sentence="FOLDER/Building_1.csv, line 30, column month: month 11 follows month 8 at hour 4; "
        "a month begins with hour 1 and follows the one before it",
    ),
    BadInput(
        what="an hour that does not exist",
        act=_data("Building_1.csv", lambda lines: _set(lines, 2, 1, "25")),
        sentence="FOLDER/Building_1.csv, line 2, column hour: 25 is outside 1 to 24",
    ),
    BadInput(
        what="weather of other hours",
        act=_data("weather.csv", lambda lines: lines.pop()),
        sentence="FOLDER/weather.csv: has 71 rows, Building_1.csv has 72; they must be about the same hours",
    ),
    BadInput(
        what="a file without rows",
        act=_data("pricing.csv", lambda lines: lines.__delitem__(slice(1, None))),
        sentence="FOLDER/pricing.csv: has no rows; the first line names the columns, each further line is one hour",
    ),
    BadInput(
        what="a day that the folder does not have",
        act=_unknown_day,
        sentence="Building_1: has no row for 05 November, hour 1 (simulated 2022-11-05T00:00:00Z); "
        "choose another start or fewer days",
    ),
)

BAD_INPUTS: Final = (*GATEWAY_SETTINGS, *CREDENTIALS, *MEASUREMENTS, *SIMULATOR_SETTINGS, *DATA_FILES)
