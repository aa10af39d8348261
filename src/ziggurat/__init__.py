"""Ziggurat: multi-stage reasoning over your documents."""
