/** Widens little-endian float16 numbers. */
export function widen(halves: Uint16Array): Float32Array {
  const out = new Float32Array(halves.length);
  const bits = new Uint32Array(out.buffer);
  for (let at = 0; at < halves.length; at++) {
    const half = halves[at];
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) out[at] = (sign ? -1 : 1) * fraction * 2 ** -24;
    else if (exponent === 31) bits[at] = sign | 0x7f800000 | (fraction << 13);
    else bits[at] = sign | ((exponent + 112) << 23) | (fraction << 13);
  }
  return out;
}
