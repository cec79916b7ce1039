"""llama.cpp behind the seam: one memory of keys and values that many sequences share, scored and continued in packs."""
