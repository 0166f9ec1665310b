"""The operator: makes VPPCluster, QueueChannel and NanoGrid resources real, and keeps them so."""

__version__ = "0.1.0"
