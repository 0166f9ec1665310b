"""Pure builders of manifests: values in, plain dictionaries out. No input or output, no clock, no randomness."""
