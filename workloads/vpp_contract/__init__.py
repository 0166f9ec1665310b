"""What crosses between images: readings, commands, tables, names, environment.

The operator and every workload import this package, and nothing else is shared between them.
It may use the standard library only and does no input or output, so that each image can carry it for free.
"""
