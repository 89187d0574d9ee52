// Direct methods: docs/spec/service-rest.md 10, docs/spec/device-mqtt.md 14.1.
'use strict';
const assert = require('node:assert/strict');
const { before, it, test } = require('node:test');
const { RawMqtt } = require('./lib/mqtt');
const { TRANSPORTS, callerOf, newDevice, onMethod, openClient } = require('./lib/sdk');
const { assertFault, assertMethodFault, withHub } = require('./lib/suite');

const POST = '$iothub/methods/POST/#';
const parse = (topic) => /^\$iothub\/methods\/POST\/([^/]+)\/\?\$rid=([0-9a-f]+)$/.exec(topic);
const call = (s, id, body) => s.rest.post(`/twins/${id}/methods`, { methodName: 'm', responseTimeoutInSeconds: 5, ...body });

for (const transport of Object.keys(TRANSPORTS)) {
  withHub(`the Node SDKs, ${transport}`, (s) => {
    it('call, answer, and carry any payload and status', async () => {
      const identity = await newDevice(s.hub, 'd');
      const client = await openClient(s.hub, identity, transport);
      const calls = onMethod(client, 'echo', (request) => ({ status: request.payload === null ? 404 : 200, payload: request.payload }));
      const caller = callerOf(s.hub);
      for (const payload of [{ a: [1, { b: null }] }, 'text', 7, true, [], null]) {
        const { result } = await caller.invokeDeviceMethod('d', {
          methodName: 'echo', payload, responseTimeoutInSeconds: 30, connectTimeoutInSeconds: 30,
        });
        assert.deepEqual(result, { status: payload === null ? 404 : 200, payload });
        assert.deepEqual((await calls.next()).payload, payload);
      }
      await client.close();
    });
  });
}

withHub('a device that answers by hand', (s) => {
  let device, client;
  before(async () => {
    device = await newDevice(s.hub, 'd');
    client = await RawMqtt.connect(s.hub, device);
    await client.subscribe(POST);
  });
  // Take the call that comes, answer it, and give [its message, the operator's answer].
  async function exchange(body, answer) {
    const asked = call(s, 'd', body);
    const message = await client.message();
    const [, , rid] = parse(message.topic);
    await answer(rid, message);
    return [message, await asked];
  }
  const respond = (status, payload, options) => (rid) => client.publish(`$iothub/methods/res/${status}/?$rid=${rid}`, payload, options);

  it('is asked at QoS 0 with a hex rid and nothing after it', async () => {
    const [message, answer] = await exchange({ payload: { x: 1 } }, respond(200, '{"ok":true}'));
    assert.equal(message.qos, 0);
    assert.equal(message.retain, 0);
    assert.equal(message.payload, '{"x":1}');
    assert.ok(parse(message.topic), message.topic);
    assert.deepEqual([answer.status, answer.json], [200, { status: 200, payload: { ok: true } }]);
    assert.deepEqual(Object.keys(answer.json), ['status', 'payload']);
    assert.equal(answer.headers.etag, undefined);
  });
  it('payload null and none are the same', async () => {
    for (const body of [{ payload: null }, {}]) {
      const [message] = await exchange(body, respond(200, '{}'));
      assert.equal(message.payload, 'null');
    }
  });
  it('an empty answer is payload null', async () => {
    const [, answer] = await exchange({}, respond(200, ''));
    assert.deepEqual(answer.json, { status: 200, payload: null });
  });
  it('any 32-bit status is the application\'s affair', async () => {
    for (const status of [404, 500, 0, -1, 2147483647, -2147483648]) {
      const [, answer] = await exchange({}, respond(status, '1'));
      assert.deepEqual([answer.status, answer.json.status], [200, status]);
    }
  });
  it('an answer at QoS 1 is acknowledged', async () => {
    const [, answer] = await exchange({}, respond(200, '1', { qos: 1 }));
    assert.equal(answer.status, 200);
  });
  it('an answer that is no JSON is a bad gateway', async () => {
    const [, answer] = await exchange({}, respond(200, 'not json'));
    assertMethodFault(answer, 502, 502000, 'GenericBadGateway');
  });
  it('answers may come in any order', async () => {
    const asked = [1, 2, 3].map((n) => call(s, 'd', { payload: n }));
    const messages = [await client.message(), await client.message(), await client.message()];
    assert.equal(new Set(messages.map((m) => parse(m.topic)[2])).size, 3, 'each rid is one call\'s');
    for (const m of messages.reverse()) await respond(200, m.payload)(parse(m.topic)[2]);
    assert.deepEqual((await Promise.all(asked)).map((a) => a.json.payload), [1, 2, 3]);
  });
  it('unknown and late rids are ignored', async () => {
    const [message] = await exchange({}, respond(200, '1'));
    await respond(200, '2')(parse(message.topic)[2]);
    await respond(200, '3')('fffffff');
    await respond(200, '4')('no-hex');
    assert.ok(await client.ping());
  });
  it('the name is sent as given, and has case', async () => {
    const [message] = await exchange({ methodName: 'comp*Do_It-2' }, respond(200, '1'));
    assert.equal(parse(message.topic)[1], 'comp*Do_It-2');
  });
  it('no answer in time is 504', async () => {
    const answer = await call(s, 'd', {});
    assertMethodFault(answer, 504, 504101, 'GatewayTimeout');
    await client.message();
  });
  it('no more than so many calls wait for one device', async () => {
    const asked = Array.from({ length: 33 }, () => call(s, 'd', { responseTimeoutInSeconds: 10 }));
    const first = await Promise.race(asked);
    assertMethodFault(first, 403, 403800, 'DeviceMaximumInflightMethodExceeded');
    for (let i = 0; i < 32; i++) await respond(200, '1')(parse((await client.message()).topic)[2]);
    const answers = await Promise.all(asked);
    assert.equal(answers.filter((a) => a.status === 200).length, 32);
  });
  it('a connection lost while waiting is told', async () => {
    const asked = call(s, 'd', { responseTimeoutInSeconds: 5 });
    await client.message();
    await client.cut();
    assertMethodFault(await asked, 404, 404104, 'DeviceConnectionClosedRemotely');
  });
});

withHub('a device that is not there', (s) => {
  let device;
  before(async () => (device = await newDevice(s.hub, 'd')));

  it('offline: 404103 at once', async () => assertMethodFault(await call(s, 'd'), 404, 404103, 'DeviceNotOnline'));
  it('connected but not subscribed: the same', async () => {
    const client = await RawMqtt.connect(s.hub, device, { clean: true });
    assertMethodFault(await call(s, 'd'), 404, 404103, 'DeviceNotOnline');
    await client.bye();
  });
  it('the connect timeout runs out: the same, later', async () =>
    assertMethodFault(await call(s, 'd', { connectTimeoutInSeconds: 1 }), 404, 404103, 'DeviceNotOnline'));
  it('it comes within the connect timeout: the call goes out at its SUBSCRIBE', async () => {
    const asked = call(s, 'd', { connectTimeoutInSeconds: 60 });
    const client = await RawMqtt.connect(s.hub, device, { clean: true });
    await client.subscribe(POST);
    const { topic } = await client.message();
    await client.publish(`$iothub/methods/res/200/?$rid=${parse(topic)[2]}`, '"here"');
    assert.deepEqual((await asked).json, { status: 200, payload: 'here' });
    await client.bye();
  });
  it('unknown: 404001', async () => assertMethodFault(await call(s, 'nobody'), 404, 404001, 'DeviceNotFound'));
  it('disabled: 403012', async () => {
    await s.rest.put('/devices/off', { status: 'disabled' });
    assertMethodFault(await call(s, 'off'), 403, 403012, 'DeviceDisabled');
  });
});

withHub('wrong requests', (s) => {
  before(() => newDevice(s.hub, 'd'));
  const cases = [
    ['no name', { methodName: undefined }, 400],
    ['a name that is no text', { methodName: 7 }, 400],
    ['an empty name', { methodName: '' }, 400],
    ['a name of 129 characters', { methodName: 'x'.repeat(129) }, 400],
    ['a name with a slash', { methodName: 'a/b' }, 400],
    ['a name with a wildcard', { methodName: 'a/#' }, 400],
    ['a response timeout of 4 s', { responseTimeoutInSeconds: 4 }, 400],
    ['a response timeout of 301 s', { responseTimeoutInSeconds: 301 }, 400],
    ['a response timeout that is text', { responseTimeoutInSeconds: '30' }, 400],
    ['a connect timeout of -1 s', { connectTimeoutInSeconds: -1 }, 400],
    ['a connect timeout of 301 s', { connectTimeoutInSeconds: 301 }, 400],
    ['a payload of more than 128 KB', { payload: 'x'.repeat(128 * 1024) }, 413],
  ];
  for (const [rule, body, status] of cases) {
    it(`${rule}: ${status}`, async () => {
      const answer = await call(s, 'd', body);
      assert.equal(answer.status, status, answer.text);
      assert.ok(answer.headers['iothub-errorcode']);
    });
  }
  test('no JSON', async () => {
    const answer = await s.rest.post('/twins/d/methods', '{"methodName":');
    assert.equal(answer.status, 400);
  });
  it('a path that is none is an ordinary error', async () =>
    assertFault(await s.rest.post('/twins/d/method', {}), 404, 'GenericNotFound'));
});
