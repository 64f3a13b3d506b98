"""What every test may use: the real mail servers, and how hard Hypothesis searches."""

import os

import hypothesis

pytest_plugins = ["tests.harness.plugin"]

# The default run finds the same on every machine and on every day; the long suites go looking.
# A slow machine is no defect: no example has a deadline, and slow generation is no failure.
_PATIENT = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile(
    "default", derandomize=True, max_examples=60, deadline=None, suppress_health_check=_PATIENT
)
hypothesis.settings.register_profile("proof", max_examples=2000, deadline=None, suppress_health_check=_PATIENT)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
