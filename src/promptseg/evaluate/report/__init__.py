"""Writes a summary as table, JSON, CSV, and one HTML page with plots and pictures."""
