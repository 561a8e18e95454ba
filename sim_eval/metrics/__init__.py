"""Measures of a grasp; each takes meshes and points and returns one number a grasp."""
