"""A chain over a table: on this machine, or on Apache Spark."""
