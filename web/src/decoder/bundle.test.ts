import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Bundle } from './bundle.ts';

/** A bundle of one graph, as safetensors are written: a head of JSON, and numbers. */
function made(): ArrayBuffer {
  const graph = Uint8Array.of(0x08, 0x0a); // ir_version 10
  const half = Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x0001); // 1, -2, 0.5, the smallest
  const whole = Float32Array.of(0.1, 3);
  const head = {
    __metadata__: { graphs: JSON.stringify({ view: { w: "w'", b: 'b' } }) },
    'graph/view': { dtype: 'U8', shape: [2], data_offsets: [0, 2] },
    "w'": { dtype: 'F16', shape: [2, 2], data_offsets: [2, 10] },
    b: { dtype: 'F32', shape: [2], data_offsets: [10, 18] },
  };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const out = new Uint8Array(8 + text.length + 18);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(graph, 8 + text.length);
  out.set(new Uint8Array(half.buffer), 10 + text.length);
  out.set(new Uint8Array(whole.buffer), 18 + text.length);
  return out.buffer;
}

/** Reads a model of ONNX with nothing but Python's own means: the fields of protocol buffers. */
const READ = `
import json, struct, sys
def fields(data):
    at, out = 0, []
    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]; at += 1
            value |= (byte & 127) << shift; shift += 7
            if byte < 128: return value
    while at < len(data):
        key = number()
        if key & 7: length = number(); value = data[at:at + length]; at += length
        else: value = number()
        out.append((key >> 3, value))
    return out
found = []
for number, value in fields(sys.stdin.buffer.read()):
    if number == 7:
        for inner, tensor in fields(value):
            parts = fields(tensor)
            dims = [v for n, v in parts if n == 1]
            rest = {n: v for n, v in parts if n != 1}
            raw = rest[9]
            found.append([rest[8].decode(), dims, rest[2], list(struct.unpack(f"<{len(raw) // 4}f", raw))])
    else:
        found.append([number, value])
print(json.dumps(found))
`;

describe('a bundle', () => {
  it('becomes complete models: the graph, and its weights under their names, widened', () => {
    const model = new Bundle(made()).model('view');
    const found = JSON.parse(execFileSync('python3', ['-c', READ], { input: model, encoding: 'utf8' }));
    expect(found[0]).toEqual([1, 10]);
    expect(found[1]).toEqual(['w', [2, 2], 1, [1, -2, 0.5, 2 ** -24]]);
    expect(found[2].slice(0, 3)).toEqual(['b', [2], 1]);
    expect(found[2][3]).toEqual([Math.fround(0.1), 3]);
  });
});
