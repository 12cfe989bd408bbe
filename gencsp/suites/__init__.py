"""Benchmark suites: what is measured, as data, and what measures it (``gencsp bench``).

A suite is a TOML file (:class:`~gencsp.suites.suite.Suite`): its task, settings, where its known
crystals come from, and what was published on it. The task is code
(:mod:`gencsp.suites.tasks`); :func:`~gencsp.suites.run.open_bench` runs it.
"""
