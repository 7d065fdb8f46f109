"""Reading PyTorch models: modules in memory and exported programs."""
