import {sitePattern, walletAddress} from './address.js';

const t = chrome.i18n.getMessage;
const $ = id => document.getElementById(id);

document.documentElement.lang = chrome.i18n.getMessage('@@ui_locale').replace('_', '-');
for (const e of document.querySelectorAll('[data-text]')) e.textContent = t(e.dataset.text);

$('wallet').addEventListener('submit', async event => {
  event.preventDefault();
  const wallet = walletAddress($('address').value);
  if (wallet === null) {
    $('wallet-said').textContent = t('walletBad');
    return;
  }
  await chrome.storage.local.set({wallet});
  $('address').value = wallet;
  $('wallet-said').textContent = t('saved');
});

$('site').addEventListener('submit', async event => {
  event.preventDefault();
  const pattern = sitePattern($('allow').value);
  if (pattern === null) {
    $('site-said').textContent = t('siteBad');
    return;
  }
  // The browser asks the person, by itself.
  const allowed = await chrome.permissions.request({permissions: ['scripting'], origins: [pattern]}).catch(() => false);
  $('site-said').textContent = t(allowed ? 'siteAllowed' : 'siteRefused', [pattern.slice(0, -2)]);
  if (allowed) $('allow').value = '';
});

const list = async () => {
  const {origins = []} = await chrome.permissions.getAll();
  $('sites').replaceChildren(...origins.sort().map(pattern => {
    const site = pattern.replace(/\/\*$/, '');
    const item = document.createElement('li');
    const name = document.createElement('span');
    name.textContent = site;
    const remove = document.createElement('button');
    remove.type = 'button';
    remove.textContent = t('remove');
    remove.setAttribute('aria-label', t('removeSite', [site]));
    remove.addEventListener('click', () => chrome.permissions.remove({origins: [pattern]}).catch(e => { $('site-said').textContent = e.message; }));
    item.append(name, remove);
    return item;
  }));
};
chrome.permissions.onAdded.addListener(list);
chrome.permissions.onRemoved.addListener(list);
list();
chrome.storage.local.get('wallet').then(({wallet}) => {
  $('address').value ||= wallet ?? ''; // who is quicker, and types already, goes on
});
