"""The demo, ``python -m examples.demo``: a good version is promoted, three bad ones rolled back, each promise checked.

What was seen is kept in a journal (``journal``), judged by pure functions (``promises``), and shown while it happens
(``scene``, ``view``, ``lines``). ``site`` is where it runs, ``install`` what it puts there, ``show`` what happens when.
"""
