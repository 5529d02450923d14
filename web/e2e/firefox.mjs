#!/usr/bin/env node
// Starts the Firefox that FIREFOX names for Playwright, and stands between the two: Debian's release does not know yet
// how to be told of media features, which Playwright always asks for. All else is handed on as it is.

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const { ws: WebSocket, wsServer: WebSocketServer } = createRequire(import.meta.url)(
  '../node_modules/playwright-core/lib/utilsBundle.js',
);
const UNKNOWN = 'emulation.setMediaFeaturesOverride';

const browser = spawn(process.env.FIREFOX, process.argv.slice(2), { stdio: ['ignore', 'inherit', 'pipe'] });
browser.on('exit', (code) => process.exit(code ?? 1));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => browser.kill(signal));
createInterface({ input: browser.stderr }).on('line', (line) => {
  const found = /WebDriver BiDi listening on (ws:\S+)/.exec(line);
  if (found) listen(found[1]);
  else console.error(line);
});

function listen(there) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('listening', () =>
    console.error(`WebDriver BiDi listening on ws://127.0.0.1:${server.address().port}`),
  );
  server.on('connection', (client, request) => {
    const firefox = new WebSocket(there + request.url, { perMessageDeflate: false, maxPayload: 2 ** 30 });
    const waiting = [];
    const send = (text) => (firefox.readyState === WebSocket.OPEN ? firefox.send(text) : waiting.push(text));
    firefox.on('open', () => waiting.splice(0).forEach(send));
    client.on('message', (data) => {
      const text = data.toString();
      const { id, method } = JSON.parse(text);
      if (method === UNKNOWN) client.send(JSON.stringify({ type: 'success', id, result: {} }));
      else send(text);
    });
    firefox.on('message', (data) => client.send(data.toString()));
    firefox.on('close', () => client.close());
    client.on('close', () => firefox.close());
    for (const end of [firefox, client]) end.on('error', (error) => console.error(String(error)));
  });
}
