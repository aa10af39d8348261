"""Apache Spark as the place where a chain runs over a table."""
