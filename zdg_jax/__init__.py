"""zdg-jax: zero-shot, task-oriented dexterous grasp synthesis in JAX."""

__version__ = "0.1.0"
