"""Integration tests share one real control plane; its fixtures come with it."""

from localplane.testing import namespace, plane, pytest_runtest_makereport

__all__ = ["namespace", "plane", "pytest_runtest_makereport"]
