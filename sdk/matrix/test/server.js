// The far side of a test: it answers as the test says, and notes what it was asked.
import http from 'node:http';

export const token = 'wd_app_test';

// serve starts it for the length of a test. `answer` gets a request, {method, path, headers, body},
// and returns {status, headers, body}, or nothing, which cuts the connection.
export async function serve(t, answer) {
  const requests = [];
  const server = http.createServer(async (req, res) => {
    let text = '';
    for await (const chunk of req) text += chunk;
    const request = {method: req.method, path: req.url, headers: req.headers, text, body: text === '' ? undefined : JSON.parse(text)};
    requests.push(request);
    const out = await answer(request);
    if (!out) return req.socket.destroy();
    const {status = 200, headers, body} = out;
    const json = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
    res.writeHead(status, {'content-type': 'application/json', ...headers}).end(json);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {url: `http://127.0.0.1:${server.address().port}`, token, requests, asked: () => requests.map(({method, path}) => `${method} ${path}`)};
}

export const refusal = (status, code) => ({status, body: {type: 'about:blank', title: code, status, code, detail: `It is ${code}.`}});

export const key = (fill) => new Uint8Array(32).fill(fill);
export const base64 = (bytes) => Buffer.from(bytes).toString('base64');
export const description = (mac = 'a') => ({algorithm: 'm.secret_storage.v1.aes-hmac-sha2', name: 'walletd', iv: 'AAAAAAAAAAAAAAAAAAAAAA==', mac});
