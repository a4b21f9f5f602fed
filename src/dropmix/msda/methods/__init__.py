"""One method per file, and nothing else: each draws a `Mix`.

Read in this order: `vanilla`, `mixup`, `cutmix` (a share, a box), `mixup_cutmix` (either), then `fmix`, `gridmix`,
`smoothmix` (other masks), `resizemix`, `recursivemix`, `samplepairing`, `saliencymix`, `attentivemix` and `puzzlemix`
(where the image matters), `manifoldmix` (hidden states).
"""
