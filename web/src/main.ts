import './style.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { Server, tokenOfAddress } from './server/client.ts';
import { Studio } from './state/studio.svelte.ts';
import { words } from './words/words.svelte.ts';

const WAIT_MS = 1500;

document.documentElement.lang = words.language;
const theme = localStorage.getItem('promptseg.theme');
if (theme) document.documentElement.dataset.theme = theme;

const studio = new Studio(new Server(tokenOfAddress()));
mount(App, { target: document.getElementById('app')!, props: { studio } });

/** What works without the server is in place before the server is asked for anything. */
async function keepAtHand(): Promise<void> {
  if (!import.meta.env.PROD || !navigator.serviceWorker) return;
  const { serviceWorker } = navigator;
  try {
    const registration = await serviceWorker.register('/sw.js');
    if (registration && !serviceWorker.controller)
      await Promise.race([
        new Promise((resolve) => serviceWorker.addEventListener('controllerchange', resolve, { once: true })),
        new Promise((resolve) => setTimeout(resolve, WAIT_MS)),
      ]);
  } catch {
    // The studio works without it, as long as the server does.
  }
}

void keepAtHand()
  .then(() => studio.start())
  .then(() => navigator.serviceWorker?.controller?.postMessage({}));
