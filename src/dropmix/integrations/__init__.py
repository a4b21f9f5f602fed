"""Hosts that need more than plain `DropMix`: so far Hugging Face's Trainer. For all others see docs/in-your-loop.md."""
