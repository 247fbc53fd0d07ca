"""How well a picture supports a statement."""
