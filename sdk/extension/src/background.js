// Opens the person's wallet for a site that they allowed, and keeps the scripts of allowed sites in step with what is allowed.
import {opened} from './address.js';

const interval = 1000; // ms between two windows for a site
const each = {windows: 5, within: 60_000}; // and no more of them in a while

// Content scripts shall not learn where the wallet is.
chrome.storage.local.setAccessLevel({accessLevel: 'TRUSTED_CONTEXTS'});

// One after the other, so that two messages at once cannot both find that nothing was opened.
let last = Promise.resolve();
const inTurn = f => (last = last.then(f, f));

chrome.runtime.onMessage.addListener((message, sender) => {
  if (sender.id !== chrome.runtime.id || sender.frameId !== 0 || !sender.tab || !sender.origin) return;
  inTurn(() => open(message, sender.origin));
});

const open = async (message, site) => {
  if (!(await chrome.permissions.contains({origins: [`${site}/*`]}))) return;
  const {wallet} = await chrome.storage.local.get('wallet');
  const address = opened(wallet ?? 'https://unset.invalid/', message, chrome.i18n.getUILanguage());
  if (address === null) return;
  const now = Date.now();
  const {windows = []} = await chrome.storage.session.get('windows');
  const recent = windows.filter(w => now - w.at < each.within && w.at <= now);
  const same = recent.find(w => w.site === site && w.address === address);
  if (same && (await chrome.windows.update(same.id, {focused: true}).then(() => true, () => false))) return;
  const its = recent.filter(w => w.site === site);
  if (its.length >= each.windows || its.some(w => now - w.at < interval)) return;
  if (!wallet) {
    await chrome.runtime.openOptionsPage();
    recent.push({site, address: '', id: -1, at: now});
  } else {
    // A window of its own each time: one that shows another link already is never led elsewhere under the person's hands.
    const window = await chrome.windows.create({url: address, type: 'popup', width: 414, height: 736, focused: true});
    recent.push({site, address, id: window.id, at: now});
  }
  await chrome.storage.session.set({windows: recent});
};

// follow registers the scripts for the sites that are allowed now, and for no others.
const follow = async () => {
  if (!(await chrome.permissions.contains({permissions: ['scripting']}))) return;
  const matches = (await chrome.permissions.getAll()).origins ?? [];
  const scripts = ['page', 'bridge'];
  const registered = await chrome.scripting.getRegisteredContentScripts({ids: scripts});
  if (registered.length > 0) await chrome.scripting.unregisterContentScripts({ids: registered.map(s => s.id)});
  if (matches.length === 0) return;
  await chrome.scripting.registerContentScripts([
    {id: 'bridge', js: ['bridge.js'], matches, runAt: 'document_start', world: 'ISOLATED'},
    {id: 'page', js: ['page.js'], matches, runAt: 'document_start', world: 'MAIN'},
  ]);
};

chrome.permissions.onAdded.addListener(() => inTurn(follow));
chrome.permissions.onRemoved.addListener(() => inTurn(follow));
chrome.runtime.onStartup.addListener(() => inTurn(follow));
chrome.runtime.onInstalled.addListener(async ({reason}) => {
  await inTurn(follow);
  if (reason === chrome.runtime.OnInstalledReason.INSTALL) await chrome.runtime.openOptionsPage();
});
chrome.action.onClicked.addListener(() => chrome.runtime.openOptionsPage());
