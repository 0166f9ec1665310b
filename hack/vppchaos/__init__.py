"""Faults in a running plant: a schedule of them, how each is done, and whether anything was lost."""
