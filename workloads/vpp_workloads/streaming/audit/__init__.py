"""The proof: what gateways had confirmed against what the history holds, and the source's energy against the twin's."""
