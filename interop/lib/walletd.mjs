// The HTTP of walletd as an app sees it. Nothing here knows how an answer is made.
import {setTimeout as sleep} from 'node:timers/promises';
import {Outcome} from './run.mjs';

async function call(url, init = {}) {
  const response = await fetch(url, {...init, redirect: 'error'});
  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Outcome({ok: false, status: response.status, error: 'the answer is not JSON'});
  }
  if (response.status >= 400) {
    throw new Outcome({ok: false, status: response.status, code: body.code, detail: body.detail});
  }
  return {status: response.status, body, headers: response.headers};
}

const post = (url, body, headers = {}) =>
  call(url, {method: 'POST', headers: {'content-type': 'application/json', ...headers}, body: JSON.stringify(body)});

function announce(answer, say) {
  say({pending: answer.body.id, code: answer.body.code, expiresAt: answer.body.expiresAt});
  const location = answer.headers.get('location');
  if (location !== `/v1/claims/${answer.body.id}`) {
    throw new Outcome({ok: false, error: `a 202 with the Location ${location}`});
  }
  return location;
}

// askWithToken asks as an app with a token does, and waits for the person.
export async function askWithToken({url, token, requestedClaims, say}) {
  const authorization = {authorization: `Bearer ${token}`};
  let answer = await post(`${url}/v1/claims`, {requestedClaims}, authorization);
  if (answer.status !== 202) return {...answer, asked: false};
  const location = announce(answer, say);
  while (answer.status === 202) {
    answer = await call(`${url}${location}?wait=5`, {headers: authorization});
  }
  return {...answer, asked: true};
}

// askSigned asks without a token. makeBody signs a fresh request each time it is called: one that
// asks, or with the id of an approval one that collects it.
export async function askSigned({url, makeBody, say, headers}) {
  let answer = await post(`${url}/v1/claims`, await makeBody(), headers);
  if (answer.status !== 202) return {...answer, asked: false};
  const location = announce(answer, say);
  const {id} = answer.body;
  while (answer.status === 202) {
    await sleep(250);
    answer = await post(`${url}${location}`, await makeBody(id), headers);
  }
  return {...answer, asked: true};
}
