"""Hosts that need more than plain `DropMix`. For other hosts see docs/in-your-loop.md.

Read in this order: `transformers` (Hugging Face's Trainer), the only one so far.
"""
