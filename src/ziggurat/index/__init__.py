"""What is known: documents, chunks, vectors and words, in one directory."""
