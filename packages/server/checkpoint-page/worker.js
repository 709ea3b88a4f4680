/** Keeps the page for when there is no network. Arrivals are no business of its: the page tells them itself. */
const kept = 'checkpoint-1';
const files = [
  '/checkpoint',
  ...['style.css', 'page.js', 'ask.js', 'arrivals.js', 'bytes.js', 'credential.js', 'jsqr.js', 'request.js'],
  ...['scan.js', 'scanned.js', 'store.js', 'renewing.js'],
].map((name) => (name.startsWith('/') ? name : `/checkpoint/${name}`));
/** So long the network has to be faster than what is kept. */
const patienceMs = 3_000;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(kept).then((cache) => cache.addAll(files)));
  self.skipWaiting();
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== 'GET' || origin !== self.location.origin || !files.includes(pathname)) return;
  event.respondWith(newest(pathname));
});

/** What the desk has now, so that one file is never older than another for long; else what was kept. */
async function newest(pathname) {
  const cache = await caches.open(kept);
  try {
    const response = await fetch(pathname, { cache: 'no-cache', signal: AbortSignal.timeout(patienceMs) });
    if (!response.ok) throw new Error(`it is ${response.status}`);
    await cache.put(pathname, response.clone());
    return response;
  } catch {
    return (await cache.match(pathname)) ?? Response.error();
  }
}
