// Devices that show a certificate instead of a token, with the Node SDK; certificates made with openssl.
'use strict';
const assert = require('node:assert/strict');
const https = require('node:https');
const { after, before, it } = require('node:test');
const { NoRetry } = require('azure-iot-common');
const device = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { Certificates } = require('./lib/certs');
const { TRANSPORTS, registryOf } = require('./lib/sdk');
const { Rest } = require('./lib/http');
const { muster } = require('./lib/hub');
const { assertFault, withHub } = require('./lib/suite');
const { Inbox, until, within } = require('./lib/wait');

const certs = new Certificates();
after(() => certs.remove());

const message = (text) => new device.Message(text);

// An SDK client of a device with a certificate, not yet open.
async function clientOf(hub, deviceId, { cert, key }, transport) {
  const client = device.Client.fromConnectionString(`HostName=${hub.host};DeviceId=${deviceId};x509=true`, TRANSPORTS[transport]);
  await client.setOptions({ ca: hub.ca, cert, key });
  client.setRetryPolicy(new NoRetry()); // the SDK goes on for four minutes after close, and holds up the end
  client.on('error', () => {});
  return client;
}

const logged = (hub, reason) => until(() => reason.test(hub.said()), `${reason} in the log`);

async function refused(hub, deviceId, shown, transport = 'mqtt') {
  const client = await clientOf(hub, deviceId, shown, transport);
  await assert.rejects(within(client.open(), 'a refusal'), { name: 'UnauthorizedError' });
  await client.close().catch(() => {});
}

for (const transport of Object.keys(TRANSPORTS)) {
  withHub(`thumbprints, ${transport}`, (s) => {
    const own = certs.selfSigned('whatever'), spare = certs.selfSigned('spare');
    before(() => registryOf(s.hub).create({
      deviceId: 'd',
      authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: own.sha1, secondaryThumbprint: spare.sha256 } },
    }));

    for (const [rule, shown] of [['primary, SHA-1', own], ['secondary, SHA-256', spare]]) {
      it(rule, async () => {
        const client = await clientOf(s.hub, 'd', shown, transport);
        await client.open();
        await client.sendEvent(message('{}'));
        const twin = await client.getTwin();
        assert.equal(twin.properties.desired.$version, 1);
        assert.equal((await s.rest.get('/devices/d')).json.connectionState, 'Connected');
        await client.close();
      });
    }

    it('another certificate is refused, and the log says why', async () => {
      await refused(s.hub, 'd', certs.selfSigned('whatever'), transport);
      await logged(s.hub, /another thumbprint/);
    });
  });
}

withHub('the life of a certificate and of its identity', (s) => {
  const own = certs.selfSigned('d'), next = certs.selfSigned('d');
  const identity = (thumbprint, more) => ({
    deviceId: 'd', authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: thumbprint } }, ...more,
  });
  before(() => registryOf(s.hub).create(identity(own.sha1)));

  it('expired and not yet valid are refused', async () => {
    const old = certs.selfSigned('old', { from: '20200101000000Z', to: '20210101000000Z' });
    const early = certs.selfSigned('early', { from: '20990101000000Z', to: '20991231000000Z' });
    await registryOf(s.hub).create({ ...identity(old.sha1), deviceId: 'old' });
    await registryOf(s.hub).create({ ...identity(early.sha1), deviceId: 'early' });
    await refused(s.hub, 'old', old);
    await logged(s.hub, /has expired/);
    await refused(s.hub, 'early', early);
    await logged(s.hub, /not valid yet/);
  });

  it('a thumbprint that was exchanged lets the next certificate in, the last one no more', async () => {
    await registryOf(s.hub).update(identity(next.sha256));
    await refused(s.hub, 'd', own);
    const client = await clientOf(s.hub, 'd', next, 'mqtt');
    await client.open();
    await client.close();
  });

  it('disabling ends the connection and keeps it away', async () => {
    const client = await clientOf(s.hub, 'd', next, 'mqtt');
    await client.open();
    await registryOf(s.hub).update(identity(next.sha256, { status: 'disabled' }));
    await logged(s.hub, /the device was disabled/);
    await until(async () => (await s.rest.get('/devices/d')).json.connectionState === 'Disconnected', 'the end');
    await client.close().catch(() => {});
    await refused(s.hub, 'd', next);
    await registryOf(s.hub).update(identity(next.sha256));
  });

  it('a certificate does not let in who uses keys, nor a token who uses certificates', async () => {
    const { responseBody } = await registryOf(s.hub).create({ deviceId: 'sas' });
    await refused(s.hub, 'sas', next);
    const key = responseBody.authentication.symmetricKey.primaryKey;
    const client = device.Client.fromConnectionString(s.hub.deviceConnectionString('d', key), TRANSPORTS.mqtt);
    client.setOptions({ ca: s.hub.ca });
    await assert.rejects(client.open(), { name: 'UnauthorizedError' });
  });

  it('identities and twins show it as Azure does', async () => {
    const { json } = await s.rest.get('/devices/d');
    assert.deepEqual(json.authentication, {
      symmetricKey: { primaryKey: null, secondaryKey: null },
      x509Thumbprint: { primaryThumbprint: next.sha256, secondaryThumbprint: null },
      type: 'selfSigned',
    });
    const twin = (await s.rest.get('/twins/d')).json;
    assert.equal(twin.authenticationType, 'selfSigned');
    assert.deepEqual(twin.x509Thumbprint, json.authentication.x509Thumbprint);
  });

  it('a thumbprint as openssl prints it is taken', async () => {
    const spelled = next.sha1.match(/../g).join(':').toLowerCase();
    await registryOf(s.hub).update(identity(spelled));
    assert.equal((await s.rest.get('/devices/d')).json.authentication.x509Thumbprint.primaryThumbprint, next.sha1);
  });
});

// ---- certificate authorities ----

const put = (s, name, certificate, isVerified = true) => s.rest.put(`/certificates/${name}`, { certificate, isVerified });
const newDevice = (hub, deviceId) => registryOf(hub).create({ deviceId, authentication: { type: 'certificateAuthority' } });

async function lets(hub, deviceId, shown, transport = 'mqtt') {
  const client = await clientOf(hub, deviceId, shown, transport);
  await within(client.open(), 'a connection');
  return client;
}

withHub('devices that a CA vouches for', (s) => {
  const root = certs.authority('Root'), middle = certs.authority('Middle', { issuer: root });
  const other = certs.authority('Root'), own = certs.make('d', { issuer: middle });
  before(async () => {
    assert.equal((await put(s, 'root', root.own)).status, 200);
    await newDevice(s.hub, 'd');
  });

  for (const transport of Object.keys(TRANSPORTS)) {
    it(`come in with their chain, ${transport}`, async () => {
      const client = await lets(s.hub, 'd', own, transport);
      await client.sendEvent(message('{}'));
      assert.equal((await client.getTwin()).properties.desired.$version, 1);
      await client.close();
    });
  }

  const wrong = {
    'without their intermediate': [() => ({ ...own, cert: own.own }), /issuer/],
    'under another name': [() => certs.make('e', { issuer: root }), /common name/],
    'signed by a CA of the same name': [() => certs.make('d', { issuer: other }), /certificate/],
    'signed by themselves': [() => certs.selfSigned('d'), /self-signed/],
    'after its end': [() => certs.make('d', { issuer: root, to: '20210101000000Z' }), /has expired/],
    'before its time': [() => certs.make('d', { issuer: root, from: '20990101000000Z' }), /not valid yet/],
    'through an intermediate that has expired': [() => {
      const old = certs.authority('Old', { issuer: root, to: '20210101000000Z' });
      return certs.make('d', { issuer: old });
    }, /has expired/],
    'signed by a device': [() => certs.make('d', { issuer: certs.make('x', { issuer: root }) }), /CA/],
    'made for servers': [() => certs.make('d', { issuer: root, extensions: ['extendedKeyUsage=serverAuth'] }), /purpose/],
  };
  for (const [how, [make, reason]] of Object.entries(wrong)) {
    it(`do not come in ${how}`, async () => {
      await refused(s.hub, 'd', make());
      await logged(s.hub, reason);
    });
  }

  it('an intermediate may be registered instead of its root', async () => {
    await s.rest.delete('/certificates/root');
    await refused(s.hub, 'd', own);
    assert.equal((await put(s, 'middle', middle.own)).status, 200);
    await (await lets(s.hub, 'd', { ...own, cert: own.own })).close();
  });

  it('a renewed CA of the same name stands beside the old one', async () => {
    await put(s, 'old', root.own);
    await put(s, 'new', other.own);
    await (await lets(s.hub, 'd', own)).close();
    await (await lets(s.hub, 'd', certs.make('d', { issuer: other }))).close();
  });

  it('CAs are there after a restart', async () => {
    await s.hub.restart();
    await (await lets(s.hub, 'd', certs.make('d', { issuer: other }))).close();
  });

  it('who came in by a CA that is removed goes, and stays away', async () => {
    const client = await lets(s.hub, 'd', certs.make('d', { issuer: other }));
    assert.equal((await s.rest.delete('/certificates/new')).status, 204);
    client.sendEvent(message('{}')).catch(() => {});
    await logged(s.hub, /not trusted any more/);
    await client.close().catch(() => {});
    await refused(s.hub, 'd', certs.make('d', { issuer: other }));
  });
});

withHub('registering CAs', (s) => {
  const root = certs.authority('Root');
  const ca = (...args) => muster(['ca', ...args, '--data', s.hub.dir]);

  it('Azure\'s way: a CA counts when its key has signed our code', async () => {
    assert.equal((await put(s, 'root', root.own, false)).json.isVerified, false);
    await newDevice(s.hub, 'd');
    const device = certs.make('d', { issuer: root });
    await refused(s.hub, 'd', device);
    const early = await s.rest.post('/certificates/root/verify', { certificate: root.own });
    assertFault(early, 400, 'ArgumentInvalid', /generateVerificationCode/);
    const { verificationCode } = (await s.rest.post('/certificates/root/generateVerificationCode')).json;
    assert.match(verificationCode, /^[0-9A-F]{48}$/);
    const stranger = certs.make(verificationCode, { issuer: certs.authority('Root') });
    assertFault(await s.rest.post('/certificates/root/verify', { certificate: stranger.own }), 400, 'ArgumentInvalid', /not signed/);
    const other = certs.make('0'.repeat(48), { issuer: root });
    assertFault(await s.rest.post('/certificates/root/verify', { certificate: other.own }), 400, 'ArgumentInvalid', /verification code/);
    await refused(s.hub, 'd', device);
    const proof = certs.make(verificationCode, { issuer: root });
    const proven = await s.rest.post('/certificates/root/verify', { certificate: proof.own });
    assert.equal(proven.json.isVerified, true);
    await (await lets(s.hub, 'd', device)).close();
    assertFault(await s.rest.post('/certificates/root/verify', { certificate: proof.own }), 400, 'ArgumentInvalid', /generate/);
  });

  it('what is registered is shown', async () => {
    const [row] = (await s.rest.get('/certificates')).json;
    assert.deepEqual({ ...row, created: 0, updated: 0 }, {
      name: 'root', subject: 'CN=Root', thumbprint: root.sha1, expiry: '2099-12-31T23:59:59Z', isVerified: true, created: 0, updated: 0,
    });
    assert.equal((await s.rest.get('/certificates/ROOT')).json.certificate, root.own);
  });

  it('what cannot serve is refused, and says why', async () => {
    const fault = async (name, certificate, status, code, text) => assertFault(await put(s, name, certificate), status, code, text);
    await fault('again', root.own, 409, 'GenericConflict', /as 'root'/);
    await fault('root', certs.authority('Another').own, 409, 'GenericConflict', /registered already/);
    await fault('x', certs.selfSigned('x').own, 400, 'ArgumentInvalid', /not a CA/);
    await fault('x', 'hello', 400, 'ArgumentInvalid', /no certificate/);
    await fault('x', undefined, 400, 'ArgumentInvalid', /certificate/);
    await fault('a%20b', root.own, 400, 'ArgumentInvalid', /name/);
    await fault('x', certs.authority('old', { to: '20210101000000Z' }).own, 400, 'ArgumentInvalid', /expired/);
    for (const call of [s.rest.get('/certificates/no'), s.rest.delete('/certificates/no'),
      s.rest.post('/certificates/no/verify', { certificate: root.own }), s.rest.post('/certificates/no/generateVerificationCode')])
      assertFault(await call, 404, 'CertificateNotFound');
  });

  it('is for owners only', async () => {
    for (const policy of ['service', 'device', 'registryRead', 'registryReadWrite']) {
      const rest = new Rest(s.hub, policy);
      for (const call of [rest.get('/certificates'), rest.get('/certificates/root'), rest.put('/certificates/x', {}),
        rest.delete('/certificates/root'), rest.post('/certificates/root/verify', {}), rest.post('/certificates/root/generateVerificationCode')])
        assertFault(await call, 401, 'IotHubUnauthorizedAccess');
      rest.close();
    }
  });

  it('muster ca does it from the command line', async () => {
    const second = certs.authority('Second');
    assert.equal((await ca('add', 'second', second.certFile)).code, 0);
    assert.equal((await ca('add', 'third', certs.authority('Third').certFile, '--prove')).code, 0);
    const rows = (await ca('list', '--json')).stdout.trim().split('\n').map(JSON.parse);
    assert.deepEqual(rows.map((row) => [row.name, row.isVerified]), [['root', true], ['second', true], ['third', false]]);
    assert.match((await ca('list')).stdout, /second +trusted +2099-12-31T23:59:59Z +CN=Second\n/);
    assert.match((await ca('show', 'second')).stdout, /BEGIN CERTIFICATE/);
    const { stdout } = await ca('code', 'third');
    const third = /verificationCode +([0-9A-F]{48})/.exec(stdout)[1];
    assert.equal(third.length, 48);
    const wrongProof = await ca('verify', 'third', second.certFile);
    assert.equal(wrongProof.code, 1);
    assert.match(wrongProof.stderr, /verification code/);
    assert.equal((await ca('remove', 'second')).code, 0);
    assert.equal((await ca('remove', 'second')).code, 1);
    assert.equal((await ca('add', 'second')).code, 2);
    assert.equal((await ca('add', 'second', '/no/such/file')).code, 1);
  });
});

// ---- HTTPS: no session, so each request proves anew, over one connection or many ----

withHub('devices with certificates over HTTPS', (s) => {
  const root = certs.authority('Root'), own = certs.selfSigned('own'), signed = certs.make('signed', { issuer: root });
  // One connection, kept: the hub remembers what it has shown.
  const kept = ({ cert, key }) => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: s.hub.ca, cert, key });
    return (id) => s.rest.post(`/devices/${id}/messages/events`, 'x', { agent, auth: null });
  };
  before(async () => {
    await registryOf(s.hub).create({ deviceId: 'own', authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: own.sha1 } } });
    await newDevice(s.hub, 'signed');
    await put(s, 'root', root.own);
  });

  it('one connection serves who it shows, and nobody else', async () => {
    const post = kept(signed);
    assert.equal((await post('signed')).status, 204);
    assert.equal((await post('own')).status, 401);
    assert.equal((await post('signed')).status, 204);
  });

  it('a CA that is removed is missed on a connection that is open', async () => {
    const post = kept(signed);
    assert.equal((await post('signed')).status, 204);
    await s.rest.delete('/certificates/root');
    assert.equal((await post('signed')).status, 401);
    await put(s, 'root', root.own);
    assert.equal((await post('signed')).status, 204);
  });
});

// The SDK's transport never calls back from setOptions without an option of the receiver among them (`drain`
// here), so a caller that waits for it hangs before anything is sent: azure-iot-device-http 1.14.4.
async function httpClientOf(hub, deviceId, { cert, key }) {
  const client = device.Client.fromConnectionString(`HostName=${hub.host};DeviceId=${deviceId};x509=true`, Http);
  await within(client.setOptions({ ca: hub.ca, cert, key, drain: false, manualPolling: true }), 'the SDK takes its options');
  client.setRetryPolicy(new NoRetry());
  client.on('error', () => {});
  await client.open();
  return client;
}

withHub('the Node SDK with a certificate over HTTPS', (s) => {
  const own = certs.selfSigned('own'), root = certs.authority('Root'), signed = certs.make('signed', { issuer: root });
  before(async () => {
    await registryOf(s.hub).create({ deviceId: 'own', authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: own.sha1 } } });
    await newDevice(s.hub, 'signed');
    await put(s, 'root', root.own);
  });

  it('never hears that its options were taken, unless one of them is the receiver\'s: a fault of the SDK', async () => {
    const client = device.Client.fromConnectionString(`HostName=${s.hub.host};DeviceId=own;x509=true`, Http);
    let heard = false;
    client._transport.setOptions({ ca: s.hub.ca, cert: own.cert, key: own.key }, () => (heard = true)); // all of it happens in the call
    assert.equal(heard, false, 'the SDK has changed: is `drain` still needed?');
    client._transport.setOptions({ ca: s.hub.ca, cert: own.cert, key: own.key, drain: false }, () => (heard = true));
    assert.equal(heard, true);
  });

  for (const [id, shown] of [['own', own], ['signed', signed]]) {
    it(`sends, one and many, receives and completes: ${id}`, async () => {
      const client = await httpClientOf(s.hub, id, shown);
      await within(client.sendEvent(message('{"n":1}')), '204');
      await within(client.sendEventBatch([message('{"n":2}'), message('{"n":3}')]), '204');
      const sent = (await s.rest.get('/events')).json.events.filter((event) => event.deviceId === id);
      assert.deepEqual(sent.map((event) => event.body.n), [1, 2, 3]);
      assert.deepEqual(JSON.parse(sent[0].systemProperties['iothub-connection-auth-method']),
        { scope: 'device', type: 'x509', issuer: 'external', acceptingIpFilterRule: null });
      await s.rest.post(`/devices/${id}/messages/devicebound`, 'hello', { headers: { 'Content-Type': 'text/plain' } });
      const messages = new Inbox('message');
      client.on('message', (got) => messages.push(got));
      client._transport.receive(); // by hand; the SDK has no public name for it
      const got = await messages.next();
      assert.equal(got.data.toString(), 'hello');
      await within(client.complete(got), '204');
      assert.equal((await s.rest.get(`/devices/${id}`)).json.cloudToDeviceMessageCount, 0);
      await client.close();
    });
  }

  it('is refused with the certificate of somebody else', async () => {
    const client = await httpClientOf(s.hub, 'own', signed);
    await assert.rejects(within(client.sendEvent(message('x')), '401'), { name: 'UnauthorizedError' });
    await client.close();
  });
});

// ---- modules: thumbprints of their own, or the common name device/module ----

// Of the SDK, which takes no connection string of a module with a certificate, but any provider of credentials.
async function moduleOf(hub, moduleId, { cert, key }, transport) {
  const credentials = { host: hub.host, deviceId: 'd', moduleId, x509: { cert, key } };
  const client = device.ModuleClient.fromAuthenticationProvider(new device.X509AuthenticationProvider(credentials), TRANSPORTS[transport]);
  client.setRetryPolicy(new NoRetry());
  await client.setOptions({ ca: hub.ca, cert, key });
  client.on('error', () => {});
  return client;
}

withHub('modules with certificates', (s) => {
  const root = certs.authority('Root'), own = certs.selfSigned('whatever'), spare = certs.selfSigned('spare');
  const signed = certs.make('d/signed', { issuer: root }), ofDevice = certs.make('d', { issuer: root });
  const wrong = {
    'own, another thumbprint': ['own', certs.selfSigned('whatever'), /another thumbprint/],
    'own, as a CA would have it': ['own', certs.make('d/own', { issuer: root }), /another thumbprint/],
    'signed, the name of the device alone': ['signed', ofDevice, /common name/],
    'signed, the name of the module alone': ['signed', certs.make('signed', { issuer: root }), /common name/],
    'signed, another module': ['signed', certs.make('d/own', { issuer: root }), /common name/],
    'signed, another device': ['signed', certs.make('e/signed', { issuer: root }), /common name/],
    'signed, in other letters': ['signed', certs.make('d/Signed', { issuer: root }), /common name/],
    'signed, by itself': ['signed', certs.selfSigned('d/signed'), /self-signed/],
    'keyed, any certificate': ['keyed', own, /key|token/],
  };
  const post = (moduleId, { cert, key }) => {
    const agent = new https.Agent({ ca: s.hub.ca, cert, key });
    return s.rest.post(`/devices/d/modules/${moduleId}/messages/events`, '{}', { agent, auth: null });
  };

  before(async () => {
    const registry = registryOf(s.hub);
    await registry.create({ deviceId: 'd', authentication: { type: 'certificateAuthority' } });
    await registry.addModule({ deviceId: 'd', moduleId: 'own',
      authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: own.sha1, secondaryThumbprint: spare.sha256 } } });
    await registry.addModule({ deviceId: 'd', moduleId: 'signed', authentication: { type: 'certificateAuthority' } });
    await registry.addModule({ deviceId: 'd', moduleId: 'keyed' });
    await put(s, 'root', root.own);
  });

  for (const [rule, id, shown] of [['by a thumbprint', 'own', own], ['by the second thumbprint', 'own', spare], ['by a CA', 'signed', signed]]) {
    for (const transport of Object.keys(TRANSPORTS)) {
      it(`come in ${rule}, ${transport}`, async () => {
        const client = await moduleOf(s.hub, id, shown, transport);
        await within(client.open(), 'a connection');
        await client.sendEvent(message('{}'));
        assert.equal((await client.getTwin()).properties.desired.$version, 1);
        assert.equal((await s.rest.get(`/devices/d/modules/${id}`)).json.connectionState, 'Connected');
        await client.close();
      });
    }
    it(`come in ${rule}, HTTPS`, async () => {
      const answer = await post(id, shown);
      assert.equal(answer.status, 204, answer.text);
      const event = (await s.rest.get('/events')).json.events.at(-1);
      assert.equal(event.systemProperties['iothub-connection-module-id'], id);
      assert.deepEqual(JSON.parse(event.systemProperties['iothub-connection-auth-method']),
        { scope: 'module', type: 'x509', issuer: 'external', acceptingIpFilterRule: null });
    });
  }

  for (const [rule, [id, shown, reason]] of Object.entries(wrong)) {
    it(`do not come in: ${rule}`, async () => {
      for (const transport of Object.keys(TRANSPORTS)) {
        const client = await moduleOf(s.hub, id, shown, transport);
        await assert.rejects(within(client.open(), 'a refusal'), { name: 'UnauthorizedError' });
        await client.close().catch(() => {});
      }
      assertFault(await post(id, shown), 401, 'IotHubUnauthorized');
      await logged(s.hub, reason);
    });
  }

  it('do not come in when their device is disabled, and go when it becomes so', async () => {
    const client = await moduleOf(s.hub, 'signed', signed, 'mqtt');
    await client.open();
    const identity = (await registryOf(s.hub).get('d')).responseBody;
    await registryOf(s.hub).update({ ...identity, etag: undefined, status: 'disabled' });
    await until(async () => (await s.rest.get('/devices/d/modules/signed')).json.connectionState === 'Disconnected', 'the end');
    await client.close().catch(() => {});
    assert.equal((await post('signed', signed)).status, 403);
    await registryOf(s.hub).update({ ...identity, etag: undefined, status: 'enabled' });
    assert.equal((await post('signed', signed)).status, 204);
  });

  it('do not stand in for their device, nor their device for them', async () => {
    await refused(s.hub, 'd', signed);
    const client = await lets(s.hub, 'd', ofDevice);
    await client.close();
    assert.equal((await post('signed', ofDevice)).status, 401);
  });
});
