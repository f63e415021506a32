// What every page does where scripts run: times in the reader's own, time left, what is new, and the shell kept for
// when the network is away. Pages work without all of it.

const lang = document.documentElement.lang;

// In the reader's own time.
function localise(root) {
  const whole = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });
  const clock = new Intl.DateTimeFormat(lang, { timeStyle: "short" });
  for (const t of root.querySelectorAll("time[datetime]")) {
    const when = new Date(t.dateTime);
    if (isNaN(when)) continue;
    t.textContent = (when.toDateString() === new Date().toDateString() ? clock : whole).format(when);
    t.title = whole.format(when);
  }
}

// The time left, once a second.
function countDown() {
  for (const e of document.querySelectorAll("[data-until]")) {
    const left = Math.floor((Date.parse(e.dataset.until) - Date.now()) / 1000);
    const text = left <= 0 ? e.dataset.over : e.dataset.left.replace("{1}", `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`);
    if (e.textContent !== text) e.textContent = text;
  }
}

// The code in a link, as typed: the part behind the # goes to no server by itself.
function typeCode(root) {
  const field = root.querySelector("input[data-hash]");
  if (field && !field.value && /^#[A-Za-z0-9-]{4,20}$/.test(location.hash)) field.value = location.hash.slice(1);
}

// Buttons that copy a text which the page shows.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    document.getElementById("said").textContent = button.textContent = button.dataset.copied;
  });
}

// A choice with which one is asked each time cannot be remembered.
function limitRemember(root) {
  for (const set of root.querySelectorAll("fieldset[data-remember]")) {
    set.disabled = set.form.querySelector("[data-each-time]:checked") !== null;
    set.querySelector("[data-once]").hidden = !set.disabled;
  }
}
addEventListener("change", (e) => e.target.form && limitRemember(e.target.form));

function enhance(root) {
  limitRemember(root);
  typeCode(root);
  localise(root);
  countDown();
  close(document.querySelector("[data-close]"));
}

// A window that an app's page opened closes itself; the browser leaves one open that a person opened.
function close(over) {
  if (!over) return;
  const stays = over.textContent;
  over.textContent = over.dataset.closes;
  setTimeout(() => {
    window.close();
    setTimeout(() => over.textContent = stays, 500);
  }, 1000 * Number(over.dataset.close));
  delete over.dataset.close;
}

// What the server sent of the parts that can change, to compare with what it sends later.
const sent = new Map();
function remember(root) {
  for (const e of root.querySelectorAll("[data-fresh]")) sent.set(e.dataset.fresh, e.innerHTML);
}

// Asks for this page again, and puts the parts in that have changed. The browser parses the answer as a document of its
// own, so no text becomes markup here.
let asking = false;
let again = false;
function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  const x = new XMLHttpRequest();
  x.open("GET", location.href);
  x.responseType = "document";
  x.timeout = 15000;
  x.onloadend = () => {
    asking = false;
    const fresh = x.status < 500 ? x.response : null; // a proxy's page is none of ours
    if (fresh && new URL(x.responseURL).pathname !== location.pathname) {
      location.reload(); // signed out, or locked
      return;
    }
    if (fresh) replace(fresh);
    if (again) {
      again = false;
      refresh();
    }
  };
  x.send();
}

function replace(fresh) {
  const before = document.querySelectorAll("[data-fresh]");
  const after = fresh.querySelectorAll("[data-fresh]");
  const names = (list) => Array.from(list, (e) => e.dataset.fresh).join();
  if (names(before) !== names(after)) {
    location.reload();
    return;
  }
  after.forEach((now, i) => {
    if (sent.get(now.dataset.fresh) === now.innerHTML) return;
    sent.set(now.dataset.fresh, now.innerHTML);
    const had = before[i].contains(document.activeElement);
    const mine = document.adoptNode(now);
    before[i].replaceWith(mine);
    enhance(mine);
    if (had) document.getElementById("main").focus();
    const title = fresh.querySelector("title");
    if (title) document.title = title.textContent;
    const heading = mine.querySelector("h1");
    const said = document.getElementById("said");
    if (heading && said) said.textContent = heading.textContent;
    document.dispatchEvent(new Event("walletd:fresh"));
  });
}

// News come as a stream; a page that was put to sleep, or whose stream was refused, asks by itself.
function listen() {
  if (!document.querySelector("[data-live] [data-fresh]")) return;
  let stream = null;
  const open = () => {
    if (stream && stream.readyState !== EventSource.CLOSED) return;
    stream = new EventSource("/live");
    stream.addEventListener("open", refresh); // what came before the stream stood
    stream.addEventListener("news", refresh);
    stream.addEventListener("over", () => {
      stream.close();
      location.reload();
    });
    // Refused: locked, or too many pages are open. The page itself says so, if it can be had.
    stream.addEventListener("error", () => {
      if (stream.readyState !== EventSource.CLOSED) return;
      refresh();
      setTimeout(open, 10000);
    });
  };
  open();
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      refresh();
      open();
    }
  });
  addEventListener("pageshow", (e) => e.persisted && (refresh(), open()));
  addEventListener("pagehide", () => stream.close());
}

// A form is sent once, however often its button is pressed.
addEventListener("submit", (e) => {
  if (e.defaultPrevented) return;
  if (e.target.dataset.sent) e.preventDefault();
  if (!("again" in e.target.dataset)) e.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((f) => delete f.dataset.sent));

if (document.querySelector("form[data-scan]")) import("./scan.js");
if (document.querySelector("form[data-passkey], [data-live]")) import("./passkey.js");

remember(document);
enhance(document);
setInterval(countDown, 1000);
listen();

if ("serviceWorker" in navigator) {
  const own = "/sw.js";
  const trusted = window.trustedTypes ? trustedTypes.createPolicy("walletd", { createScriptURL: (u) => { if (u !== own) throw new TypeError("not ours"); return u; } }) : null;
  navigator.serviceWorker.register(trusted ? trusted.createScriptURL(own) : own).catch(() => {});
}
