"""What becomes of refined grasps: how the hand comes and presses, and whether that holds (DESIGN §2)."""
