"""compress: Bundle in F32 -> Bundle in F16, Q8_0 or Q4_0, smaller and faster, measured in the engine."""
