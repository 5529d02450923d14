// Keeps what the studio needs to open without its server: the page itself, and what was last seen of pictures and
// models. The server always comes first; only when it cannot be reached is something kept shown, and marked as kept.

const PAGE = 'promptseg-page';
const MODELS = 'promptseg-models';
const WORK = 'promptseg-work';
/** Answers about pictures that are kept at most. */
const MOST = 400;
/** The files of the page; pack.mjs writes them here. */
const FILES = [];

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

// The page asks for what it did not get from here: itself, once it has started, and pictures that it has sent.
self.addEventListener('message', (event) => event.waitUntil(event.data.url ? fill(event.data) : keepPage()));

async function fill({ url, headers }) {
  const cache = await caches.open(WORK);
  if (await cache.match(url)) return;
  const response = await fetch(url, { headers }).catch(() => null);
  if (response?.ok) await keep(cache, WORK, url, response);
}

async function keepPage() {
  const cache = await caches.open(PAGE);
  const wanted = new Set(FILES.map((file) => new URL(file, self.location.origin).href));
  for (const { url } of await cache.keys()) if (!wanted.has(url)) await cache.delete(url);
  for (const url of wanted) if (!(await cache.match(url))) await cache.add(url);
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin || pathname === '/healthz' || pathname === '/sw.js') return;
  const objects = /^\/v1\/images\/\w+\/objects$/.test(pathname);
  if (request.method === 'GET') {
    if (!request.headers.has('If-None-Match')) event.respondWith(answer(request, pathname)); // those want news only
  } else if (request.method === 'PUT' && objects) event.respondWith(put(request));
  else if (request.method === 'DELETE') event.respondWith(remove(request, pathname));
});

function cacheOf(pathname) {
  if (!pathname.startsWith('/v1/')) return PAGE;
  return pathname.startsWith('/v1/models') ? MODELS : WORK;
}

async function answer(request, pathname) {
  const name = cacheOf(pathname);
  const cache = await caches.open(name);
  try {
    const response = await fetch(request);
    if (response.status === 200) void keep(cache, name, request.url, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request.url);
    if (!kept) throw error;
    const headers = new Headers(kept.headers);
    headers.set('X-Promptseg-Kept', 'yes');
    return new Response(kept.body, { status: 200, headers });
  }
}

async function keep(cache, name, url, response) {
  try {
    await cache.put(url, response);
    if (name !== WORK) return;
    const keys = await cache.keys(); // in the order in which they came
    for (const key of keys.slice(0, Math.max(0, keys.length - MOST))) await cache.delete(key);
  } catch {
    // There is no room: then this is not kept.
  }
}

/** What was stored is what the next visit is to show. */
async function put(request) {
  const sent = request.clone();
  const response = await fetch(request);
  if (!response.ok) return response;
  const [{ objects }, stored] = await Promise.all([sent.json(), response.clone().json()]);
  const body = JSON.stringify({ version: stored.version, updated: stored.updated, objects });
  const headers = { 'Content-Type': 'application/json' };
  await keep(await caches.open(WORK), WORK, request.url, new Response(body, { headers }));
  return response;
}

/** Nothing is kept of a picture that was removed. */
async function remove(request, pathname) {
  const response = await fetch(request);
  const cache = await caches.open(WORK);
  if (response.ok)
    for (const key of await cache.keys()) if (key.url.includes(pathname)) await cache.delete(key);
  return response;
}
