"""How secrets are made, kept, and sealed to those who may read them."""
