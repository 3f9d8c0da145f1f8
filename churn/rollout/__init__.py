"""The judge of a canary: betting on the difference of two tracks, valid however often one looks; docs/rollout.md."""
