// Runs in the page, before the page's own scripts: the wallet of this browser, for pages that look for one. All that it
// can do the page could do without it: ask. bridge.js and background.js decide.
(() => {
  const {postMessage} = window;
  const {origin} = location;
  const text = v => (typeof v === 'string' ? v : '');
  window.ABT = Object.freeze({
    open: request => {
      const {action, locale, url} = request ?? {};
      postMessage.call(window, {walletd: 'open', action: text(action), locale: text(locale), url: text(url)}, origin);
    },
  });
})();
