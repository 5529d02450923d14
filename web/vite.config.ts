import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defaultClientConditions } from 'vite';
import { defineConfig } from 'vitest/config';

const server = process.env.PROMPTSEG_SERVER ?? 'http://127.0.0.1:8765';
const isolated = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  plugins: [svelte()],
  // ONNX Runtime's own loader stays a file of its own: its threads start from it.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
  build: {
    outDir: '../src/promptseg/server/static',
    emptyOutDir: true,
    license: { fileName: 'licences.txt' },
    target: 'es2022',
    chunkSizeWarningLimit: 900,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
  server: { headers: isolated, proxy: { '/v1': server, '/healthz': server } },
  test: { include: ['src/**/*.test.ts'], environment: 'node', testTimeout: 60_000 },
});
