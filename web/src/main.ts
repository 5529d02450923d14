import './style.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { Server, tokenOfAddress } from './server/client.ts';
import { Studio } from './state/studio.svelte.ts';
import { words } from './words/words.svelte.ts';

document.documentElement.lang = words.language;
const theme = localStorage.getItem('promptseg.theme');
if (theme) document.documentElement.dataset.theme = theme;

const studio = new Studio(new Server(tokenOfAddress()));
mount(App, { target: document.getElementById('app')!, props: { studio } });
void studio.start();
