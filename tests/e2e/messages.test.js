// Cloud-to-device messages over MQTT: docs/spec/device-mqtt.md 12, docs/spec/service-rest.md 15.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { RawMqtt, write } = require('./lib/mqtt');
const { TRANSPORTS, newDevice, openClient } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');
const { Inbox, until } = require('./lib/wait');

const FILTER = (id) => [`devices/${id}/messages/devicebound/#`, 1];
const send = (s, id, body, headers = {}) =>
  s.rest.post(`/devices/${id}/messages/devicebound`, body, { headers: { 'Content-Type': 'text/plain', ...headers } });
const waiting = async (s, id) => (await s.rest.get(`/devices/${id}`)).json.cloudToDeviceMessageCount;

// All feedback that comes within the test, by message id; each batch is completed.
async function feedbackOf(s, id) {
  return until(async () => {
    const batch = await s.rest.get('/messages/serviceBound/feedback');
    if (batch.status === 204) return undefined;
    const token = batch.headers.etag.replaceAll('"', '');
    assert.equal((await s.rest.delete(`/messages/serviceBound/feedback/${token}`)).status, 204);
    return batch.json.find((record) => record.originalMessageId === id);
  }, `feedback on ${id}`);
}

for (const transport of Object.keys(TRANSPORTS)) {
  withHub(`the Node SDK over ${transport}`, (s) => {
    let client, messages;
    before(async () => {
      client = await openClient(s.hub, await newDevice(s.hub, 'd1'), transport);
      messages = new Inbox('message');
      client.on('message', (message) => messages.push(message));
    });

    it('receives what a service sends, with its properties', async () => {
      const sent = await send(s, 'd1', 'hello c2d', {
        'iothub-messageid': 'm-1', 'iothub-correlationid': 'c/1', 'iothub-userid': 'me', 'iothub-ack': 'full',
        'iothub-expiry': new Date(Date.now() + 600000).toISOString(), 'iothub-contenttype': 'text/plain',
        'iothub-contentencoding': 'utf-8', 'iothub-app-prop1': 'v 1&2=3', 'iothub-app-empty': '',
      });
      assert.equal(sent.status, 201, sent.text);
      assert.equal(sent.json.messageId, 'm-1');
      assert.ok(sent.json.expiryTimeUtc > sent.json.enqueuedTimeUtc);
      const message = await messages.next();
      assert.equal(message.data.toString(), 'hello c2d');
      assert.deepEqual(
        [message.messageId, message.correlationId, message.userId, message.to],
        ['m-1', 'c/1', 'me', '/devices/d1/messages/devicebound']);
      assert.deepEqual([message.contentType, message.contentEncoding], ['text/plain', 'utf-8']);
      assert.equal(message.properties.getValue('prop1'), 'v 1&2=3');
      assert.equal(message.properties.getValue('empty'), '');
      assert.equal(message.properties.getValue('iothub-ack'), 'full', 'this SDK knows no such member');
      const told = await feedbackOf(s, 'm-1'); // mqtt.js acknowledges by itself
      assert.deepEqual([told.deviceId, told.statusCode, told.description], ['d1', 'Success', 'Success']);
      assert.equal(told.deviceGenerationId, (await s.rest.get('/devices/d1')).json.generationId);
      assert.equal(await waiting(s, 'd1'), 0);
    });
    it('receives bytes as they are, and many in order', async () => {
      const bytes = Buffer.from([0, 255, 10, 13, 128]);
      await send(s, 'd1', bytes);
      assert.deepEqual((await messages.next()).data, bytes);
      for (let i = 0; i < 40; i++) assert.equal((await send(s, 'd1', `${i}`)).status, 201);
      for (let i = 0; i < 40; i++) assert.equal((await messages.next()).data.toString(), `${i}`);
    });
    it('finds what was sent while it was away', async () => {
      await client.close();
      await send(s, 'd1', 'while away');
      assert.equal(await waiting(s, 'd1'), 1);
      await client.open();
      assert.equal((await messages.next()).data.toString(), 'while away');
      await client.close();
    });
  });
}

withHub('a device on the wire', (s) => {
  let device, client;
  const connect = async (options) => (client = await RawMqtt.connect(s.hub, device, options));
  before(async () => {
    device = await newDevice(s.hub, 'd');
    await connect();
  });

  it('gets nothing before it subscribes, then all in order', async () => {
    await send(s, 'd', 'one', { 'iothub-messageid': 'm 1', 'iothub-expiry': '2030-01-02T03:04:05Z' }).then((answer) =>
      assertFault(answer, 403, 'InvalidMessageExpiryTime', /48 hours/));
    await send(s, 'd', 'one', { 'iothub-messageid': 'm 1', 'iothub-app-b': '2', 'iothub-app-a': Buffer.from('ü').toString('latin1') });
    await send(s, 'd', 'two');
    assert.ok(await client.ping());
    assert.equal(client.inbox(3).items.length, 0);
    assert.deepEqual(await client.subscribe(FILTER('d')), [1]);
    const first = await client.message(), second = await client.message();
    assert.equal(first.topic, 'devices/d/messages/devicebound/%24.mid=m%201&' +
      '%24.to=%2Fdevices%2Fd%2Fmessages%2Fdevicebound&b=2&a=%C3%BC');
    assert.deepEqual([first.qos, first.retain, first.dup, first.payload], [1, 0, 0, 'one']);
    assert.equal(second.payload, 'two');
    assert.notEqual(first.id, second.id);
    client.send(write.puback(first.id));
    await until(async () => (await waiting(s, 'd')) === 1, 'the first is done with');
  });
  it('gets again what it did not acknowledge, marked as such, also after kill -9', async () => {
    await client.cut();
    await connect();
    const again = await client.message();
    assert.deepEqual([again.payload, again.dup], ['two', 1]);
    await s.hub.kill9();
    await s.hub.start();
    assert.equal(await waiting(s, 'd'), 1);
    await connect();
    const { id, payload } = await client.message();
    assert.equal(payload, 'two');
    client.send(write.puback(id));
    await until(async () => (await waiting(s, 'd')) === 0, 'it is done with');
  });
  it('a PUBACK that answers nothing does no harm', async () => {
    client.send(write.puback(4711));
    assert.ok(await client.ping());
  });
  it('the count is in twins and queries', async () => {
    await client.bye();
    await send(s, 'd', 'm');
    assert.equal((await s.rest.get('/twins/d')).json.cloudToDeviceMessageCount, 1);
    const { json } = await s.rest.query('SELECT deviceId FROM devices WHERE cloudToDeviceMessageCount > 0');
    assert.deepEqual(json, [{ deviceId: 'd' }]);
  });
  it('a purge drops what waits, and tells who asked', async () => {
    await send(s, 'd', 'm', { 'iothub-messageid': 'purged', 'iothub-ack': 'negative' });
    const purged = await s.rest.delete('/devices/d/commands');
    assert.deepEqual([purged.status, purged.json], [200, { deviceId: 'd', totalMessagesPurged: 2 }]);
    assert.equal((await feedbackOf(s, 'purged')).statusCode, 'Purged');
    assertFault(await s.rest.delete('/devices/nobody/commands'), 404, 'DeviceNotFound');
  });
});

withHub('sending', (s) => {
  before(() => newDevice(s.hub, 'd'));

  it('is refused with the reason', async () => {
    assertFault(await send(s, 'nobody', 'x'), 404, 'DeviceNotFound');
    assertFault(await send(s, 'd', 'x', { 'iothub-ack': 'maybe' }), 400, 'ArgumentInvalid', /iothub-ack/);
    assertFault(await send(s, 'd', 'x', { 'iothub-expiry': 'soon' }), 400, 'ArgumentInvalid', /iothub-expiry/);
    assertFault(await send(s, 'd', 'x', { 'iothub-messageid': 'x'.repeat(129) }), 400, 'ArgumentInvalid', /128/);
    assertFault(await send(s, 'd', 'x'.repeat(65537)), 413, 'MessageTooLarge');
    assertFault(await send(s, 'd', 'x'.repeat(65530)), 413, 'MessageTooLarge', /properties/);
    const names = await s.rest.post('/devices/d/messages/devicebound', 'x', { auth: null });
    assertFault(names, 401, 'IotHubUnauthorizedAccess');
  });
  it('fills a queue of 50', async () => {
    for (let i = 0; i < 50; i++) assert.equal((await send(s, 'd', 'x')).status, 201);
    assertFault(await send(s, 'd', 'x'), 403, 'DeviceMaximumQueueDepthExceeded');
    assert.equal(await waiting(s, 'd'), 50);
  });
  it('feedback: an unknown lock is lost, a batch that is given back comes again', async () => {
    assertFault(await s.rest.delete('/messages/serviceBound/feedback/00000000-0000-0000-0000-000000000000'),
      412, 'DeviceMessageLockLost');
    assertFault(await s.rest.delete('/messages/serviceBound/feedback/nonsense'), 412, 'DeviceMessageLockLost');
    await s.rest.delete('/devices/d/commands');
    await send(s, 'd', 'x', { 'iothub-messageid': 'back', 'iothub-ack': 'full' });
    await s.rest.delete('/devices/d/commands');
    const first = await s.rest.get('/messages/servicebound/feedback');
    assert.equal(first.status, 200);
    assert.match(first.headers.etag, /^"[0-9a-f-]{36}"$/);
    assert.equal((await s.rest.get('/messages/serviceBound/feedback')).status, 204, 'locked');
    const token = first.headers.etag.replaceAll('"', '');
    assert.equal((await s.rest.post(`/messages/serviceBound/feedback/${token}/abandon`)).status, 204);
    assert.equal((await feedbackOf(s, 'back')).statusCode, 'Purged');
  });
});

withHub('a strict hub', (s) => {
  it('knows no REST call that sends a message', async () => {
    await newDevice(s.hub, 'd');
    assertFault(await send(s, 'd', 'x'), 405, 'GenericMethodNotAllowed');
    assert.equal((await s.rest.delete('/devices/d/commands')).status, 200);
  });
}, { args: ['--strict-azure'] });
