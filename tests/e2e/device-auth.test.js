// What docs/spec/device-auth.md says and no other file holds: scopes, rights, TLS, connection state. Tokens of the
// usual shapes are in auth.test.js, certificates in x509.test.js.
'use strict';
const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const tls = require('node:tls');
const { HOST, Hub, muster } = require('./lib/hub');
const { RawMqtt, write } = require('./lib/mqtt');
const { now, sas } = require('./lib/sas');
const { newDevice, registryOf } = require('./lib/sdk');
const { withHub } = require('./lib/suite');

const YEAR_S = 365 * 24 * 3600;
const twice = (text) => encodeURIComponent(encodeURIComponent(text));

// CONNACK 0 or 5 for {deviceId, moduleId?} with that password.
async function assertAnswer(s, identity, token, code) {
  const client = await RawMqtt.open(s.hub);
  const ack = await client.hello(identity, { token });
  assert.equal(ack && ack.code, code);
  if (code) await client.gone();
  else await client.bye();
}

withHub('the scope of a token (1.4)', (s) => {
  let device, module, odd;
  const HARD = "A-1:.+%_#*?!(),=@$'";
  before(async () => {
    device = await newDevice(s.hub, 'Dev1');
    odd = await newDevice(s.hub, HARD);
    await s.rest.put('/devices/Dev1/modules/m', { deviceId: 'Dev1', moduleId: 'm' });
    const { json } = await s.rest.get('/devices/Dev1/modules/m');
    module = { deviceId: 'Dev1', moduleId: 'm', key: json.authentication.symmetricKey.primaryKey };
  });
  const h = () => s.hub.host;
  const own = (sr, more) => sas({ sr, key: device.key, ...more });
  const policy = (sr, skn, more) => sas({ sr, key: s.hub.policyKey(skn), skn, ...more });
  const cases = [
    ['a fraction of a second in se', () => own(`${h()}/devices/Dev1`, { se: `${now() + 3600}.25` }), 0],
    ['a token for a year', () => own(`${h()}/devices/Dev1`, { se: now() + YEAR_S }), 0],
    ['the id in small letters, as old documents ask', () => own(`${h()}/devices/dev1`), 0],
    ['the host in capitals', () => own(`${h().toUpperCase()}/devices/Dev1`), 0],
    ['a longer URI of the device', () => own(`${h()}/devices/Dev1/messages/events`), 0],
    ['an api-version behind it', () => own(`${h()}/devices/Dev1/api-version=2016-11-14`), 0],
    ['blanks around sr', () => own(`%20${encodeURIComponent(`${h()}/devices/Dev1`)}%20`, { raw: true }), 0],
    ['sr encoded twice', () => own(twice(`${h()}/devices/Dev1`), { raw: true }), 0],
    ['a scheme in front, as AMQP clients write it', () => own(`amqps://${h()}:5671/devices/Dev1`), 0],
    ['the hub alone is too much for a device key', () => own(h()), 5],
    ['all devices too', () => own(`${h()}/devices`), 5],
    ['a module of the device is not the device', () => own(`${h()}/devices/Dev1/modules/m`), 5],
    ['the service\'s side of the device', () => own(`${h()}/twins/Dev1`), 5],
    ['a device that there is not', () => own(`${h()}/devices/Dev2`), 5],
    ['registryRead may not connect devices', () => policy(`${h()}/devices/Dev1`, 'registryRead'), 5],
    ['registryReadWrite neither', () => policy(`${h()}/devices/Dev1`, 'registryReadWrite'), 5],
    ['the device policy within its scope only', () => policy(`${h()}/devices/Other`, 'device'), 5],
    ['a policy that there is not', () => sas({ sr: h(), key: device.key, skn: 'nobody' }), 5],
    ['a device key in the name of a policy', () => sas({ sr: `${h()}/devices/Dev1`, key: device.key, skn: 'device' }), 5],
    ['a policy key without its name', () => sas({ sr: `${h()}/devices/Dev1`, key: s.hub.policyKey('device') }), 5],
    ['a token of a service SDK', () => policy(`sb://${h()}/myhub/$management`, 'iothubowner'), 5],
  ];
  for (const [rule, token, code] of cases) {
    it(`${rule}: CONNACK ${code}`, () => assertAnswer(s, device, token(), code));
  }

  const ofModules = [
    ['its own', () => sas({ sr: `${h()}/devices/Dev1/modules/m`, key: module.key }), 0],
    ['its key for the scope of its device', () => sas({ sr: `${h()}/devices/Dev1`, key: module.key }), 0],
    ['the device policy', () => policy(`${h()}/devices/Dev1/modules/m`, 'device'), 0],
    ['the device policy for the device', () => policy(`${h()}/devices/Dev1`, 'device'), 0],
    ['the key of its device', () => sas({ sr: `${h()}/devices/Dev1/modules/m`, key: device.key }), 5],
    ['another module\'s scope', () => sas({ sr: `${h()}/devices/Dev1/modules/n`, key: module.key }), 5],
    ['a module id that only begins so', () => sas({ sr: `${h()}/devices/Dev1/modules/mm`, key: module.key }), 5],
  ];
  for (const [rule, token, code] of ofModules) {
    it(`a module with ${rule}: CONNACK ${code}`, () => assertAnswer(s, module, token(), code));
  }

  const spellings = [
    ['once, as Node does', (id) => encodeURIComponent(`${h()}/devices/${id}`)],
    ['twice, as C# does', (id) => `${encodeURIComponent(`${h()}/devices/`)}${twice(id)}`],
    ['not at all, as C does, but for what a token cannot hold', (id) => `${h()}/devices/${id.replaceAll('%', '%25').replaceAll('&', '%26')}`],
  ];
  for (const [rule, spell] of spellings) {
    it(`an id of all marks, encoded ${rule}: CONNACK 0`, () =>
      assertAnswer(s, odd, sas({ sr: spell(HARD), raw: true, key: odd.key }), 0));
  }
});

withHub('who may come in (1.6, 5)', (s) => {
  const h = () => s.hub.host;
  const byPolicy = (id) => sas({ sr: `${h()}/devices/${id}`, key: s.hub.policyKey('device'), skn: 'device' });

  for (const type of ['selfSigned', 'certificateAuthority', 'none']) {
    it(`an identity of type ${type} has no use for a token, neither of its own nor of a policy`, async () => {
      const thumbs = { primaryThumbprint: 'A'.repeat(40), secondaryThumbprint: 'B'.repeat(40) };
      const authentication = type === 'selfSigned' ? { type, x509Thumbprint: thumbs } : { type };
      const { status, text } = await s.rest.put(`/devices/${type}`, { deviceId: type, authentication });
      assert.equal(status, 200, text);
      await assertAnswer(s, { deviceId: type }, byPolicy(type), 5);
      await assertAnswer(s, { deviceId: type }, sas({ sr: `${h()}/devices/${type}`, key: Buffer.alloc(32, 1).toString('base64') }), 5);
    });
  }

  it('a policy lets in nobody who is disabled, or not there', async () => {
    await registryOf(s.hub).create({ deviceId: 'off', status: 'disabled' });
    await assertAnswer(s, { deviceId: 'off' }, byPolicy('off'), 5);
    await assertAnswer(s, { deviceId: 'nobody' }, byPolicy('nobody'), 5);
  });

  it('a policy that is removed ends no connection, and lets in nobody more', async () => {
    await newDevice(s.hub, 'd');
    const { json } = await s.rest.put('/policies/field', { rights: 'DeviceConnect' });
    const token = sas({ sr: `${h()}/devices/d`, key: json.primaryKey, skn: 'field' });
    const client = await RawMqtt.connect(s.hub, { deviceId: 'd' }, { token });
    assert.equal((await s.rest.delete('/policies/field')).status, 204);
    assert.ok(await client.ping());
    await assertAnswer(s, { deviceId: 'd' }, token, 5);
    assert.ok(await client.ping(), 'who was refused has not disturbed it');
    await client.bye();
  });

  it('keys that are swapped both go on', async () => {
    const device = await newDevice(s.hub, 'swap');
    const client = await RawMqtt.connect(s.hub, device);
    const { json } = await s.rest.get('/devices/swap');
    json.authentication.symmetricKey = { primaryKey: device.secondaryKey, secondaryKey: device.key };
    assert.equal((await s.rest.put('/devices/swap', json, { headers: { 'If-Match': '*' } })).status, 200);
    assert.ok(await client.ping());
    await client.bye();
    for (const key of [device.key, device.secondaryKey]) await (await RawMqtt.connect(s.hub, { ...device, key })).bye();
  });

  it('a namesake has another generation, and the old key is worth nothing', async () => {
    const old = await newDevice(s.hub, 'again');
    const { generationId } = (await s.rest.get('/devices/again')).json;
    await s.rest.delete('/devices/again', { headers: { 'If-Match': '*' } });
    const renewed = await newDevice(s.hub, 'again');
    assert.notEqual((await s.rest.get('/devices/again')).json.generationId, generationId);
    await assertAnswer(s, old, undefined, 5);
    await assertAnswer(s, renewed, undefined, 0);
  });

  it('a disabled device keeps its twin for services', async () => {
    assert.equal((await s.rest.patch('/twins/off', { properties: { desired: { a: 1 } } })).status, 200);
    assert.equal((await s.rest.get('/twins/off')).json.properties.desired.a, 1);
  });
});

for (const [off, rule] of [['device', [5, 0]], ['module', [0, 5]]]) {
  withHub(`a hub with --disable-${off}-sas (1.6)`, (s) => {
    it('lets in with keys who else may, and everybody by a policy', async () => {
      const device = await newDevice(s.hub, 'd');
      await s.rest.put('/devices/d/modules/m', { deviceId: 'd', moduleId: 'm' });
      const { json } = await s.rest.get('/devices/d/modules/m');
      const module = { deviceId: 'd', moduleId: 'm', key: json.authentication.symmetricKey.primaryKey };
      const policy = sas({ sr: `${s.hub.host}/devices/d`, key: s.hub.policyKey('device'), skn: 'device' });
      for (const [i, identity] of [device, module].entries()) {
        await assertAnswer(s, identity, undefined, rule[i]);
        await assertAnswer(s, identity, policy, 0);
      }
      const auth = sas({ sr: `${s.hub.host}/devices/d`, key: device.key });
      assert.equal((await s.rest.post('/devices/d/messages/events', 'x', { auth })).status, off === 'device' ? 401 : 204);
    });
  }, { args: [`--disable-${off}-sas`] });
}

withHub('TLS (6)', (s) => {
  // What openssl s_client says of a handshake, whether it succeeds or not.
  const look = (port, ...args) => new Promise((resolve) => {
    const child = spawn('openssl', ['s_client', '-connect', `${s.hub.host}:${port}`, '-CAfile', s.hub.caFile, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    child.on('close', () => resolve(said));
  });
  const suite = (name) => ['-tls1_2', '-cipher', `${name}:@SECLEVEL=0`];
  const cases = [
    ['a suite of TLS 1.2', suite('ECDHE-ECDSA-AES128-GCM-SHA256'), /Cipher is ECDHE-ECDSA-AES128-GCM-SHA256/],
    ['another one', suite('ECDHE-ECDSA-AES256-GCM-SHA384'), /Cipher is ECDHE-ECDSA-AES256-GCM-SHA384/],
    ['CBC for small stacks', suite('ECDHE-ECDSA-AES128-SHA256'), /Cipher is ECDHE-ECDSA-AES128-SHA256/],
    ['no CBC with SHA-1', suite('ECDHE-ECDSA-AES128-SHA'), /alert handshake failure/],
    ['no DHE', suite('DHE-RSA-AES128-GCM-SHA256'), /alert handshake failure/],
    ['no key exchange by RSA', suite('AES128-GCM-SHA256'), /alert handshake failure/],
    ['no anonymous peer', suite('AECDH-AES128-SHA'), /alert handshake failure|no cipher match/],
    ['P-256', ['-curves', 'P-256'], /Server Temp Key: ECDH, prime256v1|Verify return code: 0/],
    ['P-384', ['-curves', 'P-384'], /Server Temp Key: ECDH, (secp384r1|P-384)/],
    ['X25519', ['-curves', 'X25519'], /Server Temp Key: X25519/],
    ['no server name', ['-noservername'], /Verify return code: 0 \(ok\)/],
    ['a client certificate is asked for, with no list of CAs', [], /No client certificate CA names sent/],
    ['small records, where a device asks for them', ['-tls1_2', '-maxfraglen', '512'], /Cipher is ECDHE/],
    ['the whole chain is sent', ['-showcerts'], /Verify return code: 0 \(ok\)/],
  ];
  for (const port of [443, 8883]) {
    for (const [rule, args, expected] of cases) {
      it(`${rule}, on ${port}`, async () => assert.match(await look(port, ...args), expected));
    }
  }
  const protocols = [
    [443, 'h2,http/1.1', /ALPN protocol: http\/1\.1/],
    [443, 'h2', /No ALPN negotiated/],
    [8883, 'x-unknown', /No ALPN negotiated/],
  ];
  for (const [port, offer, expected] of protocols) {
    it(`ALPN ${offer} on ${port}`, async () => assert.match(await look(port, '-alpn', offer), expected));
  }

  const certificate = (...more) => {
    const [cert, key] = [`${s.hub.dir}-any.pem`, `${s.hub.dir}-any.key`];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=any',
      '-keyout', key, '-out', cert, ...more], { stdio: 'ignore' });
    return ['-cert', cert, '-key', key];
  };
  for (const port of [443, 8883]) {
    it(`a certificate that nobody knows passes the handshake on ${port}: who it is comes later`, async () =>
      assert.match(await look(port, ...certificate()), /Verify return code: 0 \(ok\)/));
  }
  it('a certificate beside a token does a device with keys no harm', async () => {
    const device = await newDevice(s.hub, 'd');
    const [, cert, , key] = certificate();
    const client = await RawMqtt.open(s.hub, { cert: readFileSync(cert), key: readFileSync(key) });
    assert.equal((await client.hello(device)).code, 0);
    await client.bye();
  });
});

// With a certificate of one's own: many small stacks know RSA only.
const rsaDir = mkdtempSync(path.join(tmpdir(), 'muster-rsa-'));
after(() => rmSync(rsaDir, { recursive: true }));
function rsa(bits) {
  const [cert, key] = ['pem', 'key'].map((end) => path.join(rsaDir, `${bits}.${end}`));
  execFileSync('openssl', ['req', '-x509', '-newkey', `rsa:${bits}`, '-nodes', '-days', '2', '-subj', '/CN=own',
    '-addext', `subjectAltName=DNS:${HOST}`, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return ['--tls-cert', cert, '--tls-key', key];
}

describe('a hub with a certificate of RSA (6)', () => {
  let hub;
  before(async () => (hub = await new Hub({ args: rsa(2048) }).start())); // it has no CA of its own to trust
  after(() => hub.finish());
  const connect = (ciphers, maxVersion = 'TLSv1.2') => new Promise((resolve, reject) => {
    const socket = tls.connect({ host: HOST, port: 8883, rejectUnauthorized: false, maxVersion, ciphers: `${ciphers}:@SECLEVEL=0` });
    socket.once('secureConnect', () => {
      resolve(socket.getCipher().name);
      socket.destroy();
    });
    socket.once('error', reject);
  });
  for (const name of ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES128-SHA256', 'ECDHE-RSA-AES256-SHA384']) {
    it(`speaks ${name}`, async () => assert.equal(await connect(name), name));
  }
  for (const name of ['AES128-GCM-SHA256', 'DHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-SHA', 'AES128-SHA']) {
    it(`does not speak ${name}`, () => assert.rejects(connect(name), /handshake failure/));
  }
  it('is not started with a key of 1024 bits', async () => {
    const end = await muster(['serve', '--data', path.join(rsaDir, 'data'), ...rsa(1024)]);
    assert.equal(end.code, 1, end.stderr);
    assert.match(end.stderr, /too small|weak|key/i);
  });
});

withHub('connection state (7.1)', (s) => {
  const state = async (path = '/devices/d') => (await s.rest.get(path)).json;
  let device, module;
  before(async () => {
    device = await newDevice(s.hub, 'd');
    await s.rest.put('/devices/d/modules/m', { deviceId: 'd', moduleId: 'm' });
    module = { deviceId: 'd', moduleId: 'm', key: (await state('/devices/d/modules/m')).authentication.symmetricKey.primaryKey };
  });

  it('who is refused has not been there', async () => {
    await assertAnswer(s, device, sas({ sr: `${s.hub.host}/devices/d`, key: module.key }), 5);
    const { connectionState, lastActivityTime } = await state();
    assert.deepEqual([connectionState, lastActivityTime], ['Disconnected', '0001-01-01T00:00:00']);
  });
  it('HTTPS never changes it', async () => {
    const auth = sas({ sr: `${s.hub.host}/devices/d`, key: device.key });
    assert.equal((await s.rest.post('/devices/d/messages/events', 'x', { auth })).status, 204);
    const { connectionState, connectionStateUpdatedTime } = await state();
    assert.deepEqual([connectionState, connectionStateUpdatedTime], ['Disconnected', '0001-01-01T00:00:00']);
  });
  it('a message that is received is activity, a ping is not', async () => {
    const client = await RawMqtt.connect(s.hub, device);
    await client.subscribe(['devices/d/messages/devicebound/#', 1]);
    const before = (await state()).lastActivityTime;
    assert.equal((await s.rest.post('/devices/d/messages/devicebound', 'x')).status, 201);
    client.send(write.puback((await client.message()).id));
    assert.ok(await client.ping());
    const after = (await state()).lastActivityTime;
    assert.ok(after > before, `${after} after ${before}`);
    assert.ok(await client.ping());
    assert.equal((await state()).lastActivityTime, after);
    await client.bye();
  });
  it('a module has its own', async () => {
    const client = await RawMqtt.connect(s.hub, module);
    assert.deepEqual([(await state()).connectionState, (await state('/devices/d/modules/m')).connectionState],
      ['Disconnected', 'Connected']);
    const both = await RawMqtt.connect(s.hub, device);
    assert.ok(await client.ping(), 'both may be there at once');
    await both.bye();
    assert.ok(await client.ping());
    await client.bye();
  });
});
