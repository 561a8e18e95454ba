"""Hands: model, card, kinematics, grasp types, contact prior."""

from zdg_jax.hands.load import EXTRA_HANDS, HAND_NAMES, load_hand
from zdg_jax.hands.model import GraspType, HandModel

__all__ = ["EXTRA_HANDS", "HAND_NAMES", "GraspType", "HandModel", "load_hand"]
