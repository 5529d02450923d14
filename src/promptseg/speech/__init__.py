"""Recordings to words: decoding, Whisper, and what is said around a phrase."""
