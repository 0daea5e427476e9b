"""The cost: losses, closed-form kernels, the problem itself, its theory, and the bridge to Pymanopt."""
