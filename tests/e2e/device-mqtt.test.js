// What docs/spec/device-mqtt.md says and no other file holds, section by section. Packets that end a connection, filters
// and the forms of user names are in mqtt.test.js, stored sessions in session.test.js.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { NoRetry } = require('azure-iot-common');
const { RawHttp } = require('./lib/http');
const { CONNACK, PUBACK, PUBLISH, RawMqtt, SUBACK, UNSUBACK, write } = require('./lib/mqtt');
const { clientOf, newDevice } = require('./lib/sdk');
const { withHub } = require('./lib/suite');
const { until, within } = require('./lib/wait');

const bytes = (...list) => Buffer.from(list);
const ZEROS = '0'.repeat(32);

async function newModule(s, deviceId, moduleId) {
  await s.rest.put(`/devices/${deviceId}/modules/${moduleId}`, { deviceId, moduleId });
  const { json } = await s.rest.get(`/devices/${deviceId}/modules/${moduleId}`);
  return { deviceId, moduleId, key: json.authentication.symmetricKey.primaryKey };
}

withHub('CONNECT (2, 3)', (s) => {
  let device;
  before(async () => (device = await newDevice(s.hub, 'd')));
  const name = (more) => `${s.hub.host}/d/?api-version=2021-04-12${more}`;

  const taken = [
    ['a user agent of 12 KB', { username: () => name(`&DeviceClientType=${'x'.repeat(12000)}`) }],
    ['an auth-chain of a nested edge', { username: () => name('&auth-chain=edge1%3Bedge2') }],
    ['keep-alive 0', { keepAlive: 0 }],
    ['a keep-alive of 18 hours', { keepAlive: 65535 }],
    ['clean session 1', { clean: true }],
    ['a will', { will: { topic: 'devices/d/messages/events/', payload: 'bye', qos: 1 } }],
    ['a will of another shape, which is ignored', { will: { topic: 'status/d', payload: 'bye' } }],
  ];
  for (const [rule, { username, ...options }] of taken) {
    it(`${rule}: CONNACK 0`, async () => {
      const client = await RawMqtt.open(s.hub);
      const ack = await client.hello(device, { username: username && username(), ...options });
      assert.deepEqual([ack.code, ack.size, ack.present], [0, 2, 0]);
      assert.ok(await client.ping());
      await client.bye();
    });
  }

  it('a will of QoS 2 ends the connection', async () => {
    const client = await RawMqtt.open(s.hub);
    assert.equal(await client.hello(device, { will: { topic: 'devices/d/messages/events/', payload: '', qos: 2 } }), null);
  });

  const refused = [
    ['a module in the user name only', { username: () => `${s.hub.host}/d/m/?api-version=2021-04-12` }, 2],
    ['a module in the client id only', { clientId: 'd/m' }, 2],
    ['a module that there is not', { username: () => `${s.hub.host}/d/m/?api-version=2021-04-12`, clientId: 'd/m' }, 5],
    ['ids that are percent-encoded in the user name', { username: () => `${s.hub.host}/%64/?api-version=2021-04-12` }, 2],
    ['an id of 129 characters', { username: () => `${s.hub.host}/${'x'.repeat(129)}/?api-version=2021-04-12`, clientId: 'x'.repeat(129) }, 5],
    ['a user name with one part too many', { username: () => `${s.hub.host}/d/m/x/?api-version=2021-04-12` }, 5],
  ];
  for (const [rule, { username, ...options }, code] of refused) {
    it(`${rule}: CONNACK ${code}, and the connection ends`, async () => {
      const client = await RawMqtt.open(s.hub);
      const ack = await client.hello(device, { username: username && username(), ...options });
      assert.deepEqual([ack.code, ack.present], [code, 0]);
      await client.gone();
    });
  }

  it('a refusal shows no session, though there is one', async () => {
    const client = await RawMqtt.connect(s.hub, device);
    await client.subscribe('$iothub/twin/res/#');
    await client.bye();
    const wrong = await RawMqtt.open(s.hub);
    const ack = await wrong.hello(device, { token: 'SharedAccessSignature x' });
    assert.deepEqual([ack.code, ack.present], [5, 0]);
    await wrong.gone();
    const right = await RawMqtt.connect(s.hub, device);
    assert.equal(right.present, 1);
    await right.bye();
  });
});

withHub('the will (6)', (s) => {
  const events = async (device) => (await s.rest.get(`/events?device=${device}&limit=1000`)).json.events;
  const will = (id, more) => ({ topic: `devices/${id}/messages/events/level=low&%24.ct=text%2Fplain`, payload: 'bye', ...more });

  it('is telemetry of the device when it falls silent', async () => {
    const device = await newDevice(s.hub, 'silent');
    const client = await RawMqtt.connect(s.hub, device, { keepAlive: 1, will: will('silent', { qos: 1 }) });
    await client.gone();
    const [event] = await until(async () => (await events('silent')).length && events('silent'), 'the will');
    assert.equal(event.body ?? Buffer.from(event.bodyBase64, 'base64').toString(), 'bye');
    assert.deepEqual(event.properties, { level: 'low', 'iothub-MessageType': 'Will' });
    assert.equal(event.systemProperties['content-type'], 'text/plain');
    assert.equal(event.systemProperties['iothub-connection-device-id'], 'silent');
  });
  it('is of a module as well', async () => {
    await newDevice(s.hub, 'of');
    const module = await newModule(s, 'of', 'm');
    const client = await RawMqtt.connect(s.hub, module, { will: { topic: 'devices/of/modules/m/messages/events/', payload: 'bye' } });
    await client.cut();
    const [event] = await until(async () => (await events('of')).length && events('of'), 'the will');
    assert.equal(event.systemProperties['iothub-connection-module-id'], 'm');
  });
  it('is kept back when the device says goodbye', async () => {
    const device = await newDevice(s.hub, 'polite');
    await (await RawMqtt.connect(s.hub, device, { will: will('polite') })).bye();
    const client = await RawMqtt.connect(s.hub, device);
    await client.publish('devices/polite/messages/events/', 'after', { qos: 1 });
    assert.equal((await events('polite')).length, 1);
    await client.bye();
  });
});

withHub('what consumers see of telemetry (7, 11)', (s) => {
  let client, count = 0;
  before(async () => (client = await RawMqtt.connect(s.hub, await newDevice(s.hub, 'd'))));
  async function send(topic, options = {}, payload = 'x') {
    await client.publish(topic, payload, { qos: 1, ...options });
    count += 1;
    const { events } = (await s.rest.get('/events?device=d&limit=1000')).json;
    assert.equal(events.length, count, 'what is acknowledged is there');
    return events[count - 1];
  }
  const OWN = new Set(['iothub-connection-device-id', 'iothub-connection-auth-generation-id', 'iothub-connection-auth-method',
    'iothub-enqueuedtime', 'iothub-message-source']);

  const bags = [
    ['no bag', '', {}, {}],
    ['Node and Python', '%24.mid=mid%201&%24.cid=c%2F1&%24.uid=u&%24.ct=application%2Fjson&%24.ce=utf-8&a=true%20%26%20false',
      { a: 'true & false' }, { 'message-id': 'mid 1', 'correlation-id': 'c/1', 'user-id': 'u', 'content-type': 'application/json', 'content-encoding': 'utf-8' }],
    ['C, not encoded, its own first', 'a b=x/y z&%24.cid=c/1&%24.mid=mid 1&%24.ct=application/json',
      { 'a b': 'x/y z' }, { 'correlation-id': 'c/1', 'message-id': 'mid 1', 'content-type': 'application/json' }],
    ['Java, with raw dollars', '$.mid=1&p=2', { p: '2' }, { 'message-id': '1' }],
    ['one trailing slash', 'a=b/', { a: 'b' }, {}],
    ['one of two trailing slashes', 'a=b//', { a: 'b/' }, {}],
    ['a leading question mark', '?a=b', { a: 'b' }, {}],
    ['a plus is a plus', 'a+b=c+d', { 'a+b': 'c+d' }, {}],
    ['broken escapes stay', 'a=100%&b=%zz', { a: '100%', b: '%zz' }, {}],
    ['lower-case hex', 'a=x%2fy', { a: 'x/y' }, {}],
    ['the last of equal keys wins', 'a=1&b=2&a=3', { a: '3', b: '2' }, {}],
    ['null and empty values', 'a&b=&&c=1', { a: null, b: '', c: '1' }, {}],
    ['the first = ends the key', 'a=b=c', { a: 'b=c' }, {}],
    ['a component', '%24.sub=thermostat1', {}, { 'dt-subject': 'thermostat1' }],
    ['a time of creation', '%24.ctime=2024-01-02T03%3A04%3A05.0000000Z', {}, { 'iothub-creation-time-utc': '2024-01-02T03:04:05.0000000Z' }],
    ['a security message', '%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1', {}, { 'iothub-interface-id': 'urn:azureiot:Security:SecurityAgent:1' }],
    ['reserved names are not the device\'s to give', 'iothub-connection-device-id=other&IoTHub-x=1&a=1', { a: '1' }, {}],
  ];
  for (const [rule, bag, properties, system] of bags) {
    it(rule, async () => {
      const event = await send(`devices/d/messages/events/${bag}`);
      assert.deepEqual(event.properties ?? {}, properties);
      const own = Object.fromEntries(Object.entries(event.systemProperties).filter(([key]) => !OWN.has(key)));
      assert.deepEqual(own, system);
      for (const key of OWN) assert.ok(event.systemProperties[key], key);
    });
  }
  it('RETAIN becomes a property, DUP too; both are messages like any other', async () => {
    assert.deepEqual((await send('devices/d/messages/events/', { retain: true })).properties, { 'mqtt-retain': 'true' });
    assert.deepEqual((await send('devices/d/messages/events/a=1', { dup: true })).properties, { a: '1', 'mqtt-dup': 'true' });
  });
  it('an output of a module has its name', async () => {
    const module = await RawMqtt.connect(s.hub, await newModule(s, 'd', 'm'));
    await module.publish('devices/d/modules/m/messages/events/%24.on=out1/', 'x', { qos: 1 });
    count += 1;
    const event = (await s.rest.get('/events?device=d&limit=1000')).json.events.find((e) => e.systemProperties['iothub-connection-module-id']);
    assert.equal(event.systemProperties['iothub-outputname'], 'out1');
    await module.bye();
  });
  it('topic and payload have 262144 bytes, and not one more', async () => {
    const topic = 'devices/d/messages/events/', most = 262144 - topic.length;
    await client.publish(topic, Buffer.alloc(most), { qos: 1 });
    client.send(write.publish({ topic, payload: Buffer.alloc(most + 1), qos: 1, id: 99 }));
    await client.gone();
    assert.equal(client.inbox(PUBACK).items.length, 0);
  });
});

withHub('SUBSCRIBE and UNSUBSCRIBE (8)', (s) => {
  let client;
  before(async () => (client = await RawMqtt.connect(s.hub, await newDevice(s.hub, 'd'))));

  const granted = [
    ['$iothub/#', 0, 0],
    ['#', 1, 1],
    ['devices/d/messages/devicebound/+', 1, 1],
    ['$iothub/twin/res/#', 2, 1],
    ['devices/d/messages/events/#', 1, 0x80],
    ['$SYS/#', 0, 0x80],
    ['devices/d/messages/devicebound/#/x', 0, 0x80],
    ['/', 0, 0x80],
    ['ü', 0, 0x80],
  ];
  for (const [filter, qos, code] of granted) {
    it(`${filter} at ${qos}: ${code}, and the connection stays`, async () => {
      assert.deepEqual(await client.subscribe([filter, qos]), [code]);
      assert.ok(await client.ping());
    });
  }
  it('the most filters in one packet are a hundred', async () => {
    const codes = await client.subscribe(...Array(100).fill(['$iothub/twin/res/#', 0]));
    assert.deepEqual(codes, Array(100).fill(0));
  });
  it('a filter again: the last QoS counts', async () => {
    const queue = (body) => s.rest.post('/devices/d/messages/devicebound', body);
    assert.deepEqual(await client.subscribe(['devices/d/messages/devicebound/#', 1]), [1]);
    await queue('one');
    const one = await client.message();
    assert.equal(one.qos, 1);
    client.send(write.puback(one.id));
    assert.deepEqual(await client.subscribe(['devices/d/messages/devicebound/#', 0]), [0]);
    await queue('two');
    assert.equal((await client.message()).qos, 0);
  });
  it('SUBACK comes before the messages that wait', async () => {
    const other = await RawMqtt.connect(s.hub, await newDevice(s.hub, 'waits'));
    for (const body of ['one', 'two']) await s.rest.post('/devices/waits/messages/devicebound', body);
    const order = [];
    for (const type of [PUBLISH, SUBACK]) {
      const inbox = other.inbox(type);
      inbox.push = (item) => {
        order.push(type);
        Object.getPrototypeOf(inbox).push.call(inbox, item);
      };
    }
    await other.subscribe(['devices/waits/messages/devicebound/#', 1]);
    for (const body of ['one', 'two']) assert.equal((await other.message()).payload, body);
    assert.deepEqual(order, [SUBACK, PUBLISH, PUBLISH]);
    await other.bye();
  });
  it('UNSUBSCRIBE of one kind leaves the others', async () => {
    await client.subscribe('$iothub/twin/PATCH/properties/desired/#', '$iothub/twin/res/#');
    client.send(write.unsubscribe(9, 'sensors/#', '$iothub/twin/PATCH/properties/desired/#'));
    assert.equal((await client.inbox(UNSUBACK).next()).id, 9);
    await s.rest.patch('/twins/d', { properties: { desired: { a: 1 } } });
    await client.publish('$iothub/twin/GET/?$rid=1');
    assert.equal((await client.message()).topic, '$iothub/twin/res/200/?$rid=1');
  });

  const ends = [
    ['101 filters', write.subscribe(1, ...Array(101).fill(['a', 0]))],
    ['no filter', bytes(0x82, 2, 0, 1)],
    ['an empty filter', bytes(0x82, 5, 0, 1, 0, 0, 0)],
    ['a filter that is not UTF-8', bytes(0x82, 7, 0, 1, 0, 2, 0xc3, 0x28, 0)],
    ['a filter with a NUL', bytes(0x82, 6, 0, 1, 0, 1, 0, 0)],
    ['a surrogate in a filter', bytes(0x82, 8, 0, 1, 0, 3, 0xed, 0xa0, 0x80, 0)],
    ['reserved bits beside the QoS', bytes(0x82, 6, 0, 1, 0, 1, 0x61, 4)],
    ['an UNSUBSCRIBE of nothing', bytes(0xa2, 2, 0, 1)],
    ['an UNSUBSCRIBE with packet id 0', bytes(0xa2, 5, 0, 0, 0, 1, 0x61)],
  ];
  for (const [rule, packet] of ends) {
    it(`${rule} ends the connection`, async () => {
      const other = await RawMqtt.connect(s.hub, await newDevice(s.hub, `x${rule.replace(/\W/g, '-')}`));
      other.send(packet);
      await other.gone();
      assert.equal(other.inbox(SUBACK).items.length + other.inbox(UNSUBACK).items.length, 0);
    });
  }
});

withHub('messages to the device (9, 12)', (s) => {
  let client;
  before(async () => (client = await RawMqtt.connect(s.hub, await newDevice(s.hub, 'd'))));
  const queue = async (headers, to = 'd') => {
    const { status, text } = await s.rest.post(`/devices/${encodeURIComponent(to)}/messages/devicebound`, 'x', { headers });
    assert.equal(status, 201, text);
  };
  const TO = '%24.to=%2Fdevices%2Fd%2Fmessages%2Fdevice[bB]ound';

  it('the bag is as every SDK reads it', async () => {
    const expiry = new Date(Date.now() + 3600e3).toISOString().slice(0, 19);
    await client.subscribe(['devices/+/messages/devicebound/#', 1]);
    await queue({ 'iothub-messageid': 'm-1', 'iothub-correlationid': 'c 1', 'iothub-userid': 'u', 'iothub-ack': 'full',
      'iothub-expiry': `${expiry}Z`, 'iothub-contenttype': 'a/b', 'iothub-contentencoding': 'utf-8',
      'iothub-app-prop1': '', 'iothub-app-prop3': 'a string&=/' });
    const message = await client.message();
    assert.deepEqual([message.qos, message.retain, message.dup, message.payload], [1, 0, 0, 'x']);
    assert.match(message.topic, new RegExp(`^devices/d/messages/devicebound/%24\\.mid=m-1&${TO}&%24\\.cid=c%201&%24\\.uid=u`
      + `&%24\\.exp=${encodeURIComponent(expiry)}\\.0000000Z&%24\\.ct=a%2Fb&%24\\.ce=utf-8&iothub-ack=full&prop1=&prop3=a%20string%26%3D%2F$`));
    client.send(write.puback(message.id));
  });
  it('and never empty', async () => {
    await queue({});
    const { topic, id } = await client.message();
    assert.match(topic, new RegExp(TO));
    assert.ok(id >= 1 && id <= 65535);
    client.send(write.puback(id));
  });
  it('sixteen are under way at once, the next after a PUBACK', async () => {
    for (let i = 0; i < 17; i++) await queue({ 'iothub-messageid': `w-${i}` });
    const ids = [];
    for (let i = 0; i < 16; i++) {
      const { topic, id } = await client.message();
      assert.match(topic, new RegExp(`%24\\.mid=w-${i}&`), 'in order');
      ids.push(id);
    }
    assert.equal(new Set(ids).size, 16);
    assert.ok(await client.ping());
    assert.equal(client.inbox(PUBLISH).items.length, 0);
    client.send(write.puback(ids[0]));
    assert.match((await client.message()).topic, /%24\.mid=w-16&/);
  });
  it('an id with wildcards gets its own', async () => {
    const deviceId = 'a+b#c';
    const odd = await RawMqtt.connect(s.hub, await newDevice(s.hub, deviceId));
    assert.deepEqual(await odd.subscribe([`devices/${deviceId}/messages/devicebound/#`, 1], ['devices/aXb#c/messages/devicebound/#', 1]), [1, 0x80]);
    await queue({}, deviceId);
    assert.ok((await odd.message()).topic.startsWith(`devices/${deviceId}/messages/devicebound/%24.`));
    await odd.bye();
  });
});

withHub('the twin (13)', (s) => {
  let client;
  before(async () => (client = await RawMqtt.connect(s.hub, await newDevice(s.hub, 'd'))));
  const reported = async () => (await s.rest.get('/twins/d')).json.properties.reported;

  it('a PATCH without a subscription is done, acknowledged, and has no answer', async () => {
    await client.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"a":1}', { qos: 1 });
    assert.ok(await client.ping());
    assert.equal(client.inbox(PUBLISH).items.length, 0);
    assert.deepEqual([(await reported()).a, (await reported()).$version], [1, 2]);
  });
  it('the body of an error has all that the service gives', async () => {
    await client.subscribe(['$iothub/twin/res/#', 1]);
    await client.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '[]', { qos: 1 });
    const { topic, payload, qos, retain } = await client.message();
    assert.deepEqual([topic, qos, retain], ['$iothub/twin/res/400/?$rid=1', 0, 0]);
    const { errorCode, trackingId, message, info, timestampUtc } = JSON.parse(payload);
    assert.ok(errorCode >= 400000 && errorCode <= 400999, `${errorCode}`);
    assert.match(trackingId, /^[0-9a-f]{32}-G:0-TimeStamp:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/i);
    assert.notEqual(trackingId.slice(0, 32), ZEROS);
    assert.match(timestampUtc, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);
    assert.deepEqual([typeof message, info], ['string', {}]);
  });
  it('null deletes, arrays are replaced, the rest stays', async () => {
    for (const patch of ['{"a":null,"list":[1,2],"o":{"x":1,"y":2}}', '{"list":[3],"o":{"x":null}}']) {
      await client.publish('$iothub/twin/PATCH/properties/reported/?$rid=2', patch);
      assert.match((await client.message()).topic, /res\/204\/\?\$rid=2&\$version=\d+$/);
    }
    const { $version, $metadata, ...rest } = await reported();
    assert.deepEqual([rest, $version], [{ list: [3], o: { y: 2 } }, 4]);
  });
  it('what a GET carries is ignored', async () => {
    for (const payload of ['', ' ', '{"a":', Buffer.from([0, 255])]) {
      await client.publish('$iothub/twin/GET/?$rid=9', payload, { qos: 1 });
      assert.equal((await client.message()).topic, '$iothub/twin/res/200/?$rid=9');
    }
  });
  const rids = [
    ['a counter in hex', '1f'],
    ['a text with marks', "get_twin %41/x=y?'ü"],
    ['128 bytes', 'x'.repeat(128)],
  ];
  for (const [rule, rid] of rids) {
    it(`the rid may be ${rule}, and comes back as it is`, async () => {
      await client.publish(`$iothub/twin/GET/?$rid=${rid}&more=1`, ' ');
      assert.equal((await client.message()).topic, `$iothub/twin/res/200/?$rid=${rid}`);
    });
  }
  const ends = [
    ['a rid of 129 bytes', `$iothub/twin/GET/?$rid=${'x'.repeat(129)}`],
    ['an empty rid', '$iothub/twin/GET/?$rid='],
    ['a wildcard in a rid, which could not come back', '$iothub/twin/GET/?$rid=a+b'],
    ['a $version that is no number', '$iothub/twin/PATCH/properties/reported/?$rid=1&$version=x'],
    ['a patch of desired properties', '$iothub/twin/PATCH/properties/desired/?$rid=1'],
    ['another case of the topic', '$iothub/twin/get/?$rid=1'],
  ];
  for (const [rule, topic] of ends) {
    it(`${rule} ends the connection`, async () => {
      const other = await RawMqtt.connect(s.hub, await newDevice(s.hub, `x${rule.replace(/\W/g, '-')}`));
      await other.subscribe('$iothub/twin/res/#');
      other.send(write.publish({ topic, payload: '{}', qos: 1, id: 2 }));
      await other.gone();
      assert.equal(other.inbox(PUBACK).items.length + other.inbox(PUBLISH).items.length, 0);
    });
  }
  it('a module has a twin of its own on the same topics', async () => {
    const module = await RawMqtt.connect(s.hub, await newModule(s, 'd', 'm'));
    await module.subscribe('$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#');
    await s.rest.patch('/twins/d', { properties: { desired: { of: 'device' } } });
    await s.rest.patch('/twins/d/modules/m', { properties: { desired: { of: 'module' } } });
    assert.deepEqual(JSON.parse((await module.message()).payload), { of: 'module', $version: 2 });
    await module.publish('$iothub/twin/GET/?$rid=1');
    assert.deepEqual(JSON.parse((await module.message()).payload).desired, { of: 'module', $version: 2 });
    await module.bye();
  });
  it('what changes between SUBACK and GET is told, or in the GET, or both; never in neither', async () => {
    const device = await newDevice(s.hub, 'race');
    for (let round = 0; round < 20; round++) {
      const racer = await RawMqtt.connect(s.hub, device, { clean: true });
      const change = s.rest.patch('/twins/race', { properties: { desired: { round } } });
      await racer.subscribe('$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#');
      await racer.publish('$iothub/twin/GET/?$rid=1');
      await change;
      assert.ok(await racer.ping());
      const seen = racer.inbox(PUBLISH).items.map(({ topic, payload }) =>
        (topic.includes('/res/') ? JSON.parse(payload).desired : JSON.parse(payload)).round);
      assert.ok(seen.includes(round), `round ${round}: ${seen}`);
      await racer.bye();
    }
  });
});

withHub('methods (14)', (s) => {
  let device, client;
  before(async () => {
    device = await newDevice(s.hub, 'd');
    client = await RawMqtt.connect(s.hub, device);
    await client.subscribe(['$iothub/methods/POST/#', 1]);
  });
  const call = (body) => s.rest.post('/twins/d/methods', { methodName: 'm', responseTimeoutInSeconds: 30, ...body });
  const rid = ({ topic }) => /^\$iothub\/methods\/POST\/[^/]+\/\?\$rid=([0-9a-f]+)$/.exec(topic)[1];
  const answer = (one, id, status, payload, options) => one.publish(`$iothub/methods/res/${status}/?$rid=${id}`, payload, options);

  it('only the first of two answers counts', async () => {
    const asked = call();
    const id = rid(await client.message());
    await answer(client, id, 200, '"first"', { qos: 1 });
    await answer(client, id, 500, '"second"', { qos: 1 });
    assert.deepEqual((await asked).json, { status: 200, payload: 'first' });
  });
  it('an answer with more behind the rid counts as well', async () => {
    const asked = call();
    await answer(client, `${rid(await client.message())}&x=y`, 200, '1');
    assert.equal((await asked).json.payload, 1);
  });
  for (const id of ['0', 'ffffffffffffffff', '10000000000000000', 'none-of-yours']) {
    it(`an answer to ${id} is acknowledged and ignored`, async () => {
      await answer(client, id, 200, '1', { qos: 1 });
      assert.ok(await client.ping());
    });
  }
  it('components have a star in the name', async () => {
    const asked = call({ methodName: 'thermostat1*reboot' });
    const message = await client.message();
    assert.ok(message.topic.startsWith('$iothub/methods/POST/thermostat1*reboot/?$rid='));
    await answer(client, rid(message), 200, '');
    assert.equal((await asked).json.status, 200);
  });
  it('an answer has 128 KB, and not one byte more', async () => {
    for (const [size, status] of [[131072, 200], [131073, 502]]) {
      const asked = call();
      await answer(client, rid(await client.message()), 200, JSON.stringify('x'.repeat(size - 2)), { qos: 1 });
      assert.equal((await asked).status, status);
    }
  });
  it('the answer may come on the next connection', async () => {
    const asked = call();
    const id = rid(await client.message());
    const next = await RawMqtt.connect(s.hub, device);
    await client.gone();
    client = next;
    await answer(client, id, 200, '"late"', { qos: 1 });
    assert.deepEqual((await asked).json, { status: 200, payload: 'late' });
  });
  for (const status of ['ok', '', '2147483648', '1.5', '0x10']) {
    it(`the status ${JSON.stringify(status)} ends the connection`, async () => {
      const other = await RawMqtt.connect(s.hub, await newDevice(s.hub, `status-${status || 'none'}`));
      other.send(write.publish({ topic: `$iothub/methods/res/${status}/?$rid=1`, qos: 1, id: 2 }));
      await other.gone();
      assert.equal(other.inbox(PUBACK).items.length, 0);
    });
  }
});

withHub('hostile peers', (s) => {
  let device;
  before(async () => (device = await newDevice(s.hub, 'd')));
  const open = (count) => Promise.all(Array.from({ length: count }, () => RawMqtt.open(s.hub)));

  it('many that say nothing keep nobody out', async () => {
    const silent = await open(200);
    silent.forEach((one, i) => one.send(write.connect({ clientId: 'd', username: 'x', password: 'y' }).subarray(0, i % 20)));
    const client = await RawMqtt.connect(s.hub, device);
    assert.ok(await client.ping());
    await client.bye();
    assert.ok(silent.every((one) => !one.isClosed));
    await Promise.all(silent.map((one) => one.cut()));
  });
  it('a storm of the same device ends with one of them', async () => {
    const all = await open(20);
    const acks = await Promise.all(all.map((one) => one.hello(device)));
    assert.ok(acks.some((ack) => ack && ack.code === 0));
    await until(() => all.filter((one) => !one.isClosed).length === 1, 'one is left');
    const [last] = all.filter((one) => !one.isClosed);
    assert.ok(await last.ping());
    await last.bye();
  });
  it('CONNECT twice in one write: the second ends it', async () => {
    const client = await RawMqtt.open(s.hub);
    const name = `${s.hub.host}/d/?api-version=2021-04-12`;
    const hello = write.connect({ clientId: 'd', username: name, password: 'SharedAccessSignature x' });
    client.send(Buffer.concat([hello, hello]));
    await client.gone();
    assert.equal(client.inbox(CONNACK).items.length, 1);
  });
  it('what follows a DISCONNECT is not looked at', async () => {
    const client = await RawMqtt.connect(s.hub, device);
    client.send(Buffer.concat([write.disconnect(), write.publish({ topic: 'devices/d/messages/events/', payload: 'x', qos: 1, id: 5 })]));
    await client.gone();
    assert.equal(client.inbox(PUBACK).items.length, 0);
    assert.deepEqual((await s.rest.get('/events?device=d')).json.events, []);
  });
  it('what is announced is not what is allocated: a CONNECT of 256 MB', async () => {
    const client = await RawMqtt.open(s.hub);
    client.send(bytes(0x10, 0xff, 0xff, 0xff, 0x7f));
    await client.gone();
  });

  const texts = [
    ['a client id that is not UTF-8', [0xc3, 0x28]],
    ['a client id with a NUL', [0x61, 0]],
    ['a client id with a surrogate', [0xed, 0xa0, 0x80]],
    ['a client id in overlong form', [0xc1, 0x81]],
  ];
  for (const [rule, id] of texts) {
    it(`${rule} ends the connection without CONNACK`, async () => {
      const client = await RawMqtt.open(s.hub);
      client.send(write.packet(0x10, bytes(0, 4), Buffer.from('MQTT'), bytes(4, 0, 0, 60, 0, id.length, ...id)));
      await client.gone();
      assert.equal(client.inbox(CONNACK).items.length, 0);
    });
  }
});

withHub('one connection of an identity, whichever way it comes (16)', (s) => {
  it('WebSocket and raw MQTT take over from each other', async () => {
    const device = await newDevice(s.hub, 'd');
    const raw = await RawMqtt.connect(s.hub, device);
    const client = clientOf(s.hub, device, 'mqtt over websocket');
    client.setRetryPolicy(new NoRetry());
    await client.open();
    await raw.gone();
    const lost = new Promise((resolve) => client.on('disconnect', resolve));
    const next = await RawMqtt.connect(s.hub, device);
    await within(lost, 'the SDK hears that its connection is gone');
    assert.ok(await next.ping());
    await client.close().catch(() => {});
    await next.bye();
  });
  it('the will of who was replaced is published', async () => {
    const device = await newDevice(s.hub, 'w');
    const first = await RawMqtt.connect(s.hub, device, { will: { topic: 'devices/w/messages/events/', payload: 'will' } });
    const second = await RawMqtt.connect(s.hub, device);
    await first.gone();
    const events = async () => (await s.rest.get('/events?device=w')).json.events;
    await until(async () => (await events()).length === 1, 'the will');
    await second.bye();
  });
});

withHub('WebSocket (1.1)', (s) => {
  const upgrade = async (...lines) => {
    const raw = await RawHttp.open(s.hub);
    raw.send(['GET /$iothub/websocket HTTP/1.1', `Host: ${s.hub.host}`, 'Upgrade: websocket', 'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13', ...lines, '', ''].join('\r\n'));
    return [await raw.answer(), raw];
  };
  const offers = [
    ['none', [], 400],
    ['AMQP', ['Sec-WebSocket-Protocol: AMQPWSB10'], 400],
    ['AMQP by its short name', ['Sec-WebSocket-Protocol: amqp'], 400],
    ['AMQP, or MQTT', ['Sec-WebSocket-Protocol: AMQPWSB10, mqtt'], 101],
    ['an unknown one', ['Sec-WebSocket-Protocol: chat'], 400],
  ];
  for (const [rule, lines, status] of offers) {
    it(`sub-protocol ${rule}: ${status}`, async () => {
      const [answer, raw] = await upgrade(...lines);
      assert.equal(answer.status, status);
      if (status === 400) await within(raw.closed, 'the hub closes');
      else raw.end();
    });
  }
  it('a token at the upgrade is neither needed nor looked at', async () => {
    const [answer, raw] = await upgrade('Sec-WebSocket-Protocol: mqtt', 'Authorization: SharedAccessSignature x');
    assert.equal(answer.status, 101);
    raw.end();
  });
  const controls = [
    ['a ping of 126 bytes', Buffer.concat([bytes(0x89, 0xfe, 0, 126, 0, 0, 0, 0), Buffer.alloc(126)])],
    ['a ping in fragments', bytes(0x09, 0x80, 0, 0, 0, 0)],
    ['a continuation of nothing', bytes(0x80, 0x81, 0, 0, 0, 0, 0x10)],
    ['a text frame in fragments', bytes(0x01, 0x81, 0, 0, 0, 0, 0x10)],
    ['a frame of more than an exabyte', bytes(0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
  ];
  for (const [rule, frame] of controls) {
    it(`${rule} ends the connection`, async () => {
      const [answer, raw] = await upgrade('Sec-WebSocket-Protocol: mqtt');
      assert.equal(answer.status, 101);
      raw.send(frame);
      await within(raw.closed, 'the hub closes');
    });
  }
});
