"""Local embeddings: BERT encoders on OpenVINO."""
