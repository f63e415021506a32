// Has this browser told when something waits: asks the browser, which asks the person, and sends the form with what it says.
const form = document.getElementById("notify");
const button = form.querySelector("button");
const said = form.querySelector("[role=status]");
const b64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

if ("serviceWorker" in navigator && "PushManager" in window && "Notification" in window) button.disabled = false;
else said.textContent = said.dataset.cannot;

let sending = false;
form.addEventListener("submit", async (e) => {
  if (form.elements.endpoint.value) return; // filled in: it goes
  e.preventDefault();
  if (sending) return;
  sending = true;
  said.textContent = "";
  try {
    if ((await Notification.requestPermission()) !== "granted") throw new Error("refused");
    const worker = await navigator.serviceWorker.ready;
    const was = await worker.pushManager.getSubscription();
    if (was && b64(was.options.applicationServerKey) !== form.dataset.key) await was.unsubscribe(); // of a service that was here before
    const s = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(form.dataset.key) });
    form.elements.endpoint.value = s.endpoint;
    form.elements.p256dh.value = b64(s.getKey("p256dh"));
    form.elements.auth.value = b64(s.getKey("auth"));
    if (form.dataset.then) form.dataset.passkey = form.dataset.then; // a subscription outlives the session, and takes a touch
    form.requestSubmit();
  } catch {
    said.textContent = said.dataset.refused;
  }
  sending = false;
});
