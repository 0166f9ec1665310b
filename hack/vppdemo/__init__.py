"""The demo: a plant on a real cluster, followed live, and the proof that every reading arrived once.

It runs before any virtual environment exists, so it uses the standard library, kubectl and helm only, and it asks
the running system for every figure that it prints.
"""
