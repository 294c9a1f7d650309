"""Why a demo cannot go on, in words for the person in front of it."""


class DemoError(Exception):
    """Something that the demo needs is missing or failed; the message says what was found and what to do."""
