"""`zdg view`: grasps of any file that we read, on a live page."""
