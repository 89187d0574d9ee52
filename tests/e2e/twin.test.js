// Twins over REST: docs/spec/service-rest.md 9.
'use strict';
const assert = require('node:assert/strict');
const { before, it, test } = require('node:test');
const { RawMqtt } = require('./lib/mqtt');
const { newDevice, registryOf } = require('./lib/sdk');
const { assertFault, sdkError, withHub } = require('./lib/suite');

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/;
const counter = (etag) => Buffer.from(etag, 'base64').readBigUInt64BE();
const bare = (section) => Object.fromEntries(Object.entries(section).filter(([name]) => !name.startsWith('$')));

withHub('a fresh twin', (s) => {
  it('has version 2, etag 1, and the recorded members in order', async () => {
    const device = (await s.rest.put('/devices/fresh', {})).json;
    const answer = await s.rest.get('/twins/fresh');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.etag, undefined, 'twins have no ETag header');
    assert.deepEqual(Object.keys(answer.json), ['deviceId', 'etag', 'deviceEtag', 'status', 'statusUpdateTime', 'connectionState',
      'lastActivityTime', 'cloudToDeviceMessageCount', 'authenticationType', 'x509Thumbprint', 'version', 'properties', 'capabilities']);
    const { properties, ...rest } = answer.json;
    assert.deepEqual(rest, {
      deviceId: 'fresh', etag: 'AAAAAAAAAAE=', deviceEtag: device.etag, status: 'enabled', statusUpdateTime: '0001-01-01T00:00:00Z',
      connectionState: 'Disconnected', lastActivityTime: '0001-01-01T00:00:00Z', cloudToDeviceMessageCount: 0, authenticationType: 'sas',
      x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null }, version: 2, capabilities: { iotEdge: false },
    });
    for (const section of [properties.desired, properties.reported]) {
      assert.deepEqual(Object.keys(section), ['$metadata', '$version']);
      assert.equal(section.$version, 1);
      assert.deepEqual(Object.keys(section.$metadata), ['$lastUpdated']);
      assert.match(section.$metadata.$lastUpdated, TIME);
    }
  });

  it('of an unknown device is 404', async () => {
    assertFault(await s.rest.get('/twins/nobody'), 404, 'DeviceNotFound');
    assertFault(await s.rest.patch('/twins/nobody', { tags: {} }), 404, 'DeviceNotFound');
  });
});

withHub('the Node service SDK', (s) => {
  let registry;
  before(async () => {
    registry = registryOf(s.hub);
    await registry.create({ deviceId: 'd' });
  });

  it('gets, merges and uses the etag', async () => {
    const twin = (await registry.getTwin('d')).responseBody;
    const { result: changed } = await twin.update({ tags: { floor: 1 }, properties: { desired: { fan: { rpm: 900 } } } });
    assert.deepEqual(changed.tags, { floor: 1 });
    assert.deepEqual(bare(changed.properties.desired), { fan: { rpm: 900 } });
    assert.equal(counter(changed.etag), 2n);
  });
  it('a stale etag is InvalidEtagError', () =>
    assert.rejects(registry.updateTwin('d', { tags: { floor: 2 } }, 'AAAAAAAAAAE='), sdkError('InvalidEtagError')));
  it('* takes any', async () => {
    const { responseBody } = await registry.updateTwin('d', { tags: { floor: 2 } }, '*');
    assert.equal(responseBody.tags.floor, 2);
  });
  it('a twin that is not there is DeviceNotFoundError', () => assert.rejects(registry.getTwin('none'), sdkError('DeviceNotFoundError')));
});

withHub('merge and replace', (s) => {
  const twin = async (id) => (await s.rest.get(`/twins/${id}`)).json;
  const fresh = async (id) => {
    assert.equal((await s.rest.put(`/devices/${id}`, {})).status, 200);
    return id;
  };
  const desired = (section) => ({ properties: { desired: section } });
  async function patch(id, body, options) {
    const answer = await s.rest.patch(`/twins/${id}`, body, options);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  it('objects merge, other values replace, null deletes', async () => {
    const id = await fresh('merge');
    await patch(id, desired({ a: { b: 1, c: 2 }, l: [1, 2], x: 'y' }));
    const got = await patch(id, desired({ a: { c: null, d: { e: true } }, l: [{ m: 3 }], x: { y: 1 }, gone: null }));
    assert.deepEqual(bare(got.properties.desired), { a: { b: 1, d: { e: true } }, l: [{ m: 3 }], x: { y: 1 } });
    assert.deepEqual(await twin(id), got, 'what was answered is what is stored');
  });

  it('null clears a whole section', async () => {
    const id = await fresh('clear');
    await patch(id, { tags: { a: 1 }, ...desired({ b: 2 }) });
    const got = await patch(id, { tags: null, ...desired(null) });
    assert.equal(got.tags, undefined);
    assert.deepEqual(bare(got.properties.desired), {});
    assert.equal(got.properties.desired.$version, 3);
    assert.equal(got.version, 4);
  });

  it('PUT replaces the sections that it has and leaves the others', async () => {
    const id = await fresh('replace');
    await patch(id, { tags: { a: 1, b: 2 }, ...desired({ c: 3, d: 4 }) });
    const answer = await s.rest.put(`/twins/${id}`, desired({ c: 5, n: null }));
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(bare(answer.json.properties.desired), { c: 5 });
    assert.deepEqual(answer.json.tags, { a: 1, b: 2 });
  });

  it('tags alone move the twin, not $version; desired moves both; neither moves nothing', async () => {
    const id = await fresh('versions');
    const one = await patch(id, { tags: { a: 1 } });
    assert.deepEqual([one.version, one.properties.desired.$version, counter(one.etag)], [3, 1, 2n]);
    const two = await patch(id, desired({ b: 1 }));
    assert.deepEqual([two.version, two.properties.desired.$version, counter(two.etag)], [4, 2, 3n]);
    const same = await patch(id, desired({ b: 1 }));
    assert.deepEqual([same.version, same.properties.desired.$version], [5, 3], 'no change counts too');
    const none = await patch(id, { deviceId: id, status: 'enabled', properties: { reported: { x: 1 } } });
    assert.equal(none.version, 5);
    assert.deepEqual(bare(none.properties.reported), {}, 'reported belongs to the device');
  });

  it('$metadata marks what was touched, with its ancestors', async () => {
    const id = await fresh('meta');
    const first = (await patch(id, desired({ fan: { rpm: 900, on: true }, l: [1] }))).properties.desired.$metadata;
    const mark = first.$lastUpdated;
    assert.match(mark, TIME);
    const leaf = { $lastUpdated: mark, $lastUpdatedVersion: 2 };
    assert.deepEqual(first, { ...leaf, fan: { ...leaf, rpm: leaf, on: leaf }, l: leaf });
    const second = (await patch(id, desired({ fan: { rpm: 901 } }))).properties.desired.$metadata;
    assert.equal(second.$lastUpdatedVersion, 3);
    assert.equal(second.fan.$lastUpdatedVersion, 3);
    assert.equal(second.fan.rpm.$lastUpdatedVersion, 3);
    assert.deepEqual(second.fan.on, leaf);
    assert.deepEqual(second.l, leaf);
    const third = (await patch(id, desired({ fan: { rpm: null } }))).properties.desired.$metadata;
    assert.equal(third.fan.rpm, undefined);
    assert.equal(third.fan.$lastUpdatedVersion, 4);
  });

  it('reported has $lastUpdated only', async () => {
    const device = await newDevice(s.hub, 'reporter');
    const client = await RawMqtt.connect(s.hub, device);
    await client.subscribe('$iothub/twin/res/#');
    await client.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"fw":{"v":"1"}}');
    assert.match((await client.message()).topic, /^\$iothub\/twin\/res\/204\/\?\$rid=1&\$version=2$/);
    const { reported } = (await twin('reporter')).properties;
    const leaf = { $lastUpdated: reported.$metadata.$lastUpdated };
    assert.deepEqual(reported, { fw: { v: '1' }, $metadata: { ...leaf, fw: { ...leaf, v: leaf } }, $version: 2 });
    assert.equal((await twin('reporter')).version, 2, 'the device does not move version or etag');
    await client.bye();
  });

  it('a whole twin may be sent back', async () => {
    const id = await fresh('back');
    const whole = await patch(id, { tags: { a: 1 }, ...desired({ b: { c: 1 } }) });
    const got = await patch(id, whole, { headers: { 'If-Match': `"${whole.etag}"` } });
    assert.deepEqual(bare(got.properties.desired), { b: { c: 1 } });
    assert.equal(got.version, whole.version + 1);
  });

  test('If-Match', async (t) => {
    const id = await fresh('match');
    const change = (value) => s.rest.patch(`/twins/${id}`, { tags: { a: 1 } }, { headers: { 'If-Match': value } });
    for (const form of [(e) => `"${e}"`, (e) => e, (e) => `W/"${e}"`, () => '*', () => '"*"', () => '""']) {
      await t.test(`${form('etag')} is right`, async () => {
        assert.equal((await change(form((await twin(id)).etag))).status, 200);
      });
    }
    await t.test('a stale one is 412 and changes nothing', async () => {
      const was = await twin(id);
      assertFault(await change('"AAAAAAAAAAE="'), 412, 'PreconditionFailed', /ETag mismatch for device ID 'match'/);
      assert.deepEqual(await twin(id), was);
    });
    await t.test('of 20 writers with one etag, one wins', async () => {
      const { etag } = await twin(id);
      const answers = await Promise.all(Array.from({ length: 20 }, () => change(`"${etag}"`)));
      assert.deepEqual(answers.map((a) => a.status).sort(), [200, ...Array(19).fill(412)]);
    });
  });
});

withHub('limits of a twin', (s) => {
  before(() => s.rest.put('/devices/d', {}));
  const nest = (depth, value) => (depth === 0 ? value : { n: nest(depth - 1, value) });
  const strings = (size) => Object.fromEntries(Array.from({ length: size / 4096 }, (_, i) => [`k${i}`, 'x'.repeat(4096 - `k${i}`.length)]));
  // Each is tried in an empty section, so what fits does so by itself.
  const cases = [
    ['32 KB of desired', 'desired', strings(32768), true],
    ['32 KB and a byte', 'desired', { ...strings(32768 - 4096), k7: 'x'.repeat(4095) }, false],
    ['8 KB of tags', 'tags', strings(8192), true],
    ['8 KB of tags and a byte', 'tags', { k0: 'x'.repeat(4094), k1: 'x'.repeat(4095) }, false],
    ['a string of 4096 bytes', 'desired', { s: 'x'.repeat(4096) }, true],
    ['a string of 4097 bytes', 'desired', { s: 'x'.repeat(4097) }, false],
    ['4096 bytes are not 4096 characters', 'desired', { s: '\u00e9'.repeat(2049) }, false],
    ['a key of 1024 bytes', 'desired', { ['k'.repeat(1024)]: 1 }, true],
    ['a key of 1025 bytes', 'desired', { ['k'.repeat(1025)]: 1 }, false],
    ['an empty key', 'desired', { '': 1 }, false],
    ['a key with a dot', 'desired', { 'a.b': 1 }, false],
    ['a key with a blank', 'desired', { 'a b': 1 }, false],
    ['a key with a dollar', 'desired', { a: { $b: 1 } }, false],
    ['a key with a control character', 'desired', { 'a\u0001': 1 }, false],
    ['a key with a C1 control character', 'desired', { 'a\u0085': 1 }, false],
    ['a key beyond ASCII', 'desired', { '\u6e29\u5ea6': 21 }, true],
    ['depth 10 with a leaf', 'tags', nest(11, 1), true],
    ['depth 11', 'tags', nest(12, 1), false],
    ['the smallest integer', 'desired', { n: -4503599627370496 }, true],
    ['one less', 'desired', { n: -4503599627370497 }, false],
    ['the largest integer', 'desired', { n: 4503599627370495 }, true],
    ['one more', 'desired', { n: 4503599627370496 }, false],
    ['a fraction', 'desired', { n: 0.1 }, true],
    ['null in an array', 'desired', { l: [1, null] }, false],
    ['a null member of an object in an array', 'desired', { l: [{ a: null }] }, false],
    ['a section that is no object', 'desired', [1], false],
    ['a section that is text', 'tags', 'x', false],
  ];
  for (const [rule, section, value, fits] of cases) {
    it(`${rule}: ${fits ? 'taken' : 'refused'}`, async () => {
      const body = (x) => (section === 'tags' ? { tags: x } : { properties: { desired: x } });
      await s.rest.patch('/twins/d', { tags: null, properties: { desired: null } });
      const was = (await s.rest.get('/twins/d')).json;
      const answer = await s.rest.patch('/twins/d', body(value));
      if (fits) {
        assert.equal(answer.status, 200, answer.text);
        assert.deepEqual(bare(section === 'tags' ? answer.json.tags : answer.json.properties.desired), value);
      } else {
        assertFault(answer, 400, 'ArgumentInvalid');
        assert.deepEqual((await s.rest.get('/twins/d')).json, was, 'a refused write changes nothing');
      }
    });
  }

  it('the limit is on the result, not on the patch', async () => {
    await s.rest.patch('/twins/d', { tags: null });
    assert.equal((await s.rest.patch('/twins/d', { tags: { a: 'x'.repeat(4000) } })).status, 200);
    assert.equal((await s.rest.patch('/twins/d', { tags: { b: 'x'.repeat(4000) } })).status, 200);
    assertFault(await s.rest.patch('/twins/d', { tags: { c: 'x'.repeat(4000) } }), 400, 'ArgumentInvalid');
    assert.equal((await s.rest.patch('/twins/d', { tags: { a: null, c: 'x'.repeat(4000) } })).status, 200);
  });

  test('wrong bodies', async (t) => {
    const cases = [
      ['no JSON', '{', 'IotHubFormatError'],
      ['an array', '[]', undefined],
      ['duplicate members', '{"tags":{"a":1,"a":2}}', undefined],
      ['a number out of range', '{"tags":{"a":1e999}}', undefined],
      ['NaN', '{"tags":{"a":NaN}}', undefined],
      ['endless depth', `{"tags":${'{"a":'.repeat(50000)}`, undefined],
      ['a lone surrogate', '{"tags":{"a":"\\ud800"}}', undefined],
    ];
    for (const [rule, body, name] of cases) {
      await t.test(`${rule}: 400`, async () => {
        const answer = await s.rest.patch('/twins/d', body);
        assertFault(answer, 400, name || answer.headers['iothub-errorcode']);
      });
    }
    await t.test('no body at all: 400', async () => {
      const answer = await s.rest.call('PATCH', '/twins/d', undefined);
      assertFault(answer, 400, answer.headers['iothub-errorcode']);
    });
  });
});
