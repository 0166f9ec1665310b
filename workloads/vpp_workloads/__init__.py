"""What runs beside the operator: site gateways, simulated DERs, the streaming twin and what builds on it.

Each subpackage is a program of its own. They share `vpp_contract` and nothing else, except that the simulator drives
gateways. None of them knows the operator or Kubernetes.
"""
