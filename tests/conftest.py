"""What holds for all tests: hypothesis looks for wrong answers, not for slow ones."""

from hypothesis import settings

# A busy machine makes any example slow now and then; where time matters a test measures it itself.
settings.register_profile("vpp", deadline=None)
settings.load_profile("vpp")
