"""Public test doubles for code that builds on Ziggurat."""
