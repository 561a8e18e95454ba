"""`zdg cache`: what is kept of the answers that models gave."""

from __future__ import annotations

from zdg_jax.errors import one_of

ACTIONS = ("stats", "clear")


def run(action: str) -> str:
    """Do it and say what was done.

    Args:
      action: "stats" or "clear".
    Raises:
      UserError: another action, or a cache that can't be read.
    """
    from zdg_jax.reasoning.models.answer_cache import CacheStats, UnjudgedAnswers, answer_cache

    one_of("cache action", action, ACTIONS, "e.g. zdg cache stats")
    cache = answer_cache()
    try:
        if action == "clear":
            apart = UnjudgedAnswers(cache)
            apart.clear()
            apart.close()
            return f"{cache.clear()} answers forgotten ({cache.path})"
        stats: CacheStats = cache.stats()
    finally:
        cache.close()
    lines = [f"{stats.answers} answers, {stats.num_bytes / 1e6:.1f} MB, {stats.path}"]
    for provider, model, answers, usd in stats.models:
        paid = "unknown cost" if usd is None else f"${usd:.4f}"
        lines.append(f"  {provider}:{model}: {answers} answers, {paid}")
    return "\n".join(lines)
