"""The demonstration: the main job, told as a story."""
