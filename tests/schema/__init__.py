"""What the shapes are held to, and the protocol between collectives by its vectors."""
