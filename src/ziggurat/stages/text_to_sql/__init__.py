"""What the `SQL` stage is made of: drafts of a query, the vote on their rows, the answer in words."""
