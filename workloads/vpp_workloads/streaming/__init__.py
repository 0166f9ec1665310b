"""From streams on the channels to the digital twin: the Spark source, exact deduplication, the twin, its sinks."""
