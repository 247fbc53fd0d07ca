"""How a description is made."""
