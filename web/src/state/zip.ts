// Several files as one ZIP archive, packed as they are: what the server takes label files of many pictures in.

export interface Packed {
  readonly path: string;
  readonly content: Uint8Array;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function checksum(content: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of content) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Bit 11 says that names are UTF-8. */
const FLAGS = 0x0800;
const VERSION = 20;

export function zipOf(files: readonly Packed[]): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const central: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const { path, content } of files) {
    const name = new TextEncoder().encode(path);
    const { length } = content;
    // Version, flags, method, time and date, checksum, packed and plain length, length of the name and of more.
    const common = [VERSION, FLAGS, 0, 0, 0x21].flatMap(two);
    const rest = [
      ...common,
      ...four(checksum(content)),
      ...four(length),
      ...four(length),
      ...two(name.length),
    ];
    const head = [...four(0x04034b50), ...rest, ...two(0)];
    parts.push(bytesOf(head, name), new Uint8Array(content));
    central.push(
      bytesOf([...four(0x02014b50), ...two(VERSION), ...rest, ...Array(12).fill(0), ...four(at)], name),
    );
    at += head.length + name.length + length;
  }
  const size = central.reduce((sum, entry) => sum + entry.length, 0);
  const counts = [0, 0, files.length, files.length].flatMap(two);
  const end = bytesOf([...four(0x06054b50), ...counts, ...four(size), ...four(at), ...two(0)]);
  return new Blob([...parts, ...central, end], { type: 'application/zip' });
}

function two(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

function four(value: number): number[] {
  return [...two(value & 0xffff), ...two(value >>> 16)];
}

function bytesOf(head: readonly number[], name: Uint8Array = new Uint8Array()): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(head.length + name.length);
  bytes.set(head);
  bytes.set(name, head.length);
  return bytes;
}
