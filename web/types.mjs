// Writes src/server/openapi.ts, the TypeScript types of the server's JSON and the values of its enums, from openapi.json (tools/studio_openapi.py).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';

const target = new URL('src/server/openapi.ts', import.meta.url);

/** Arrays of a fixed length are tuples of numbers: sizes, places, boxes. */
function tuple({ type, minItems, maxItems }) {
  if (type !== 'array' || minItems === undefined || minItems !== maxItems) return undefined;
  const number = ts.factory.createKeywordTypeNode(ts.SyntaxKind.NumberKeyword);
  const numbers = ts.factory.createTupleTypeNode(Array(minItems).fill(number));
  return ts.factory.createTypeOperatorNode(ts.SyntaxKind.ReadonlyKeyword, numbers);
}

const types = await openapiTS(readFileSync(new URL('openapi.json', import.meta.url), 'utf8'), {
  enumValues: true,
  immutable: true,
  rootTypes: true,
  rootTypesNoSchemaPrefix: true,
  transform: tuple,
});
// Its helper for enums looks for lists that may be changed; ours may not.
const written = astToString(types).replaceAll(
  /(?<=extends |Extract<T\[K\], )unknown\[\](?= \||>\[)/g,
  'readonly $&',
);
const text = `// Made by types.mjs; not to be changed by hand.\n${written}`;
// A file that has not changed keeps its time, so that nothing is built again for it.
if (!existsSync(target) || readFileSync(target, 'utf8') !== text) writeFileSync(target, text);
