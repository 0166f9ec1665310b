"""What can go wrong between a broker and the twin, apart from bad readings, which are rows and no errors."""

from __future__ import annotations


class StreamingError(Exception):
    """Base of all errors here; the text says what, where and what to do."""


class BrokerUnavailableError(StreamingError):
    """A broker does not answer, or answers too late; trying again later is right."""


class StreamMissingError(StreamingError):
    """The broker answers, but has no such stream: a stream's name is never reused, so what it held is lost."""


class OptionError(StreamingError, ValueError):
    """An option of the data source is missing or malformed."""


class SinkError(StreamingError):
    """A result could not be written; the batch has to be done again."""
