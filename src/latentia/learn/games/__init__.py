"""What an adversarial learner is made of: the games, the players, penalties, averaging, and what went wrong."""
