"""The load generator: ``python -m examples.load``, or as a library ``LoadGenerator(Plan(...)).run()``."""

from examples.load.generator import LoadGenerator
from examples.load.plan import Plan, WrongPlanError
from examples.load.tally import Failure, FeedbackCount, Snapshot, VersionCount

__all__ = ["Failure", "FeedbackCount", "LoadGenerator", "Plan", "Snapshot", "VersionCount", "WrongPlanError"]
