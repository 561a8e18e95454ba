"""The `offline` reasoner: an affordance table plus geometry, no key and no network (DESIGN §5)."""

from __future__ import annotations

from zdg_jax.reasoning.offline.reasoner import OfflineReasoner

__all__ = ["OfflineReasoner"]
