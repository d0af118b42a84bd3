"""The losses, one module each. Images are Bx3xHxW in [-1, 1]; every loss is a scalar tensor."""
