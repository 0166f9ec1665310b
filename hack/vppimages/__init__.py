"""Builds the container images and brings them to a cluster.

The Containerfiles in workloads/images are ordinary ones that any builder takes. What this package adds is speed and
sharing: an image is named by the content of its inputs, built once for all checkouts of a user, and its last layer, our
own code, is added without building. Standard library only.
"""
