"""Who answers: chat, embeddings and images, by model spec."""
