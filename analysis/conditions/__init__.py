"""Conditions: with which release, global tags, runs and buckets every number was made."""
