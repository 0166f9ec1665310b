"""The one error of the local cluster."""


class LocalError(RuntimeError):
    """Something needed is missing or failed; the text is one sentence that says what, where and what to do."""
