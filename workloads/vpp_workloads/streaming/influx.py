"""Writing points and asking for them, synchronously and with a deadline: what cannot be written fails its batch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from vpp_workloads.streaming.errors import SinkError
from vpp_workloads.streaming.points import chunks
from vpp_workloads.streaming.settings import InfluxSettings

_DEADLINE_MS: Final = 10_000
_TRIES: Final = 3


class Influx:
    """A client of one bucket."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._client = InfluxDBClient(
            url=settings.url, token=settings.token, org=settings.org, timeout=_DEADLINE_MS, enable_gzip=True
        )
        self._write = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: Iterable[str]) -> None:
        """Write lines; returns after the server has confirmed all.

        Raises:
            SinkError: not confirmed after some tries, or refused.
        """
        for chunk in chunks(lines):
            self._write_chunk(chunk)

    def _write_chunk(self, chunk: list[str]) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                self._write.write(self._settings.bucket, record=chunk)
                return
            except (ApiException, HTTPError, OSError) as error:
                refused = isinstance(error, ApiException) and error.status in (400, 401, 403, 404, 413, 422)
                if refused or attempt == _TRIES:
                    raise SinkError(f"InfluxDB at {self._settings.url} took no points: {_words(error)}") from None
                time.sleep(0.5 * attempt)

    def rows(self, flux: str) -> Iterable[dict[str, Any]]:
        """Yield the records that a Flux query returns.

        Raises:
            SinkError: the server does not answer, or refuses.
        """
        try:
            for record in self._client.query_api().query_stream(flux):
                yield record.values
        except (ApiException, HTTPError, OSError) as error:
            raise SinkError(f"InfluxDB at {self._settings.url} did not answer a query: {_words(error)}") from None

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._settings.bucket

    def check(self) -> None:
        """Return if the bucket can be read.

        Raises:
            SinkError: it cannot, with the reason.
        """
        for _ in self.rows(f'from(bucket: "{self.bucket}") |> range(start: -1s) |> limit(n: 1)'):
            pass

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _words(error: Exception) -> str:
    if isinstance(error, ApiException):
        return f"{error.status} {error.message or error.reason}"
    return str(error) or type(error).__name__
