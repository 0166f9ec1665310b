"""Everything that talks to a server. Adapters implement `vpp_operator.ports` and decide nothing."""
