// The device side on the wire, packet by packet: docs/spec/device-mqtt.md.
'use strict';
const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { before, it, test } = require('node:test');
const { RawHttp } = require('./lib/http');
const { PUBACK, RawMqtt, SUBACK, UNSUBACK, write } = require('./lib/mqtt');
const { sas } = require('./lib/sas');
const { newDevice } = require('./lib/sdk');
const { withHub } = require('./lib/suite');
const { within } = require('./lib/wait');

const MESSAGE_MAX = 262144; // topic bag and payload, docs/spec/device-mqtt.md 7

withHub('CONNECT', (s) => {
  let device;
  before(async () => (device = await newDevice(s.hub, 'd')));
  const host = () => s.hub.host;

  test('user names that clients really send', async (t) => {
    const names = [
      ['all SDKs', '{h}/d/?api-version=2021-04-12&DeviceClientType=x%2F1'],
      ['no question mark', '{h}/d/api-version=2021-04-12'],
      ['an old api-version', '{h}/d/?api-version=2016-11-14'],
      ['no api-version', '{h}/d/?'],
      ['nothing after the id', '{h}/d'],
      ['a raw model id', '{h}/d/?api-version=2021-04-12&model-id=dtmi:com:example:Thermostat;1&DeviceClientType=y'],
      ['an encoded model id', '{h}/d/?api-version=2020-09-30&DeviceClientType=y&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1'],
      ['duplicate and bare keys', '{h}/d/?api-version=2021-04-12&api-version=x&flag'],
      ['a host in capitals', '{H}/d/?api-version=2021-04-12'],
      ['a host with a port', '{h}:8883/d/?api-version=2021-04-12'],
    ];
    for (const [rule, name] of names) {
      await t.test(`${rule}: taken`, async () => {
        const client = await RawMqtt.open(s.hub);
        const username = name.replace('{h}', host()).replace('{H}', host().toUpperCase());
        assert.equal((await client.hello(device, { username })).code, 0);
        await client.bye();
      });
    }
  });

  test('and what is refused', async (t) => {
    const ok = () => `${host()}/d/?api-version=2021-04-12`;
    const cases = [
      ['another host', { username: 'other.hub.test/d/?api-version=2021-04-12' }, [5]],
      ['no user name', { username: null, password: undefined }, [5]],
      ['an empty user name', { username: '' }, [5, 2]],
      ['another device in the user name', { username: () => `${host()}/e/?api-version=2021-04-12` }, [2, 5]],
      ['a client id that differs', { clientId: 'e' }, [2]],
      ['a client id in another case', { clientId: 'D' }, [2]],
      ['an empty client id', { clientId: '' }, [2]],
      ['MQTT 3.1', { protocol: 'MQIsdp', level: 3 }, [1]],
      ['MQTT 5', { level: 5 }, [1, null]],
      ['an unknown level', { level: 9 }, [1]],
    ];
    for (const [rule, { username = ok, ...options }, codes] of cases) {
      await t.test(rule, async () => {
        const client = await RawMqtt.open(s.hub);
        const given = typeof username === 'function' ? username() : username;
        client.send(write.connect({
          clientId: 'd', username: given === null ? undefined : given,
          password: sas({ sr: `${host()}/devices/d`, key: device.key }), ...options,
        }));
        const ack = await Promise.race([client.inbox(2).next(), client.closed.then(() => null)]);
        assert.ok(codes.includes(ack && ack.code), `CONNACK ${ack && ack.code}`);
        await client.gone();
      });
    }
  });

  it('stores the announced model id for the twin', async () => {
    const client = await RawMqtt.open(s.hub);
    const username = `${host()}/d/?api-version=2021-04-12&model-id=dtmi%3Acom%3Aexample%3AFan%3B1`;
    assert.equal((await client.hello(device, { username })).code, 0);
    assert.equal((await s.rest.get('/twins/d')).json.modelId, 'dtmi:com:example:Fan;1');
    await client.bye();
  });

  it('takes what is sent right behind it', async () => {
    const client = await RawMqtt.open(s.hub);
    client.hello(device).catch(() => {});
    client.send(write.subscribe(7, ['$iothub/twin/res/#', 0]));
    client.send(write.publish({ topic: '$iothub/twin/GET/?$rid=early', payload: '' }));
    assert.equal((await client.inbox(SUBACK).next()).id, 7);
    assert.equal((await client.message()).topic, '$iothub/twin/res/200/?$rid=early');
    await client.bye();
  });

  it('a second connection takes over, and the first one ends', async () => {
    const first = await RawMqtt.connect(s.hub, device);
    const second = await RawMqtt.connect(s.hub, device);
    await first.gone();
    assert.ok(await second.ping());
    assert.equal((await s.rest.get('/devices/d')).json.connectionState, 'Connected', 'the loser\'s end is not the winner\'s');
    await second.bye();
  });

  it('a silent connection ends at one and a half keep-alives', async () => {
    const client = await RawMqtt.connect(s.hub, device, { keepAlive: 1 });
    await client.gone();
  });

  it('any packet keeps it alive', async () => {
    const client = await RawMqtt.connect(s.hub, device, { keepAlive: 2 });
    const end = Date.now() + 6000;
    while (Date.now() < end) {
      assert.ok(await client.ping());
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    assert.equal(client.isClosed, false);
    await client.bye();
  });
});

withHub('what ends a connection', (s) => {
  let device;
  before(async () => (device = await newDevice(s.hub, 'd')));

  const bytes = (...list) => Buffer.from(list);
  const publish = (topic, options) => write.publish({ topic, payload: 'x', qos: 1, id: 1, ...options });
  const cases = [
    ['an unknown topic', publish('nothing/here')],
    ['another device\'s events', publish('devices/e/messages/events/')],
    ['a longer id that begins like ours', publish('devices/dd/messages/events/')],
    ['a module\'s events', publish('devices/d/modules/m/messages/events/')],
    ['devicebound', publish('devices/d/messages/devicebound/')],
    ['a twin answer', publish('$iothub/twin/res/200/?$rid=1')],
    ['a method call', publish('$iothub/methods/POST/reboot/?$rid=1')],
    ['a desired patch', publish('$iothub/twin/PATCH/properties/desired/?$version=2')],
    ['a twin GET without rid', publish('$iothub/twin/GET/')],
    ['a method answer without a number', publish('$iothub/methods/res/ok/?$rid=1')],
    ['an empty topic', publish('')],
    ['a topic with a wildcard', publish('devices/+/messages/events/')],
    ['a topic that is not UTF-8', write.packet(0x30, bytes(0, 2, 0xc3, 0x28))],
    ['a topic with a NUL', publish('devices/d/messages/events/a\0b')],
    ['QoS 2', publish('devices/d/messages/events/', { qos: 2 })],
    ['QoS 3', bytes(0x36, 5, 0, 1, 0x61, 0, 1)],
    ['packet id 0', publish('devices/d/messages/events/', { id: 0 })],
    ['a message over 256 KB', write.publish({ topic: 'devices/d/messages/events/', payload: Buffer.alloc(MESSAGE_MAX + 1) })],
    ['a remaining length of five bytes', bytes(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f)],
    ['a packet of 256 MB, announced', bytes(0x30, 0xff, 0xff, 0xff, 0x7f)],
    ['a second CONNECT', write.connect({ clientId: 'd' })],
    ['a server\'s packet', bytes(0x20, 2, 0, 0)],
    ['packet type 0', bytes(0, 0)],
    ['packet type 15 (MQTT 5 AUTH)', bytes(0xf0, 0)],
    ['PUBREL', bytes(0x62, 2, 0, 1)],
    ['SUBSCRIBE with wrong flags', bytes(0x80, 6, 0, 1, 0, 1, 0x61, 0)],
    ['SUBSCRIBE without a filter', bytes(0x82, 2, 0, 1)],
    ['SUBSCRIBE with packet id 0', bytes(0x82, 6, 0, 0, 0, 1, 0x61, 0)],
    ['SUBSCRIBE with QoS 3', bytes(0x82, 6, 0, 1, 0, 1, 0x61, 3)],
    ['SUBSCRIBE that is cut short', bytes(0x82, 5, 0, 1, 0, 9, 0x61)],
    ['PINGREQ with a body', bytes(0xc0, 1, 0)],
    ['PUBLISH without room for its topic', bytes(0x30, 1, 0)],
    ['DISCONNECT with flags', bytes(0xe1, 0)],
  ];
  for (const [rule, packet] of cases) {
    it(rule, async () => {
      const client = await RawMqtt.connect(s.hub, device);
      client.send(packet);
      await client.gone();
      assert.equal(client.inbox(PUBACK).items.length, 0, 'what ends the connection is not acknowledged');
    });
  }

  const first = [
    ['PUBLISH before CONNECT', publish('devices/d/messages/events/')],
    ['PINGREQ before CONNECT', bytes(0xc0, 0)],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['CONNECT with the reserved flag', write.connect({ clientId: 'd', flags: 1 })],
    ['CONNECT with a password and no user', write.connect({ clientId: 'd', password: 'x', flags: 0x42 })],
    ['CONNECT with will QoS 3', write.connect({ clientId: 'd', flags: 0x1e, will: { topic: 'a', payload: 'b' } })],
    ['CONNECT that ends early', bytes(0x10, 4, 0, 4, 0x4d, 0x51)],
    ['a CONNECT of a megabyte', write.packet(0x10, Buffer.alloc(1 << 20))],
  ];
  for (const [rule, packet] of first) {
    it(rule, async () => {
      const client = await RawMqtt.open(s.hub);
      client.send(packet);
      await client.gone();
    });
  }

  it('none of it harms the hub', async () => {
    const client = await RawMqtt.connect(s.hub, device);
    assert.ok(await client.ping());
    await client.bye();
  });

  it('noise does not either', async () => {
    for (let i = 0; i < 20; i++) {
      const client = await RawMqtt.open(s.hub);
      client.send(randomBytes(2000));
      client.socket.end();
      await client.gone();
    }
    assert.equal((await s.rest.get('/healthz')).status, 200);
  });
});

withHub('SUBSCRIBE and UNSUBSCRIBE', (s) => {
  let client;
  before(async () => {
    client = await RawMqtt.connect(s.hub, await newDevice(s.hub, 'd'));
  });
  const filters = [
    ['devices/d/messages/devicebound/#', 1, 1],
    ['devices/+/messages/devicebound/#', 1, 1],
    ['$iothub/twin/res/#', 0, 0],
    ['$iothub/twin/PATCH/properties/desired/#', 1, 1],
    ['$iothub/methods/POST/#', 2, 1],
    ['devices/e/messages/devicebound/#', 1, 0x80],
    ['other/topic', 0, 0x80],
  ];
  for (const [filter, qos, granted] of filters) {
    it(`${filter} at ${qos} is answered with ${granted}`, async () => {
      assert.deepEqual(await client.subscribe([filter, qos]), [granted]);
    });
  }
  it('several filters in one packet have an answer each, in order', async () => {
    assert.deepEqual(await client.subscribe(...filters.map(([f, q]) => [f, q])), filters.map(([, , g]) => g));
  });
  it('UNSUBSCRIBE is always answered', async () => {
    client.send(write.unsubscribe(9, '$iothub/twin/res/#', 'never/subscribed'));
    assert.equal((await client.inbox(UNSUBACK).next()).id, 9);
  });
  it('after it nothing comes', async () => {
    await client.publish('$iothub/twin/GET/?$rid=1', '', { qos: 1 });
    assert.ok(await client.ping());
    assert.equal(client.inbox(3).items.length, 0);
  });
});

withHub('the twin, by hand', (s) => {
  let client;
  before(async () => {
    client = await RawMqtt.connect(s.hub, await newDevice(s.hub, 'd'));
    await client.subscribe('$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#');
  });
  const report = async (payload, more = '') => {
    await client.publish(`$iothub/twin/PATCH/properties/reported/?$rid=r${more}`, payload);
    return client.message();
  };

  it('an empty twin has both sections with their versions', async () => {
    await client.publish('$iothub/twin/GET/?$rid=0', ' ');
    assert.deepEqual(await client.message(), {
      type: 3, qos: 0, retain: 0, dup: 0, id: undefined, topic: '$iothub/twin/res/200/?$rid=0',
      payload: '{"desired":{"$version":1},"reported":{"$version":1}}',
    });
  });
  it('the rid comes back byte by byte', async () => {
    for (const rid of ['4b45e9b3-14fd-44fb-9f29-e48bb342f7a4', '0x1', 'get_twin', 'a%20b', 'x'.repeat(128)]) {
      await client.publish(`$iothub/twin/GET/?$rid=${rid}`, '', { qos: 1 });
      assert.equal((await client.message()).topic, `$iothub/twin/res/200/?$rid=${rid}`);
    }
  });
  it('a reported patch is 204 with the new version and nothing else', async () => {
    const answer = await report('{"fw":"1.0","old":null}');
    assert.deepEqual([answer.topic, answer.payload], ['$iothub/twin/res/204/?$rid=r&$version=2', '']);
  });
  it('$version is a condition', async () => {
    assert.match((await report('{"fw":"1.1"}', '&$version=2')).topic, /res\/204\/\?\$rid=r&\$version=3$/);
    const answer = await report('{"fw":"1.2"}', '&$version=2');
    assert.match(answer.topic, /res\/412\/\?\$rid=r$/);
    assert.equal(JSON.parse(answer.payload).errorCode, 412001);
  });
  const wrong = [
    ['no JSON', '{"a":'],
    ['no object', '[1]'],
    ['nothing', ''],
    ['a forbidden key', '{"a.b":1}'],
    ['a dollar', '{"a":{"$b":1}}'],
    ['a long string', `{"a":"${'x'.repeat(4097)}"}`],
    ['too deep', `${'{"a":'.repeat(12)}1${'}'.repeat(12)}`],
    ['endless depth', '{"a":'.repeat(50000)],
    ['duplicate members', '{"a":1,"a":2}'],
    ['null in an array', '{"a":[null]}'],
    ['more than 32 KB', JSON.stringify(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, 'x'.repeat(4000)])))],
  ];
  for (const [rule, payload] of wrong) {
    it(`${rule} is 400 with the body that Node reads, and changes nothing`, async () => {
      const answer = await report(payload);
      assert.match(answer.topic, /res\/4(00|13)\/\?\$rid=r$/);
      const body = JSON.parse(answer.payload);
      assert.equal(typeof body.errorCode, 'number');
      assert.ok(body.message.length > 0);
      assert.ok(body.trackingId && body.timestampUtc);
      const { reported } = (await s.rest.get('/twins/d')).json.properties;
      assert.equal(reported.$version, 3);
      assert.ok(await client.ping(), 'the connection goes on');
    });
  }
  it('a desired change comes as the patch with nulls kept and its version', async () => {
    await s.rest.patch('/twins/d', { properties: { desired: { a: 1, gone: null, $version: 99 } } });
    const { topic, payload, qos } = await client.message();
    assert.equal(topic, '$iothub/twin/PATCH/properties/desired/?$version=2');
    assert.deepEqual(JSON.parse(payload), { a: 1, gone: null, $version: 2 });
    assert.equal(qos, 0);
  });
  it('a replace comes as the whole section', async () => {
    await s.rest.put('/twins/d', { properties: { desired: { b: { c: 2 } } } });
    assert.deepEqual(JSON.parse((await client.message()).payload), { b: { c: 2 }, $version: 3 });
  });
  it('tags are not the device\'s business', async () => {
    await s.rest.patch('/twins/d', { tags: { a: 1 } });
    assert.ok(await client.ping());
    assert.equal(client.inbox(3).items.length, 0);
    await client.publish('$iothub/twin/GET/?$rid=t');
    assert.deepEqual(Object.keys(JSON.parse((await client.message()).payload)), ['desired', 'reported']);
  });
  it('changes come in version order, one each', async () => {
    const writes = Array.from({ length: 30 }, (_, i) => s.rest.patch('/twins/d', { properties: { desired: { n: i } } }));
    const versions = [];
    for (let i = 0; i < 30; i++) versions.push(JSON.parse((await client.message()).payload).$version);
    assert.deepEqual(versions, Array.from({ length: 30 }, (_, i) => 4 + i));
    await Promise.all(writes);
  });
});

withHub('telemetry', (s) => {
  let client;
  before(async () => {
    client = await RawMqtt.connect(s.hub, await newDevice(s.hub, 'd'));
  });
  const bags = [
    ['', 'no bag'],
    ['%24.mid=mid%201&%24.ct=application%2Fjson&temperatureAlert=true%20%26%20false', 'Node'],
    ['a b=x/y z&%24.cid=c/1&%24.mid=mid 1&%24.ct=application/json', 'C, not encoded, application properties first'],
    ['%24.on=out1/', 'a trailing slash'],
    ['?a=b', 'a leading question mark'],
    ['a&b=&&c=%zz&c=2', 'bare, empty, broken and double keys'],
    ['$.mid=1', 'a raw dollar'],
    ['%24weird=x%3Dy', 'a property that only looks like a system property'],
  ];
  for (const [bag, rule] of bags) {
    it(`${rule}: acknowledged`, () => client.publish(`devices/d/messages/events/${bag}`, '{"t":1}', { qos: 1 }));
  }
  it('without the last slash: acknowledged', () => client.publish('devices/d/messages/events', 'x', { qos: 1 }));
  it('an empty body, a binary one, a retained one, a repeated one: acknowledged', async () => {
    await client.publish('devices/d/messages/events/', '', { qos: 1 });
    await client.publish('devices/d/messages/events/', Buffer.from([0, 255, 254]), { qos: 1 });
    await client.publish('devices/d/messages/events/', 'x', { qos: 1, retain: true });
    await client.publish('devices/d/messages/events/', 'x', { qos: 1, dup: true });
  });
  it('as large as allowed: acknowledged', () =>
    client.publish('devices/d/messages/events/', Buffer.alloc(MESSAGE_MAX - 1024), { qos: 1 }));
  it('QoS 0 has no answer', async () => {
    await client.publish('devices/d/messages/events/', 'x');
    assert.ok(await client.ping());
    assert.equal(client.inbox(PUBACK).items.length, 0);
  });
  it('a thousand at once are acknowledged in order', async () => {
    for (let id = 1; id <= 1000; id++) client.send(write.publish({ topic: 'devices/d/messages/events/', payload: `${id}`, qos: 1, id }));
    for (let id = 1; id <= 1000; id++) assert.equal((await client.inbox(PUBACK).next()).id, id);
  });
  it('a device id with wildcards is still an id', async () => {
    const deviceId = 'a#b+c?d=1%20';
    const odd = await RawMqtt.connect(s.hub, await newDevice(s.hub, deviceId));
    await odd.publish(`devices/${deviceId}/messages/events/`, 'x', { qos: 1 });
    await odd.bye();
  });
});

withHub('WebSocket', (s) => {
  let device;
  before(async () => (device = await newDevice(s.hub, 'd')));
  const upgrade = (path, ...lines) => [`GET ${path} HTTP/1.1`, `Host: ${s.hub.host}:443`, 'Upgrade: websocket', 'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13', ...lines, '', ''].join('\r\n');
  const PATH = '/$iothub/websocket';
  async function ask(path, ...lines) {
    const raw = await RawHttp.open(s.hub);
    return [await raw.send(upgrade(path, ...lines)).answer(), raw];
  }
  // A client's frame: masked, with a mask of zero.
  const frame = (opcode, bytes, fin = 0x80) => {
    const size = bytes.length < 126 ? [0x80 | bytes.length] : [0xfe, bytes.length >> 8, bytes.length & 255];
    return Buffer.concat([Buffer.from([fin | opcode, ...size, 0, 0, 0, 0]), bytes]);
  };
  const hello = () => write.connect({
    clientId: 'd', username: `${s.hub.host}/d/?api-version=2021-04-12`,
    password: sas({ sr: `${s.hub.host}/devices/d`, key: device.key }),
  });
  const CONNACK = Buffer.from([0x82, 4, 0x20, 2, 0, 0]);
  const take = (raw, size) => raw.next(() => {
    if (raw.bytes.length < size) return undefined;
    const got = raw.bytes.subarray(0, size);
    raw.bytes = raw.bytes.subarray(size);
    return got;
  });

  test('the sub-protocol is echoed as offered', async (t) => {
    for (const [path, name] of [[PATH, 'mqtt'], [PATH, 'MQTT'], ['/%24iothub/websocket', 'mqtt'], [`${PATH}?iothub-no-client-cert=true`, 'mqtt']]) {
      await t.test(`${path} ${name}`, async () => {
        const [answer, raw] = await ask(path, `Sec-WebSocket-Protocol: ${name}`, 'Sec-WebSocket-Extensions: permessage-deflate', 'Origin: https://x:443');
        assert.equal(answer.status, 101);
        assert.equal(answer.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
        assert.equal(answer.headers['sec-websocket-protocol'], name);
        assert.equal(answer.headers['sec-websocket-extensions'], undefined);
        raw.end();
      });
    }
  });

  test('wrong upgrades are refused', async (t) => {
    const cases = [
      ['no sub-protocol', [PATH]],
      ['an unknown sub-protocol', [PATH, 'Sec-WebSocket-Protocol: chat']],
      ['another path', ['/websocket', 'Sec-WebSocket-Protocol: mqtt']],
    ];
    for (const [rule, [path, ...lines]] of cases) {
      await t.test(rule, async () => {
        const [answer, raw] = await ask(path, ...lines);
        assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status}`);
        raw.end();
      });
    }
    await t.test('another version is told ours', async () => {
      const raw = await RawHttp.open(s.hub);
      raw.send(upgrade(PATH, 'Sec-WebSocket-Protocol: mqtt').replace('Version: 13', 'Version: 8'));
      const answer = await raw.answer();
      assert.ok([400, 426].includes(answer.status));
      raw.end();
    });
  });

  it('frames are a byte stream: packets may be cut anywhere', async () => {
    const [, raw] = await ask(PATH, 'Sec-WebSocket-Protocol: mqtt');
    for (const byte of hello()) raw.send(frame(2, Buffer.from([byte])));
    assert.deepEqual(await take(raw, 6), CONNACK);
    raw.end();
  });
  it('fragmented messages and pings in between are taken', async () => {
    const [, raw] = await ask(PATH, 'Sec-WebSocket-Protocol: mqtt');
    const bytes = hello();
    raw.send(frame(2, bytes.subarray(0, 10), 0)).send(frame(9, Buffer.from('hi'))).send(frame(0, bytes.subarray(10)));
    assert.deepEqual(await take(raw, 4), Buffer.from([0x8a, 2, 0x68, 0x69]));
    assert.deepEqual(await take(raw, 6), CONNACK);
    raw.end();
  });
  const bad = [
    ['text frames', () => frame(1, Buffer.from('hello'))],
    ['frames without a mask', () => Buffer.from([0x82, 2, 0xc0, 0])],
    ['reserved bits', () => frame(2, hello(), 0xc0)],
    ['unknown opcodes', () => frame(7, Buffer.from('x'))],
    ['MQTT nonsense inside', () => frame(2, Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
  ];
  for (const [rule, bytes] of bad) {
    it(`${rule} end the connection`, async () => {
      const [, raw] = await ask(PATH, 'Sec-WebSocket-Protocol: mqtt');
      raw.send(bytes());
      await within(raw.closed, 'the hub closes');
    });
  }
  it('a frame of an exabyte is a stream like any other, or refused; it is not waited for', async () => {
    const [, raw] = await ask(PATH, 'Sec-WebSocket-Protocol: mqtt');
    raw.send(Buffer.from([0x82, 0xff, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])).send(hello());
    const got = await take(raw, 6);
    assert.ok(got === null || got.equals(CONNACK), `${got && got.toString('hex')}`);
    raw.end();
  });
  it('close is answered with close', async () => {
    const [, raw] = await ask(PATH, 'Sec-WebSocket-Protocol: mqtt');
    raw.send(frame(8, Buffer.from([3, 232])));
    const got = await take(raw, 2);
    assert.equal(got[0], 0x88);
    await within(raw.closed, 'the hub closes');
  });
});
