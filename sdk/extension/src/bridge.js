// Runs beside the page, out of its reach: takes what it asks to the extension, once for each thing that the person does.
(() => {
  let acted = false; // the person did something for which nothing was opened yet
  const act = event => {
    acted ||= event.isTrusted;
  };
  for (const type of ['pointerdown', 'keydown', 'click']) window.addEventListener(type, act, {capture: true, passive: true});

  window.addEventListener('message', event => {
    if (event.source !== window || event.origin !== location.origin || event.data?.walletd !== 'open') return;
    const {action, locale, url} = event.data;
    if (![action, locale, url].every(v => typeof v === 'string') || url.length > 32 * 1024 || action.length + locale.length > 64) return;
    if (!acted || !navigator.userActivation.isActive) return;
    acted = false;
    chrome.runtime.sendMessage({action, locale, url}).catch(() => {}); // the extension was updated: the page has to be loaded anew
  });
})();
