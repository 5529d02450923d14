"""SA-1B as a data set: shards read and written, changed as a stream, kept as Parquet for queries."""
