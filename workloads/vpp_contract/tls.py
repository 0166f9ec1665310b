"""TLS as every client of a plant's brokers uses it: the server must prove its name, no client has a certificate.

The authority travels as PEM text, in `gateway.json`, an environment variable or an option of the Spark source: text
reaches Spark's workers and a site far away alike, a file does not.
"""

from __future__ import annotations

import ssl
from functools import lru_cache


@lru_cache(maxsize=16)
def client_context(authority: str) -> ssl.SSLContext:
    """Return what checks servers against an authority, PEM text; an empty one stands for the machine's own.

    Raises:
        ValueError: the text holds no certificate.
    """
    try:
        context = ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError):
        raise ValueError("the authority's certificate must be PEM text, from BEGIN CERTIFICATE on") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The default from Python 3.13 on; what one version takes all take.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context
