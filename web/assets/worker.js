// The service worker keeps the shell, which holds nothing of anybody: a stylesheet, a script, an icon and the page that
// says that there is no network. Pages are never kept, for they show what a person has.
const kept = "shell " + shell.join(" ");

self.addEventListener("install", (e) => {
  e.waitUntil(caches.open(kept).then((c) => c.addAll(shell)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (e) => {
  e.waitUntil(caches.keys().then((names) => Promise.all(names.filter((n) => n !== kept).map((n) => caches.delete(n)))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== "GET" || url.origin !== location.origin) return;
  if (e.request.mode === "navigate") {
    e.respondWith(fetch(e.request).catch(() => caches.match("/offline")));
  } else if (shell.includes(url.pathname)) {
    e.respondWith(caches.match(url.pathname).then((r) => r || fetch(e.request)));
  }
});
