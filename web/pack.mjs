// Finishes the built studio in a folder: its service worker learns which files there are, and assets are packed with
// gzip, each in place of itself: the server sends them packed, and the package is smaller.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const [folder] = process.argv.slice(2);
const assets = join(folder, 'assets');
const files = readdirSync(assets).map((name) => `/assets/${name.replace(/\.gz$/, '')}`);
const worker = join(folder, 'sw.js');
const list = JSON.stringify(['/', '/icon.svg', ...files]);
writeFileSync(worker, readFileSync(worker, 'utf8').replace('const FILES = [];', `const FILES = ${list};`));
for (const name of readdirSync(assets)) {
  const path = join(assets, name);
  if (name.endsWith('.gz')) continue;
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
  rmSync(path);
}
// The examples are there to be tried by who has no picture at hand.
const examples = new URL('../examples/', import.meta.url);
mkdirSync(join(folder, 'samples'), { recursive: true });
for (const name of readdirSync(examples))
  if (name.endsWith('.jpg')) copyFileSync(new URL(name, examples), join(folder, 'samples', name));
