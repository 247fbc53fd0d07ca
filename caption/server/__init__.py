"""What stands between strangers on the network and the model: the gate, the guard, the API."""
