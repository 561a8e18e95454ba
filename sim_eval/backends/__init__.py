"""Engines that run a scene; all give a `Rollout`."""
