"""Clips: prompts on some of their pictures become masks on all. Reading, tracking, writing."""
