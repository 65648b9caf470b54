"""Settings for all tests."""

from hypothesis import settings

# No test is timed, those of hypothesis neither: the machine may be busy.
settings.register_profile("rilaas", deadline=None)
settings.load_profile("rilaas")
