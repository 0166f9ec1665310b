"""The three resources as frozen dataclasses: the one place their fields, defaults, bounds and prose are written.

hack/generate.py makes the CustomResourceDefinitions and docs/api-reference.md from them. Pure: no input or output.
"""
