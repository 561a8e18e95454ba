"""Experiments whose outcome the docs show: suites as data, one runner, one page each."""
