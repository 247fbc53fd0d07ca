"""What stands between strangers on the network and the model."""
