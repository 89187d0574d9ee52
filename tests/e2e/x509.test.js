// Devices that show a certificate instead of a token, with the Node SDK; certificates made with openssl.
'use strict';
const assert = require('node:assert/strict');
const { after, before, it } = require('node:test');
const device = require('azure-iot-device');
const { Certificates } = require('./lib/certs');
const { TRANSPORTS, registryOf } = require('./lib/sdk');
const { withHub } = require('./lib/suite');
const { until, within } = require('./lib/wait');

const certs = new Certificates();
after(() => certs.remove());

// An SDK client of a device with a certificate, not yet open.
async function clientOf(hub, deviceId, { cert, key }, transport) {
  const client = device.Client.fromConnectionString(`HostName=${hub.host};DeviceId=${deviceId};x509=true`, TRANSPORTS[transport]);
  await client.setOptions({ ca: hub.ca, cert, key });
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
        await client.sendEvent(new device.Message('{}'));
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
