// The doors: HTTP/1.1 on one port, TLS, and what stands outside of the API.
'use strict';
const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const tls = require('node:tls');
const { it, test } = require('node:test');
const { RawHttp } = require('./lib/http');
const { withHub } = require('./lib/suite');

const HEADERS_MAX = 64; // src/wire/http.h: HTTP_HEADERS_MAX and its neighbours
const HEADER_BYTES_MAX = 16 * 1024;
const TARGET_MAX = 8 * 1024;
const BODY_MAX = 4 * 1024 * 1024;

withHub('HTTP', (s) => {
  const head = (method, path, ...lines) =>
    [`${method} ${path} HTTP/1.1`, `Host: ${s.hub.host}`, ...lines, '', ''].join('\r\n');
  const authorized = () => `Authorization: ${s.rest.token()}`;
  const devices = '/devices?api-version=2021-04-12';
  const statistics = '/statistics/devices?api-version=2021-04-12';
  const query = '/devices/query?api-version=2021-04-12';
  const body = JSON.stringify({ query: 'SELECT * FROM devices' });

  // Send bytes on a fresh connection and get the first answer; the rule says what follows.
  async function exchange(bytes, options) {
    const raw = await RawHttp.open(s.hub);
    try {
      return await raw.send(bytes).answer(options);
    } finally {
      raw.end();
    }
  }

  async function refused(bytes, statuses) {
    const raw = await RawHttp.open(s.hub);
    const answer = await raw.send(bytes).answer();
    assert.ok(answer === null || statuses.includes(answer.status), JSON.stringify(answer));
    if (answer) assert.equal(answer.headers.connection, 'close', 'the stream cannot be trusted again');
    await raw.closed;
  }

  it('keeps a connection for the next request', async () => {
    const raw = await RawHttp.open(s.hub);
    for (let i = 0; i < 3; i++) {
      const answer = await raw.send(head('GET', statistics, authorized())).answer();
      assert.equal(answer.status, 200);
    }
    raw.end();
  });

  it('answers pipelined requests in order', async () => {
    const raw = await RawHttp.open(s.hub);
    const paths = ['/devices/no-1', '/statistics/devices', '/devices/no-2', '/healthz'];
    raw.send(paths.map((path) => head('GET', `${path}?api-version=2021-04-12`, authorized())).join(''));
    const answers = [];
    for (const _ of paths) answers.push(await raw.answer());
    assert.deepEqual(answers.map((a) => a.status), [404, 200, 404, 200]);
    assert.match(answers[0].text, /no-1|DeviceNotFound/);
    raw.end();
  });

  it('closes when asked to', async () => {
    const raw = await RawHttp.open(s.hub);
    const answer = await raw.send(head('GET', statistics, authorized(), 'Connection: close')).answer();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.connection, 'close');
    await raw.closed;
  });

  it('takes a request in any pieces', async () => {
    const raw = await RawHttp.open(s.hub);
    raw.socket.setNoDelay(true);
    for (const byte of head('GET', statistics, authorized())) raw.send(byte);
    assert.equal((await raw.answer()).status, 200);
    raw.end();
  });

  it('takes a sized body', async () => {
    const answer = await exchange(head('POST', query, authorized(), `Content-Length: ${body.length}`) + body);
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '[]');
  });

  it('takes a chunked body, with trailers', async () => {
    const half = body.length >> 1;
    const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
    const bytes = head('POST', query, authorized(), 'Transfer-Encoding: chunked') +
      chunk(body.slice(0, half)) + chunk(body.slice(half)) + '0\r\nX-Trailer: t\r\n\r\n';
    const answer = await exchange(bytes);
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '[]');
  });

  it('says 100 Continue before it gets the body', async () => {
    const raw = await RawHttp.open(s.hub);
    raw.send(head('POST', query, authorized(), `Content-Length: ${body.length}`, 'Expect: 100-continue'));
    assert.equal((await raw.answer()).status, 100);
    assert.equal((await raw.send(body).answer()).status, 200);
    raw.end();
  });

  it('refuses an oversize body before it is sent', async () => {
    const raw = await RawHttp.open(s.hub);
    raw.send(head('POST', query, authorized(), `Content-Length: ${BODY_MAX * 1000}`, 'Expect: 100-continue'));
    const answer = await raw.answer();
    assert.equal(answer.status, 413, 'and no 100 Continue');
    await raw.closed;
  });

  it('answers HEAD like GET, without a body', async () => {
    const raw = await RawHttp.open(s.hub);
    const got = await raw.send(head('GET', '/healthz')).answer();
    const asked = await raw.send(head('HEAD', '/healthz')).answer({ head: true });
    assert.equal(asked.status, 200);
    assert.equal(asked.headers['content-length'], got.headers['content-length']);
    assert.equal((await raw.send(head('GET', '/healthz')).answer()).status, 200, 'nothing was left in between');
    raw.end();
  });

  it('knows paths without case and with a trailing slash', async () => {
    for (const path of ['/devices/', '/Devices', '/DEVICES/']) {
      assert.equal((await s.rest.get(path)).status, 200, path);
    }
  });

  it('404 for an unknown path, 405 for a known one with the wrong verb', async () => {
    assert.equal((await s.rest.get('/nothing/here')).status, 404);
    assert.equal((await s.rest.delete('/statistics/devices')).status, 405);
  });

  it('takes PATCH written as POST with an override', async () => {
    await s.rest.put('/devices/override', {});
    const answer = await s.rest.post('/twins/override', { tags: { a: 1 } }, { headers: { 'X-HTTP-Method-Override': 'PATCH' } });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json.tags, { a: 1 });
    await s.rest.delete('/devices/override');
  });

  it('echoes the client request id when asked', async () => {
    const id = { 'x-ms-client-request-id': 'abc-1' };
    const plain = await s.rest.get('/statistics/devices', { headers: id });
    assert.equal(plain.headers['x-ms-client-request-id'], undefined);
    const asked = await s.rest.get('/statistics/devices', { headers: { ...id, 'x-ms-return-client-request-id': 'true' } });
    assert.equal(asked.headers['x-ms-client-request-id'], 'abc-1');
  });

  test('limits', async (t) => {
    const many = (count) => Array.from({ length: count }, (_, i) => `X-${i}: v`);
    await t.test('as many headers as allowed pass', async () => {
      const answer = await exchange(head('GET', statistics, authorized(), ...many(HEADERS_MAX - 2)));
      assert.equal(answer.status, 200);
    });
    await t.test('one more header is refused', () => refused(head('GET', statistics, authorized(), ...many(HEADERS_MAX - 1)), [431]));
    await t.test('header bytes are limited', () => refused(head('GET', statistics, `X: ${'x'.repeat(HEADER_BYTES_MAX)}`), [431]));
    await t.test('a target is limited', () => refused(head('GET', `/${'x'.repeat(TARGET_MAX)}`), [414]));
    await t.test('an endless first line is cut', () => refused('G'.repeat(256 * 1024), [400, 414, 431, 501]));
    await t.test('a sized body is limited', () => refused(head('POST', query, authorized(), `Content-Length: ${BODY_MAX + 1}`), [413]));
    await t.test('a chunked body is limited', () => {
      const chunk = `${(65536).toString(16)}\r\n${'x'.repeat(65536)}\r\n`;
      return refused(head('POST', query, authorized(), 'Transfer-Encoding: chunked') + chunk.repeat(BODY_MAX / 65536 + 1), [413]);
    });
  });

  test('broken requests end the connection', async (t) => {
    const cases = {
      'no HTTP at all': 'hello\r\n\r\n',
      'a bare MQTT packet': '\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00',
      'HTTP/2 prior knowledge': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'two different lengths': head('POST', query, 'Content-Length: 1', 'Content-Length: 2') + 'ab',
      'length and chunks at once': head('POST', query, 'Content-Length: 5', 'Transfer-Encoding: chunked') + '0\r\n\r\n',
      'a length that is no number': head('POST', query, 'Content-Length: 0x10'),
      'a negative length': head('POST', query, 'Content-Length: -1'),
      'a bad chunk size': head('POST', query, 'Transfer-Encoding: chunked') + 'zz\r\n',
      'chunk extensions, which nobody sends but smugglers': head('POST', query, 'Transfer-Encoding: chunked') + '2;a=b\r\n{}\r\n0\r\n\r\n',
      'an unknown transfer coding': head('POST', query, 'Transfer-Encoding: gzip'),
      'a blank before the colon': head('GET', devices, 'X : 1'),
      'a folded header': head('GET', devices, 'X: 1', ' 2'),
      'a NUL in a header': head('GET', devices, 'X: a\0b'),
      'no Host': `GET ${devices} HTTP/1.1\r\n\r\n`,
    };
    for (const [rule, bytes] of Object.entries(cases)) {
      await t.test(rule, () => refused(bytes, [400, 426, 501, 505]));
    }
  });

  it('answers an unknown expectation with 417', () =>
    refused(head('POST', query, `Content-Length: ${body.length}`, 'Expect: miracles'), [417]));
});

withHub('idle connections', (s) => {
  it('does not wait for ever for a request that never ends', async () => {
    const raw = await RawHttp.open(s.hub);
    raw.send('GET /devices HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const answer = await raw.next(() => (raw.bytes.length ? true : undefined)).catch(() => 'late');
    // 408 or just the end; the limit is a named one of some 30 s, within the harness's deadline
    assert.notEqual(answer, 'late');
    await raw.closed;
  });
});

withHub('TLS', (s) => {
  const connect = (options) => new Promise((resolve, reject) => {
    const socket = tls.connect({ host: s.hub.host, port: 443, servername: s.hub.host, ...options });
    socket.once('secureConnect', () => {
      const got = { protocol: socket.getProtocol(), certificate: socket.getPeerCertificate(), x509: socket.getPeerX509Certificate() };
      socket.destroy();
      resolve(got);
    });
    socket.once('error', reject);
  });

  for (const port of [443, 8883]) {
    for (const version of ['TLSv1.2', 'TLSv1.3']) {
      it(`${version} on ${port}`, async () => {
        const got = await connect({ port, minVersion: version, maxVersion: version });
        assert.equal(got.protocol, version);
      });
    }
    for (const version of ['TLSv1.1', 'TLSv1']) {
      it(`${version} is refused on ${port}`, async () => {
        const old = { port, minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' };
        await assert.rejects(connect(old), /alert|protocol|version|ECONNRESET|closed/i);
      });
    }
  }

  for (const name of ['myhub.hub.test', 'localhost']) {
    it(`the certificate is good for ${name}`, () => connect({ host: name, servername: name }));
  }
  for (const address of ['127.0.0.1', '::1']) {
    // tls.checkServerIdentity of Node 20.19 takes ::1 for a name: OpenSSL is asked.
    it(`the certificate is good for ${address}`, async () => {
      const { x509 } = await connect({ host: address, servername: '', checkServerIdentity: () => undefined });
      assert.equal(x509.checkIP(address), address);
      assert.equal(x509.checkIP('127.0.0.2'), undefined);
    });
  }
  it('but not for another name', () =>
    assert.rejects(connect({ host: 'other.hub.test', servername: 'other.hub.test' }), /altnames|Hostname/i));

  it('is ECDSA P-256', async () => {
    assert.equal((await connect({})).certificate.asn1Curve, 'prime256v1');
  });

  it('plain HTTP on the TLS port gets nowhere', async () => {
    const net = require('node:net');
    const socket = net.connect(443, s.hub.host);
    socket.on('error', () => {});
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    let heard = '';
    socket.on('data', (chunk) => (heard += chunk.toString('latin1')));
    await new Promise((resolve) => socket.on('close', resolve));
    assert.doesNotMatch(heard, /HTTP\/1\.1 200/);
    assert.equal((await s.rest.get('/healthz')).status, 200, 'and the hub lives on');
  });

  it('openssl verifies the chain strictly', async () => {
    const said = await new Promise((resolve) => {
      const child = execFile('openssl', ['s_client', '-connect', 'localhost:443', '-servername', s.hub.host, '-CAfile', s.hub.caFile,
        '-verify_return_error', '-verify_hostname', s.hub.host, '-x509_strict'], (error, out, err) => resolve(out + err));
      child.stdin.end();
    });
    assert.match(said, /Verify return code: 0 \(ok\)|Verification: OK/);
  });
});

withHub('outside of the API', (s) => {
  it('GET /healthz needs no token', async () => {
    const answer = await s.rest.get('/healthz', { auth: null, version: null });
    assert.equal(answer.status, 200);
  });

  it('GET /metrics speaks the Prometheus text format', async () => {
    await s.rest.get('/statistics/devices');
    const answer = await s.rest.get('/metrics', { version: null });
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^text\/plain/);
    const lines = answer.text.trimEnd().split('\n');
    assert.ok(lines.length > 3);
    for (const line of lines) {
      assert.match(line, /^(# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})? [-+0-9.eEInfNa]+( \d+)?)$/);
    }
  });

  it('no secret stands in metrics or log', async () => {
    const { text } = await s.rest.get('/metrics', { version: null });
    const key = s.hub.policyKey();
    assert.ok(!text.includes(key));
    assert.ok(!s.hub.log.includes(key));
    assert.doesNotMatch(s.hub.log, /sig=[A-Za-z0-9%+/]{20}/);
  });
});
