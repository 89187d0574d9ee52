// Stored sessions. Official SDKs do not subscribe again after a reconnect, so a hub that forgets
// their filters makes them deaf: docs/spec/device-mqtt.md 4.
'use strict';
const assert = require('node:assert/strict');
const { after, before, it } = require('node:test');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { RawMqtt, UNSUBACK, write } = require('./lib/mqtt');
const { Proxy, SUBSCRIBE } = require('./lib/proxy');
const { callerOf, newDevice, onMethod, openTwin, registryOf } = require('./lib/sdk');
const { withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

const ALL = ['$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#', '$iothub/methods/POST/#',
  ['devices/d/messages/devicebound/#', 1]];

const call = (s, body) => s.rest.post('/twins/d/methods', { methodName: 'm', responseTimeoutInSeconds: 30, ...body });

// The device hears everything that it once subscribed to.
async function assertHears(s, client, step) {
  await client.publish('$iothub/twin/GET/?$rid=1');
  assert.match((await client.message()).topic, /^\$iothub\/twin\/res\/200\/\?\$rid=1$/, 'twin answers');
  await s.rest.patch('/twins/d', { properties: { desired: { step } } });
  assert.match((await client.message()).topic, /^\$iothub\/twin\/PATCH\/properties\/desired\//, 'desired changes');
  const asked = call(s, { connectTimeoutInSeconds: 30 });
  const { topic } = await client.message();
  await client.publish(`$iothub/methods/res/200/?${topic.split('?')[1]}`, '1');
  assert.equal((await asked).status, 200, 'method calls');
}

// The device hears nothing unasked.
async function assertDeaf(s, client, step) {
  await s.rest.patch('/twins/d', { properties: { desired: { step } } });
  assert.equal((await call(s)).headers['iothub-errorcode'], 'DeviceNotOnline');
  await client.publish('$iothub/twin/GET/?$rid=1');
  assert.ok(await client.ping());
  assert.equal(client.inbox(3).items.length, 0);
}

withHub('a device with clean session 0', (s) => {
  let device, client;
  const connect = async (options) => (client = await RawMqtt.connect(s.hub, device, options));
  before(async () => (device = await newDevice(s.hub, 'd')));

  it('has no session at first, also after a connection without a SUBSCRIBE', async () => {
    assert.equal((await connect()).present, 0);
    await client.bye();
    assert.equal((await connect()).present, 0);
    await client.subscribe(...ALL);
    await assertHears(s, client, 'first');
  });
  it('finds it after a clean DISCONNECT', async () => {
    await client.bye();
    assert.equal((await connect()).present, 1);
    await assertHears(s, client, 'bye');
  });
  it('finds it after a lost connection', async () => {
    await client.cut();
    assert.equal((await connect()).present, 1);
    await assertHears(s, client, 'cut');
  });
  it('finds it after a take-over', async () => {
    const old = client;
    assert.equal((await connect()).present, 1);
    await old.gone();
    await assertHears(s, client, 'take-over');
  });
  it('finds it after a stop and start of the hub', async () => {
    const gone = client.gone();
    await s.hub.restart();
    await gone;
    assert.equal((await connect()).present, 1);
    await assertHears(s, client, 'restart');
  });
  it('finds it after kill -9', async () => {
    await s.hub.kill9();
    await s.hub.start();
    assert.equal((await connect()).present, 1);
    await assertHears(s, client, 'kill');
  });
  it('a SUBSCRIBE is on disk before its SUBACK, and so is an UNSUBSCRIBE', async () => {
    client.send(write.unsubscribe(77, ...ALL.map((f) => (Array.isArray(f) ? f[0] : f))));
    await client.inbox(UNSUBACK).next();
    await s.hub.kill9();
    await s.hub.start();
    await connect();
    await assertDeaf(s, client, 'unsubscribed');
    await client.subscribe(...ALL);
    await s.hub.kill9();
    await s.hub.start();
    assert.equal((await connect()).present, 1);
    await assertHears(s, client, 'subscribed');
  });
  it('clean session 1 drops it, and keeps none', async () => {
    await client.bye();
    assert.equal((await connect({ clean: true })).present, 0);
    await assertDeaf(s, client, 'clean');
    await client.subscribe(...ALL);
    await assertHears(s, client, 'clean, subscribed');
    await client.bye();
    assert.equal((await connect()).present, 0);
    await assertDeaf(s, client, 'after clean');
  });
  it('a deleted device leaves none to its namesake', async () => {
    await client.subscribe(...ALL);
    await s.rest.delete('/devices/d');
    await client.gone();
    device = await newDevice(s.hub, 'd');
    assert.equal((await connect()).present, 0);
    await assertDeaf(s, client, 'namesake');
    await client.bye();
  });
  it('a restored session gets its calls after a moment, or at once when it subscribes', async () => {
    await connect();
    await client.subscribe(...ALL);
    await client.bye();
    // The socket ends before the hub has noted it: a call in between goes to the connection that was.
    await until(async () => (await s.rest.get('/devices/d')).json.connectionState === 'Disconnected', 'it is gone');
    const asked = call(s, { connectTimeoutInSeconds: 60 });
    await connect();
    await client.subscribe('$iothub/methods/POST/#');
    const { topic } = await client.message();
    await client.publish(`$iothub/methods/res/200/?${topic.split('?')[1]}`, '1');
    assert.equal((await asked).status, 200);
    await client.bye();
  });
});

withHub('the Node SDK', (s) => {
  let proxy, client, calls, twin;
  const rounds = { count: 0 };

  before(async () => {
    const device = await newDevice(s.hub, 'd');
    proxy = await Proxy.start(s.hub);
    client = Client.fromConnectionString(proxy.connectionString(s.hub, device), Mqtt);
    client.setOptions({ ca: s.hub.ca });
    client.on('error', () => {});
    await client.open();
    calls = onMethod(client, 'reboot', () => ({ status: 200, payload: 'ok' }));
    twin = await openTwin(client);
    await twin.desired.next();
    await assertWorks();
    await proxy.connects.next();
  });
  after(async () => {
    await client.close();
    await proxy.stop();
  });

  async function assertWorks() {
    rounds.count += 1;
    const { result } = await callerOf(s.hub).invokeDeviceMethod('d', {
      methodName: 'reboot', payload: rounds.count, responseTimeoutInSeconds: 30, connectTimeoutInSeconds: 60,
    });
    assert.equal(result.payload, 'ok');
    assert.equal((await calls.next()).payload, rounds.count);
    await registryOf(s.hub).updateTwin('d', { properties: { desired: { round: rounds.count } } }, '*');
    assert.equal((await twin.desired.next()).round, rounds.count);
    await twin.report({ round: rounds.count });
    await new Promise((resolve, reject) => twin.twin.get((error) => (error ? reject(error) : resolve())));
    assert.equal(twin.twin.properties.reported.round, rounds.count);
    await twin.desired.next(); // the SDK tells the whole section after each get
  }

  it('hears everything after a token renewal, without a SUBSCRIBE', async () => {
    client.setOptions({ tokenRenewal: { tokenValidTimeInSeconds: 3000, tokenRenewalMarginInSeconds: 900 } });
    const link = await proxy.connects.next();
    await assertWorks();
    assert.equal(link.sent.filter((type) => type === SUBSCRIBE).length, 0, 'the SDK has changed: is the trap gone?');
  });
  it('hears everything after a lost connection, though it subscribes only a part', async () => {
    proxy.cut();
    const link = await proxy.connects.next();
    await assertWorks();
    assert.ok(link.sent.filter((type) => type === SUBSCRIBE).length <= 2);
  });
  it('hears everything after a restart of the hub', async () => {
    await s.hub.restart();
    await proxy.connects.next();
    await assertWorks();
  });
});
