// The Node device SDK drives the hub over MQTT and over MQTT in a WebSocket.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { Message } = require('azure-iot-device');
const { TRANSPORTS, clientOf, newDevice, openClient, openTwin, registryOf } = require('./lib/sdk');
const { withHub } = require('./lib/suite');
const { Inbox, within } = require('./lib/wait');

const bare = (section) => Object.fromEntries(Object.entries(section).filter(([name]) => !name.startsWith('$')));

for (const transport of Object.keys(TRANSPORTS)) {
  withHub(transport, (s) => {
    let identity, client, twin, desired, report;
    before(async () => {
      identity = await newDevice(s.hub, 'd');
      client = await openClient(s.hub, identity, transport);
    });

    it('connects, and the hub says so', async () => {
      assert.equal((await s.rest.get('/devices/d')).json.connectionState, 'Connected');
    });

    it('sends telemetry with its property bag', async () => {
      const message = new Message(JSON.stringify({ t: 1 }));
      Object.assign(message, { messageId: 'mid 1', correlationId: 'cid/1', contentType: 'application/json', contentEncoding: 'utf-8' });
      message.properties.add('temperatureAlert', 'true & false');
      message.properties.add('$weird', 'x=y');
      await within(client.sendEvent(message), 'PUBACK');
    });

    it('sends many at once', async () => {
      await within(Promise.all(Array.from({ length: 200 }, (_, i) => client.sendEvent(new Message(`${i}`)))), '200 PUBACKs');
    });

    it('reads its twin', async () => {
      await registryOf(s.hub).updateTwin('d', { tags: { secret: 1 }, properties: { desired: { interval: '5m' } } }, '*');
      ({ twin, desired, report } = await openTwin(client));
      assert.deepEqual(twin.properties.desired, { interval: '5m', $version: 2 });
      assert.equal(twin.tags, undefined);
    });

    it('hears of desired changes', async () => {
      const first = await desired.next();
      assert.equal(first.$version, 2, 'the SDK gives the whole section first');
      // The SDK subscribes behind the caller's back; a change that comes earlier is simply read later.
      await registryOf(s.hub).updateTwin('d', { properties: { desired: { interval: '9m', more: { a: 1 } } } }, '*');
      assert.deepEqual(await desired.next(), { interval: '9m', more: { a: 1 }, $version: 3 });
      await registryOf(s.hub).updateTwin('d', { properties: { desired: { more: null } } }, '*');
      assert.deepEqual(await desired.next(), { more: null, $version: 4 });
    });

    it('reports properties, which operators see at once', async () => {
      await report({ fw: '1.0', net: { wifi: true } });
      await report({ fw: '1.1', net: null });
      const { reported } = (await s.rest.get('/twins/d')).json.properties;
      assert.deepEqual(bare(reported), { fw: '1.1' });
      assert.equal(reported.$version, 3);
    });

    it('is told why a report is refused', async () => {
      await assert.rejects(report({ bad: 'x'.repeat(5000) }), (error) => error.message.length > 0);
      await report({ good: 1 });
    });

    it('subscribes to cloud-to-device messages', async () => {
      const errors = new Inbox('error');
      client.on('message', () => {});
      client.on('error', (error) => errors.push(error));
      await client.sendEvent(new Message('after the subscription'));
      assert.equal(errors.items.length, 0);
    });

    it('leaves', async () => {
      await client.close();
    });

    it('a wrong key is UnauthorizedError', async () => {
      const stranger = clientOf(s.hub, { deviceId: 'd', key: Buffer.alloc(32).toString('base64') }, transport);
      await assert.rejects(within(stranger.open(), 'an answer'), (error) => error.name === 'UnauthorizedError');
    });
  });
}
