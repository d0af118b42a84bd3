"""Weights of luma, written once.

They are whole numbers over a common denominator. Sums of whole numbers are exact in float64 whatever the order of the
additions, and one division is correctly rounded, so floor and round fall the same way on every machine. (Written with
65.481, 128.553, 24.966 directly, 46 of the 16.7 million colours floor to another level.)
"""

from __future__ import annotations

import numpy as np

FULL = 299.0, 587.0, 114.0
"""Of R, G and B in ITU-R BT.601's full range, over `FULL_DENOMINATOR`: 0.299 R + 0.587 G + 0.114 B."""
FULL_DENOMINATOR = 1000.0

STUDIO = 21827.0, 42851.0, 8322.0
"""Of R, G and B in BT.601's limited range, over `STUDIO_DENOMINATOR`: (65.481 R + 128.553 G + 24.966 B) / 255."""
STUDIO_DENOMINATOR = 85000.0

FULL_FLOAT32 = np.array([weight / FULL_DENOMINATOR for weight in FULL], dtype=np.float32)
"""`FULL` as factors, for pictures to look at, where no rounding hangs on the last bit."""
FULL_FLOAT32.setflags(write=False)
