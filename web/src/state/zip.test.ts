import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toBase64, wavOf } from './wav.ts';
import { zipOf } from './zip.ts';

describe('an archive', () => {
  it('is one that Python opens, with names of every script', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'zip-'));
    const content = Uint8Array.from({ length: 300 }, (_, at) => (at * 7) % 256);
    const packed = [
      { path: 'labels/犬.txt', content: new TextEncoder().encode('0 0.1 0.2') },
      { path: 'masks/a.png', content },
      { path: 'empty.txt', content: new Uint8Array() },
    ];
    const blob = zipOf(packed);
    const path = join(folder, 'a.zip');
    writeFileSync(path, Buffer.from(await blob.arrayBuffer()));
    const script =
      'import sys, zipfile, json; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; ' +
      'print(json.dumps({n: z.read(n).hex() for n in z.namelist()}))';
    const seen = JSON.parse(execFileSync('python3', ['-c', script, path], { encoding: 'utf8' }));
    expect(seen).toEqual(
      Object.fromEntries(packed.map((file) => [file.path, Buffer.from(file.content).toString('hex')])),
    );
    expect(readFileSync(path).length).toBe(blob.size);
  });
});

describe('sound', () => {
  it('is a WAV file of one channel and 16 bits, cut at full scale', () => {
    const view = new DataView(wavOf(Float32Array.of(0, 0.5, -2, 1), 16000).buffer);
    expect(view.byteLength).toBe(52);
    expect([view.getUint32(24, true), view.getUint16(22, true), view.getUint32(40, true)]).toEqual([
      16000, 1, 8,
    ]);
    expect([0, 1, 2, 3].map((at) => view.getInt16(44 + 2 * at, true))).toEqual([0, 16384, -32767, 32767]);
  });

  it('travels as base64', () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256);
    expect(Buffer.from(toBase64(bytes), 'base64').equals(Buffer.from(bytes))).toBe(true);
  });
});
