"""Checkpoints read one tensor at a time: safetensors, GGUF, torch.save, shards, folders, the hub cache."""
