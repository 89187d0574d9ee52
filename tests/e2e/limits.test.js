// The static limits of docs/spec/quotas-errors-auth.md 3 and 4: each one is reached, and one more is refused
// with its own fault and changes nothing. What has a test of its own beside others is named at the end.
'use strict';
const assert = require('node:assert/strict');
const { it } = require('node:test');
const { Certificates } = require('./lib/certs');
const { assertFault, assertMethodFault, withHub } = require('./lib/suite');

const text = (size) => 'x'.repeat(size);
const nest = (levels, inside = 1) => (levels === 0 ? inside : { a: nest(levels - 1, inside) });
// Members of 1 byte of key and 4,000 of text until `size` is reached: what the page counts.
const sized = (size) => {
  const object = {};
  for (let i = 0; size > 0; i++) {
    const bytes = Math.min(size, 4002);
    object[String.fromCharCode(65 + Math.floor(i / 26)) + String.fromCharCode(97 + (i % 26))] = text(bytes - 2);
    size -= bytes;
  }
  return object;
};
const key = (bytes) => Buffer.alloc(bytes, 7).toString('base64');
const sas = (primaryKey) => ({ authentication: { type: 'sas', symmetricKey: { primaryKey, secondaryKey: primaryKey } } });

withHub('static limits', (s) => {
  it('a device for them', async () => assert.equal((await s.rest.put('/devices/d', {})).status, 200));

  // ---- 4.1: twins ----
  const twins = [
    ['tags have 8 KB', { tags: sized(8192) }, { tags: sized(8193) }],
    ['desired properties have 32 KB', { properties: { desired: sized(32768) } }, { properties: { desired: sized(32769) } }],
    ['a text has 4 KB', { tags: { a: text(4096) } }, { tags: { a: text(4097) } }],
    // The tenth object below the root may hold values, no further object (docs/spec/service-rest.md 9.4).
    ['10 levels', { tags: nest(11) }, { tags: nest(12) }],
    ['10 levels of desired properties', { properties: { desired: nest(11) } }, { properties: { desired: nest(12) } }],
    ['a key has 1 KB', { tags: { [text(1024)]: 1 } }, { tags: { [text(1025)]: 1 } }],
    ['a key has 1 KB of UTF-8', { tags: { ['ä'.repeat(512)]: 1 } }, { tags: { ['ä'.repeat(513)]: 1 } }],
    ['the largest integer', { tags: { a: 4503599627370495 } }, { tags: { a: 4503599627370496 } }],
    ['the smallest integer', { tags: { a: -4503599627370496 } }, { tags: { a: -4503599627370497 } }],
    ['control characters are not counted', { tags: { ...sized(8190), z: '\n\tx' } }, { tags: { ...sized(8190), z: '\n\txx' } }],
  ];
  for (const [rule, good, bad] of twins)
    it(`twins: ${rule}`, async () => {
      const ok = await s.rest.put('/twins/d', { tags: {}, properties: { desired: {} }, ...good });
      assert.equal(ok.status, 200, ok.text.slice(0, 300));
      assertFault(await s.rest.put('/twins/d', bad), 400, 'ArgumentInvalid');
      const { json } = await s.rest.get('/twins/d');
      assert.equal(json.etag, ok.json.etag, 'a refusal changes nothing');
    });
  it('twins: the sum counts, not the patch', async () => {
    assert.equal((await s.rest.put('/twins/d', { tags: sized(8190) })).status, 200);
    assertFault(await s.rest.patch('/twins/d', { tags: { zz: 'xx' } }), 400, 'ArgumentInvalid');
    assert.equal((await s.rest.patch('/twins/d', { tags: { z: 'x' } })).status, 200);
  });
  for (const bad of ['a.b', 'a$b', 'a b', 'a#b', '', 'a\u0001', 'a\u007f', 'a\u0085'])
    it(`twins: no key ${JSON.stringify(bad)}`, async () => {
      assertFault(await s.rest.patch('/twins/d', { tags: { [bad]: 1 } }), 400, 'ArgumentInvalid');
    });
  it('twins: null is never stored', async () => {
    const { json } = await s.rest.put('/twins/d', { tags: { a: null, b: { c: null, d: 1 } } });
    assert.deepEqual(json.tags, { b: { d: 1 } });
    assertFault(await s.rest.patch('/twins/d', { tags: { a: [1, null] } }), 400, 'ArgumentInvalid');
  });

  // ---- 4.2: names and keys ----
  const CHARACTERS = "AZaz09-:.+%_#*?!(),=@;$'";
  const identities = [
    ['an id has 128 characters', text(128), {}, text(129), {}],
    ['an id has these characters', CHARACTERS, {}, 'a/b', {}],
    ['no blank', 'a-b', {}, 'a b', {}],
    ['ASCII only', 'a_b', {}, 'ä', {}],
    ['a reason has 128 characters', 'r1', { statusReason: 'ä'.repeat(128) }, 'r2', { statusReason: 'ä'.repeat(129) }],
    ['a key has 16 bytes', 'k1', sas(key(16)), 'k2', sas(key(15))],
    ['a key has 64 bytes', 'k3', sas(key(64)), 'k4', sas(key(65))],
    ['a key is base64', 'k5', sas(key(32)), 'k6', sas(`${key(32).slice(0, -1)}*`)],
  ];
  for (const [rule, goodId, good, badId, bad] of identities)
    it(`identities: ${rule}`, async () => {
      const ok = await s.rest.put(`/devices/${encodeURIComponent(goodId)}`, good);
      assert.equal(ok.status, 200, ok.text);
      const answer = await s.rest.put(`/devices/${encodeURIComponent(badId)}`, bad);
      assertFault(answer, 400, 'ArgumentInvalid');
      assert.notEqual((await s.rest.get(`/devices/${encodeURIComponent(badId)}`)).status, 200, 'a refusal makes nothing');
      await s.rest.delete(`/devices/${encodeURIComponent(goodId)}`);
    });
  it('ids differ by case', async () => {
    assert.equal((await s.rest.put('/devices/Case', {})).status, 200);
    assert.equal((await s.rest.get('/devices/case')).status, 404);
  });
  it('a job id has 64 characters', async () => {
    const job = { type: 'scheduleUpdateTwin', queryCondition: "deviceId = 'nobody'", updateTwin: { etag: '*', tags: { a: 1 } } };
    assert.equal((await s.rest.put(`/jobs/v2/${text(64)}`, job)).status, 200);
    assertFault(await s.rest.put(`/jobs/v2/${text(65)}`, job), 400, 'ArgumentInvalid');
    assertFault(await s.rest.put('/jobs/v2/a%20b', job), 400, 'ArgumentInvalid');
  });

  // ---- 3: counts and sizes ----
  it('a bulk request has 100 records', async () => {
    const records = (n) => Array.from({ length: n }, (_, i) => ({ id: `bulk${i}`, importMode: 'create' }));
    assertFault(await s.rest.post('/devices', records(101)), 413, 'TooManyDevices');
    assert.equal((await s.rest.post('/devices', records(100))).status, 200);
  });
  it('a list has 1000 devices at most', async () => {
    for (const top of ['0', '1001', 'many', '-1']) assert.equal((await s.rest.get(`/devices?top=${top}`)).json.length, 102);
    assert.equal((await s.rest.get('/devices?top=7')).json.length, 7);
  });
  it('a device has 50 modules', async () => {
    for (let i = 0; i < 50; i++) assert.equal((await s.rest.put(`/devices/d/modules/m${i}`, {})).status, 200);
    assertFault(await s.rest.put('/devices/d/modules/m50', {}), 413, 'TooManyModulesOnDevice');
    assert.equal((await s.rest.get('/devices/d/modules')).json.length, 50);
  });
  it('a query has 8192 characters', async () => {
    const query = (length) => {
      const head = "SELECT * FROM devices WHERE tags.a = '";
      return `${head}${text(length - head.length - 1)}'`;
    };
    assert.equal((await s.rest.query(query(8192))).status, 200);
    assertFault(await s.rest.query(query(8193)), 400, 'ArgumentInvalid');
  });
  it('a page has 100 items', async () => {
    for (const max of ['100', '101', '1000']) assert.equal((await s.rest.query('SELECT * FROM devices', { max })).json.length, 100);
    assert.equal((await s.rest.query('SELECT * FROM devices', { max: 99 })).json.length, 99);
  });

  const method = (more) => s.rest.post('/twins/d/methods', { methodName: 'm', ...more });
  it('a payload of a method has 128 KB', async () => {
    assertMethodFault(await method({ payload: text(131070) }), 404, 404103, 'DeviceNotOnline');
    assertMethodFault(await method({ payload: text(131071) }), 413, 413001, 'MessageTooLarge');
  });
  const timeouts = [
    ['response', 5, true], ['response', 300, true], ['response', 4, false], ['response', 301, false],
    ['connect', 0, true], ['connect', 301, false], ['connect', -1, false],
  ];
  for (const [name, seconds, good] of timeouts)
    it(`a ${name} timeout of ${seconds} s is ${good ? 'taken' : 'refused'}`, async () => {
      const answer = await method({ [`${name}TimeoutInSeconds`]: seconds });
      if (good) assertMethodFault(answer, 404, 404103, 'DeviceNotOnline');
      else assertMethodFault(answer, 400, 400004, 'ArgumentInvalid');
    });
  for (const name of ['a"b', 'a/b', 'a?b', 'a b', 'ä', ''])
    it(`a method is not named ${JSON.stringify(name)}`, async () => {
      const { status } = await method({ methodName: name });
      assert.equal(status, 400);
    });

  it('a hub has 16 policies, 10 of them with service connect', async () => {
    const add = (name, rights) => s.rest.put(`/policies/${name}`, { rights });
    for (let i = 0; i < 8; i++) assert.equal((await add(`s${i}`, 'ServiceConnect')).status, 200);
    assertFault(await add('s8', 'RegistryRead, ServiceConnect'), 409, 'GenericConflict', /10 policies .*ServiceConnect/);
    for (let i = 0; i < 3; i++) assert.equal((await add(`r${i}`, 'RegistryRead')).status, 200);
    assertFault(await add('r3', 'RegistryRead'), 409, 'GenericConflict', /16 policies at most/);
    assert.equal((await s.rest.delete('/policies/s0')).status, 204);
    assert.equal((await add('r3', 'RegistryRead')).status, 200);
  });
  it('a free hub has 500 devices', async () => {
    await s.rest.put('/quotas', { profile: 'F1' });
    const { json } = await s.rest.get('/quotas');
    assert.equal(json.devices, 500);
    await s.rest.put('/quotas', { profile: 'none' }); // before its registry quota is used up
  });
  it('a hub has 25 certificates', async () => {
    const certs = new Certificates();
    const add = (i) => s.rest.put(`/certificates/c${i}`, { certificate: certs.authority(`C${i}`).own, isVerified: true });
    for (let i = 0; i < 25; i++) assert.equal((await add(i)).status, 200);
    assertFault(await add(25), 409, 'GenericConflict', /25 certificates at most/);
    assert.equal((await s.rest.delete('/certificates/c0')).status, 204);
    assert.equal((await add(25)).status, 200);
    certs.remove();
  });
  it('a hub has 100 routes, a free one 5', async () => {
    const add = (i) => s.rest.put(`/routes/r${i}`, { source: 'DeviceMessages', condition: 'false' });
    await s.rest.put('/quotas', { profile: 'F1' });
    for (let i = 0; i < 5; i++) assert.equal((await add(i)).status, 200);
    assertFault(await add(5), 409, 'GenericConflict', /5 routes at most/);
    await s.rest.put('/quotas', { profile: 'none' });
    for (let i = 5; i < 100; i++) assert.equal((await add(i)).status, 200);
    assertFault(await add(100), 409, 'GenericConflict', /100 routes at most/);
    assert.equal((await add(7)).status, 200, 'an old one may change');
  });
  it('a free hub has 10 configurations', async () => {
    const add = (i) => s.rest.put(`/configurations/c${i}`, { id: `c${i}`, content: {} });
    await s.rest.put('/quotas', { profile: 'F1' });
    for (let i = 0; i < 10; i++) assert.equal((await add(i)).status, 200);
    assertFault(await add(10), 413, 'ConfigurationCountLimitExceeded', /10 configurations at most/);
    await s.rest.put('/quotas', { profile: 'none' });
    assert.equal((await add(10)).status, 200);
  });
});
// Sizes of device messages: mqtt.test.js. Devices of a hub: tests/hub/quotas_test.c. Reported properties:
// twin.test.js and tests/model/twin_write_test.c.
