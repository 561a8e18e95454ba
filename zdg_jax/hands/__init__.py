"""Hands: model, card, kinematics, grasp types, contact prior."""

from zdg_jax.hands.model import GraspType, HandModel
from zdg_jax.hands.registry import EXTRA_HANDS, HAND_NAMES, load_hand

__all__ = ["EXTRA_HANDS", "HAND_NAMES", "GraspType", "HandModel", "load_hand"]
