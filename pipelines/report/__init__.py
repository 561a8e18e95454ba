"""What a person opens after a run: the scene, the report, and the live page of `zdg view`."""
