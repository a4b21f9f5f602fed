"""Hosts that need more than plain `DropMix`. For all others see docs/in-your-loop.md.

Read in this order: `transformers` (Hugging Face's Trainer), the only one so far.
"""
