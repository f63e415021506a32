// Has the person's authenticator answer what the service asks, and puts the answer into the form, which is then sent as
// any form is.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// What went wrong, with the code that the service gave, if it did.
class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

async function ask(path, body) {
  const answer = await fetch(path, { method: "POST", body, headers: { Accept: "application/json" }, redirect: "error" });
  const said = await answer.json();
  if (!answer.ok) throw new Refused(said.code);
  return said;
}

const allowed = (ids) => (ids ?? []).map((id) => ({ type: "public-key", id: bytes(id) }));

// A touch of a passkey that the service asked for.
async function touch(asked) {
  const got = await navigator.credentials.get({
    publicKey: { challenge: bytes(asked.challenge), rpId: asked.rpId, allowCredentials: allowed(asked.allow), userVerification: "required", timeout: 120000 },
  });
  const r = got.response;
  return {
    id: text(got.rawId), clientDataJSON: text(r.clientDataJSON), authenticatorData: text(r.authenticatorData), signature: text(r.signature),
    ...(r.userHandle?.byteLength ? { userHandle: text(r.userHandle) } : {}),
  };
}

// A new passkey that the service asked for.
async function make(asked, name) {
  const got = await navigator.credentials.create({
    publicKey: {
      challenge: bytes(asked.challenge),
      rp: { id: asked.rpId, name: document.querySelector(".brand").textContent.trim() },
      // Somebody who owns several wallets chooses by these.
      user: { id: bytes(asked.userId), name: [name || asked.userName, asked.walletName].filter(Boolean).join(" · ") || asked.wallet, displayName: name || asked.userName || asked.walletName || asked.wallet },
      pubKeyCredParams: asked.algorithms.map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: allowed(asked.exclude),
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      attestation: "none",
      timeout: 120000,
    },
  });
  return { id: text(got.rawId), clientDataJSON: text(got.response.clientDataJSON), attestationObject: text(got.response.attestationObject) };
}

function put(form, name, value) {
  let field = form.querySelector(`input[type=hidden][name="${name}"]`);
  if (!field) {
    field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    form.append(field);
  }
  field.value = value;
}

const fields = (form, submitter) => {
  const all = new URLSearchParams(new FormData(form, submitter));
  all.delete("touch");
  return all;
};

// What each kind of form needs before it is sent.
const needs = {
  async "sign-in"(form) {
    const asked = await ask("/passkeys/sign-in", new URLSearchParams());
    put(form, "assertion", JSON.stringify(await touch(asked)));
    put(form, "state", asked.state);
  },
  async invite(form) {
    const invitation = location.hash.slice(1);
    const asked = await ask("/passkeys/invited", new URLSearchParams({ invitation }));
    put(form, "registration", JSON.stringify(await make(asked, form.elements.name?.value)));
    put(form, "state", asked.state);
    put(form, "invitation", invitation);
  },
  async approve(form, submitter) {
    const asked = await ask(`${form.getAttribute("action")}/challenge`, fields(form, submitter));
    put(form, "assertion", JSON.stringify(await touch(asked)));
  },
  async touch(form, submitter) {
    const asked = await ask(`/passkeys/touch?${new URLSearchParams({ path: form.getAttribute("action") })}`, fields(form, submitter));
    put(form, "touch", JSON.stringify({ state: asked.state, assertion: await touch(asked) }));
  },
  async "add-passkey"(form, submitter) {
    const asked = await ask("/passkeys/another", new URLSearchParams());
    put(form, "registration", JSON.stringify(await make(asked)));
    put(form, "state", asked.state);
    await needs.touch(form, submitter);
  },
};

function say(form, key) {
  let p = form.querySelector("[data-said]");
  if (!p) {
    p = document.createElement("p");
    p.className = "alert";
    p.dataset.said = "";
    p.setAttribute("role", "alert");
    (form.querySelector(".buttons") ?? form.lastElementChild).before(p);
  }
  const words = document.body.dataset;
  p.textContent = form.dataset[key] ?? words[key] ?? words.touchFailed;
}

// What is said of a refusal, by its code: to load the page again mends none of these.
const refusals = { none: "touchNone", invitation_ended: "ended", not_found: "ended" };

const ready = new WeakSet();

addEventListener("submit", async (e) => {
  const form = e.target;
  const need = needs[form.dataset.passkey];
  if (!need || ready.has(form) || e.submitter?.value === "reject") return; // a no takes no touch
  e.preventDefault();
  e.stopImmediatePropagation();
  const { submitter } = e;
  form.querySelector("[data-said]")?.remove();
  try {
    form.setAttribute("aria-busy", "true");
    if (!window.PublicKeyCredential) throw new Refused("none");
    await need(form, submitter);
  } catch (error) {
    say(form, { NotAllowedError: "touchCancelled", InvalidStateError: "touchKnown" }[error.name] ?? refusals[error.code] ?? "touchFailed");
    return;
  } finally {
    form.removeAttribute("aria-busy");
  }
  ready.add(form);
  form.requestSubmit(submitter);
  ready.delete(form);
}, true);

// Until now the buttons of such forms did nothing (style.css): what was sent without a touch would be refused.
document.documentElement.dataset.passkeys = "";
