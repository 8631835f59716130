"""What a model computes on its task's table: logits, losses, activations and gradients, by the fastest exact way."""
