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

// What was pushed says who asks and the code. The notification leads to the page, and can't say yes. Names are text of
// others: a notification has no markup.
const fill = (sentence, ...values) => sentence.replace(/\{(\d)\}/g, (_, n) => values[n - 1]); // at once, so that no value is a place

self.addEventListener("push", (e) => {
  let m = {};
  try {
    m = e.data.json() || {};
  } catch {
    // the browser wants a notification for each message
  }
  const language = Object.hasOwn(words, m.language) ? m.language : "en";
  const say = words[language];
  const text = (v) => (typeof v === "string" ? v : "");
  const who = text(m.app) || (text(m.callsItself) ? fill(say["notices.calls"], text(m.callsItself)) : say["notices.somebody"]);
  const body = [text(m.origin), text(m.did)].filter(Boolean).join("\n");
  e.waitUntil(self.registration.showNotification(fill(say["notices.asks"], who, text(m.code)), {
    body, lang: language, tag: text(m.id), renotify: Boolean(text(m.id)), data: { path: "/approvals/" + encodeURIComponent(text(m.id)) },
  }));
});

self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  const path = String(e.notification.data?.path ?? "/");
  e.waitUntil(self.clients.matchAll({ type: "window" }).then((all) => {
    const there = all.find((c) => new URL(c.url).pathname === path);
    return there ? there.focus() : self.clients.openWindow(path);
  }));
});
