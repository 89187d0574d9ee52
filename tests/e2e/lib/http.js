// HTTPS without an SDK: whole requests, and raw bytes for what no client library would send.
'use strict';
const https = require('node:https');
const tls = require('node:tls');
const { sas } = require('./sas');

const API = '2021-04-12';
const DEADLINE_MS = 60000;

// A client of one hub under one policy; `rest.get('/devices/d')` and so on. Every answer is
// {status, headers, text, json}, whatever its status. `api-version` is added unless `version: null`.
class Rest {
  constructor(hub, policy = 'iothubowner') {
    this.hub = hub;
    this.policy = policy;
    this.agent = new https.Agent({ keepAlive: true, maxSockets: 64 });
  }

  token() {
    return sas({ sr: this.hub.host, key: this.hub.policyKey(this.policy), skn: this.policy });
  }

  call(method, path, body, { headers = {}, auth = this.token(), version = API, agent = this.agent } = {}) {
    const target = version === null ? path : `${path}${path.includes('?') ? '&' : '?'}api-version=${version}`;
    const bytes = body === undefined ? undefined
      : Buffer.isBuffer(body) || typeof body === 'string' ? Buffer.from(body)
      : Buffer.from(JSON.stringify(body));
    const all = { ...headers };
    if (auth) all.Authorization = auth;
    if (bytes && !all['Transfer-Encoding']) all['Content-Length'] = bytes.length;
    if (bytes && !all['Content-Type']) all['Content-Type'] = 'application/json; charset=utf-8';
    return new Promise((resolve, reject) => {
      const request = https.request(
        { host: this.hub.host, port: 443, method, path: target, headers: all, agent, timeout: DEADLINE_MS * 6 },
        (response) => {
          const chunks = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            let json;
            try {
              json = JSON.parse(text);
            } catch {
              json = undefined;
            }
            resolve({ status: response.statusCode, headers: response.headers, text, json });
          });
        });
      request.on('timeout', () => request.destroy(new Error(`no answer: ${method} ${target}`)));
      request.on('error', reject);
      request.end(bytes);
    });
  }

  get(path, options) {
    return this.call('GET', path, undefined, options);
  }
  put(path, body, options) {
    return this.call('PUT', path, body, options);
  }
  post(path, body, options) {
    return this.call('POST', path, body, options);
  }
  patch(path, body, options) {
    return this.call('PATCH', path, body, options);
  }
  delete(path, options) {
    return this.call('DELETE', path, undefined, options);
  }

  query(query, { max, token, ...options } = {}) {
    const headers = { ...options.headers };
    if (max !== undefined) headers['x-ms-max-item-count'] = max;
    if (token !== undefined) headers['x-ms-continuation'] = token;
    return this.post('/devices/query', { query }, { ...options, headers });
  }

  close() {
    this.agent.destroy();
  }
}

// A TLS connection that takes any bytes and hands back HTTP answers one by one.
class RawHttp {
  static open(hub, options = {}) {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({ host: hub.host, port: 443, servername: hub.host, ...options });
      socket.once('secureConnect', () => resolve(new RawHttp(socket)));
      socket.once('error', reject);
    });
  }

  constructor(socket) {
    this.socket = socket;
    this.bytes = Buffer.alloc(0);
    this.ended = false;
    this.wake = () => {};
    socket.removeAllListeners('error');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.wake();
    });
    this.closed = new Promise((resolve) => socket.on('close', () => {
      this.ended = true;
      this.wake();
      resolve();
    }));
  }

  send(text) {
    this.socket.write(text);
    return this;
  }

  // Resolves when `take` gives something else than undefined; null at the end of the stream.
  async next(take) {
    const until = Date.now() + DEADLINE_MS;
    for (;;) {
      const got = take();
      if (got !== undefined) return got;
      if (this.ended) return null;
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no answer: ${this.bytes}`)), until - Date.now());
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  // The next answer: {status, headers, text}; null when the hub closed instead. `head`: has no body.
  answer({ head = false } = {}) {
    return this.next(() => {
      const end = this.bytes.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      const [first, ...lines] = this.bytes.subarray(0, end).toString('latin1').split('\r\n');
      const headers = {};
      for (const line of lines) {
        const colon = line.indexOf(':');
        headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
      }
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)[1]);
      const length = head || status < 200 || status === 204 ? 0 : Number(headers['content-length'] || 0);
      if (this.bytes.length < end + 4 + length) return undefined;
      const text = this.bytes.subarray(end + 4, end + 4 + length).toString('utf8');
      this.bytes = this.bytes.subarray(end + 4 + length);
      return { status, headers, text };
    });
  }

  end() {
    this.socket.destroy();
  }
}

module.exports = { API, RawHttp, Rest };
