// Takes an app's link from its QR code: a picture that is pasted, dropped or chosen, or what the camera sees. Nothing of
// a picture leaves the browser.

const form = document.querySelector("form[data-scan]");
const words = form.dataset;
const field = form.querySelector("[name=link]");
const said = document.createElement("p");
said.className = "small warn";
said.setAttribute("role", "status");
form.append(said);

// What reads QR codes: the browser, or where it can't, a library that is loaded when it is needed.
let reader;
function detector() {
  reader ??= (async () => {
    try {
      if ((await BarcodeDetector.getSupportedFormats()).includes("qr_code")) {
        const d = new BarcodeDetector({ formats: ["qr_code"] });
        return async (canvas) => (await d.detect(canvas))[0]?.rawValue;
      }
    } catch { /* there is none */ }
    const decode = (await import("./decode.js")).default;
    return async (canvas) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      try {
        return decode({ width, height, data });
      } catch {
        return undefined; // no code, or none that can be read
      }
    };
  })();
  return reader;
}

// Draws a picture with a quiet edge around it, so large that a code in it can be read and small enough to be quick.
function draw(source, width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  const canvas = document.createElement("canvas");
  const edge = 16;
  canvas.width = Math.round(width * scale) + 2 * edge;
  canvas.height = Math.round(height * scale) + 2 * edge;
  const c = canvas.getContext("2d", { willReadFrequently: true });
  c.fillStyle = "#fff";
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.drawImage(source, edge, edge, canvas.width - 2 * edge, canvas.height - 2 * edge);
  return canvas;
}

async function readPicture(file) {
  said.textContent = "";
  let text;
  try {
    const picture = await createImageBitmap(file);
    const read = await detector();
    for (const longest of [1200, 600, 2400]) {
      text ||= await read(draw(picture, picture.width, picture.height, longest));
    }
  } catch { /* it is no picture */ }
  if (text) open(text);
  else said.textContent = words.nothing;
}

// Shows where the link leads, as if it had been typed.
function open(text) {
  field.value = text;
  form.requestSubmit();
}

const pictureIn = (items) => Array.from(items ?? []).find((f) => f.type.startsWith("image/"));

addEventListener("paste", (e) => {
  const file = pictureIn(e.clipboardData?.files);
  if (file) {
    e.preventDefault();
    readPicture(file);
  } else if (!e.target.closest("input, textarea")) {
    const text = e.clipboardData?.getData("text/plain").trim();
    if (text) open(text);
  }
});

addEventListener("dragover", (e) => {
  e.preventDefault();
  form.classList.add("dropping");
});
addEventListener("dragleave", (e) => e.relatedTarget || form.classList.remove("dropping"));
addEventListener("drop", (e) => {
  e.preventDefault();
  form.classList.remove("dropping");
  const file = pictureIn(e.dataTransfer?.files);
  const text = (e.dataTransfer?.getData("text/uri-list") || e.dataTransfer?.getData("text/plain") || "").trim();
  if (file) readPicture(file);
  else if (text) open(text);
});

// Buttons that only scripts can offer.
const tools = document.createElement("div");
tools.className = "buttons start";
const button = (text, act) => {
  const b = document.createElement("button");
  b.type = "button";
  b.className = "quiet";
  b.textContent = text;
  b.addEventListener("click", act);
  return b;
};
const chooser = document.createElement("input");
chooser.type = "file";
chooser.accept = "image/*";
chooser.hidden = true;
chooser.setAttribute("aria-label", words.picture);
chooser.addEventListener("change", () => chooser.files[0] && readPicture(chooser.files[0]));
if (navigator.mediaDevices?.getUserMedia) tools.append(button(words.camera, film));
tools.append(button(words.picture, () => chooser.click()), chooser);
form.append(tools);

// Looks through the camera until it sees a code.
async function film() {
  said.textContent = "";
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    said.textContent = words.refused;
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", words.camera);
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  const hint = document.createElement("p");
  hint.textContent = words.looking;
  dialog.append(hint, video, button(words.cancel, () => dialog.close()));
  document.body.append(dialog);
  let over = false;
  const stop = () => {
    over = true;
    for (const track of stream.getTracks()) track.stop();
    dialog.remove();
  };
  dialog.addEventListener("close", stop);
  dialog.showModal();
  try {
    await video.play();
    const read = await detector();
    while (!over) {
      const text = video.videoWidth && (await read(draw(video, video.videoWidth, video.videoHeight, 800)));
      if (text && !over) {
        dialog.close();
        open(text);
        return;
      }
      await new Promise((again) => setTimeout(again, 120));
    }
  } catch {
    dialog.close();
    said.textContent = words.refused;
  }
}
