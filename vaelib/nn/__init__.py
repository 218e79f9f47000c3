"""What the networks are built of: Keras and its backend, layers, the optimizer, the rotation of the initial weights."""
