// Who may do what: docs/spec/quotas-errors-auth.md 10 to 13.
'use strict';
const assert = require('node:assert/strict');
const { before, it, test } = require('node:test');
const { Rest } = require('./lib/http');
const { RawMqtt } = require('./lib/mqtt');
const { now, sas } = require('./lib/sas');
const { newDevice } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');
const { within } = require('./lib/wait');

const GRACE_S = 300; // a token is good, and its connection lives, this long after `se`
const POLICIES = ['iothubowner', 'service', 'device', 'registryRead', 'registryReadWrite'];

withHub('rights per endpoint', (s) => {
  const twinJob = { type: 'scheduleUpdateTwin', queryCondition: "deviceId = 'nobody'", updateTwin: { etag: '*', tags: { a: 1 } } };
  // What each policy may: o owner, s service, d device, r registryRead, w registryReadWrite.
  const rights = [
    ['GET', '/devices', undefined, 'orw'],
    ['GET', '/devices/d', undefined, 'orw'],
    ['PUT', '/devices/new-{n}', {}, 'ow'],
    ['DELETE', '/devices/gone-{n}', undefined, 'ow'],
    ['GET', '/statistics/devices', undefined, 'orw'],
    ['GET', '/statistics/service', undefined, 'orw'],
    ['POST', '/devices/query', { query: 'SELECT * FROM devices' }, 'osrw'],
    ['GET', '/twins/d', undefined, 'os'],
    ['PATCH', '/twins/d', { tags: { a: 1 } }, 'os'],
    ['PUT', '/twins/d', { tags: { a: 1 } }, 'os'],
    ['POST', '/twins/d/methods', { methodName: 'm', responseTimeoutInSeconds: 5 }, 'os'],
    ['PUT', '/jobs/v2/job-{n}', twinJob, 'osw'],
    ['GET', '/jobs/v2/job-none', undefined, 'osrw'],
    ['POST', '/jobs/v2/job-none/cancel', undefined, 'osw'],
    ['GET', '/jobs/v2/query', undefined, 'osrw'],
  ];
  const letters = { iothubowner: 'o', service: 's', device: 'd', registryRead: 'r', registryReadWrite: 'w' };
  let clients;
  before(async () => {
    clients = Object.fromEntries(POLICIES.map((policy) => [policy, new Rest(s.hub, policy)]));
    await s.rest.put('/devices/d', {});
    for (const policy of POLICIES) await s.rest.put(`/devices/gone-${policy}`, {});
  });

  for (const [method, path, body, allowed] of rights) {
    for (const policy of POLICIES) {
      const may = allowed.includes(letters[policy]);
      it(`${policy} ${may ? 'may' : 'may not'} ${method} ${path.replace('-{n}', '')}`, async () => {
        const answer = await clients[policy].call(method, path.replace('{n}', policy), body);
        if (may) assert.notEqual(answer.status, 401, answer.text);
        else if (path.endsWith('/methods')) assert.equal(answer.status, 401);
        else assertFault(answer, 401, 'IotHubUnauthorizedAccess');
      });
    }
  }

  it('what was refused has changed nothing', async () => {
    for (const policy of ['service', 'device', 'registryRead']) {
      assert.equal((await s.rest.get(`/devices/new-${policy}`)).status, 404, policy);
      assert.equal((await s.rest.get(`/devices/gone-${policy}`)).status, 200, policy);
    }
  });
});

withHub('service tokens, the decision table of section 13', (s) => {
  const service = () => ({ sr: s.hub.host, key: s.hub.policyKey('service'), skn: 'service' });
  let device;
  before(async () => {
    device = await newDevice(s.hub, 'dev-01');
    await newDevice(s.hub, 'dev-010');
  });

  const get = (auth, path = '/twins/dev-01') => s.rest.get(path, { auth });
  const cut = (token, field) => token.replace(new RegExp(`([ &])${field}=[^&]*&?`), '$1').replace(/&$/, '');
  const cases = [
    ['a good token is taken', () => sas(service()), 200],
    ['290 s late is within the clock skew', () => sas({ ...service(), se: now() - GRACE_S + 10 }), 200],
    ['301 s late is too late', () => sas({ ...service(), se: now() - GRACE_S - 1 }), 401],
    ['`se` is under the signature', () => sas({ ...service(), se: now() + 100 }).replace(/se=(\d+)/, (_, n) => `se=${+n + 1}`), 401],
    ['so is `sr`, to the letter', () => sas(service()).replace(s.hub.host, s.hub.host.toUpperCase()), 401],
    ['signed in upper case it is the same host', () => sas({ ...service(), sr: s.hub.host.toUpperCase() }), 200],
    ['fields in any order', () => sas({ ...service(), order: ['skn', 'se', 'sig', 'sr'] }), 200],
    ['names in any case', () => sas({ ...service(), rename: (n) => n.toUpperCase() }), 200],
    ['policy name in any case', () => sas({ ...service(), skn: 'SERVICE' }), 200],
    ['lower-case hex in `sig`', () => sas(service()).replace(/sig=[^&]+/, (x) => x.replace(/%[0-9A-F]{2}/g, (h) => h.toLowerCase())), 200],
    ['raw characters in `sig`', () => sas(service()).replace(/sig=([^&]+)/, (_, x) => `sig=${decodeURIComponent(x)}`), 200],
    ['the scheme has its case', () => sas(service()).replace('SharedAccess', 'sharedaccess'), 401],
    ['the blank is needed', () => sas(service()).replace(' ', ''), 401],
    ['`sig` is needed', () => cut(sas(service()), 'sig'), 401],
    ['`se` is needed', () => cut(sas(service()), 'se'), 401],
    ['`sr` is needed', () => cut(sas(service()), 'sr'), 401],
    ['a field twice is refused', () => `${sas(service())}&se=${now() + 3600}`, 401],
    ['an unknown field is ignored', () => `${sas(service())}&x=1`, 200],
    ['`se` is a number', () => sas({ ...service(), se: 'soon' }), 401],
    ['without `skn` there is no policy', () => sas({ ...service(), skn: undefined }), 401],
    ['unknown policy', () => sas({ ...service(), skn: 'nobody' }), 401],
    ['another policy has another key', () => sas({ ...service(), skn: 'iothubowner' }), 401],
    ['another hub', () => sas({ ...service(), sr: 'other.hub.test' }), 401],
    ['another hub whose name begins like ours', () => sas({ ...service(), sr: `${s.hub.host}.evil.test` }), 401],
    ['a device key is no service key', () => sas({ sr: `${s.hub.host}/devices/dev-01`, key: device.key }), 401],
    ['the device policy is for devices', () => sas({ sr: `${s.hub.host}/devices`, key: s.hub.policyKey('device'), skn: 'device' }), 401],
    ['no token at all', () => null, 401],
    ['an empty one', () => 'SharedAccessSignature ', 401],
    ['Basic is not spoken', () => 'Basic dXNlcjpwYXNz', 401],
    ['Bearer neither', () => 'Bearer abc.def.ghi', 401],
    ['a key that is not base64', () => sas(service()).replace(/sig=[^&]+/, 'sig=***'), 401],
    ['a short signature', () => sas(service()).replace(/sig=[^&]+/, 'sig=AAAA'), 401],
  ];
  for (const [rule, token, status] of cases) {
    it(rule, async () => {
      const answer = await get(token());
      if (status === 401) assertFault(answer, 401, 'IotHubUnauthorizedAccess');
      else assert.equal(answer.status, status, answer.text);
    });
  }

  it('a device key does not open the registry', async () => {
    const auth = sas({ sr: `${s.hub.host}/devices/dev-01`, key: device.key });
    assertFault(await get(auth, '/devices/dev-01'), 401, 'IotHubUnauthorizedAccess');
  });

  it('more than 4 KB of Authorization is refused unread', async () => {
    const answer = await get(`${sas(service())}&x=${'y'.repeat(5000)}`);
    assert.ok([401, 431].includes(answer.status), `${answer.status}`);
  });
});

withHub('device tokens', (s) => {
  let device, other;
  before(async () => {
    device = await newDevice(s.hub, 'dev-01');
    other = await newDevice(s.hub, 'dev-010');
  });
  const sr = (id = 'dev-01') => `${s.hub.host}/devices/${id}`;
  const policy = (name) => ({ key: s.hub.policyKey(name), skn: name });
  // CONNACK 0 or 5: one code for every failure of authentication (docs/spec/device-mqtt.md 3).
  const cases = [
    ['the primary key', () => sas({ sr: sr(), key: device.key }), 0],
    ['the secondary key', () => sas({ sr: sr(), key: device.secondaryKey }), 0],
    ['the device policy', () => sas({ sr: sr(), ...policy('device') }), 0],
    ['the device policy for all devices', () => sas({ sr: `${s.hub.host}/devices`, ...policy('device') }), 0],
    ['the device policy for the hub', () => sas({ sr: s.hub.host, ...policy('device') }), 0],
    ['iothubowner has DeviceConnect', () => sas({ sr: sr(), ...policy('iothubowner') }), 0],
    ['service has not', () => sas({ sr: sr(), ...policy('service') }), 5],
    ['an empty skn', () => `${sas({ sr: sr(), key: device.key })}&skn=`, 0],
    ['skn with the device id', () => sas({ sr: sr(), key: device.key, skn: 'dev-01' }), 0],
    ['sr in lower-case hex', () => sas({ sr: encodeURIComponent(sr()).replace(/%2F/g, '%2f'), raw: true, key: device.key }), 0],
    ['sr not encoded, as the C SDK', () => sas({ sr: sr(), raw: true, key: device.key }), 0],
    ['sr with a port, as the Node SDK', () => sas({ sr: `${s.hub.host}:8883/devices/dev-01`, key: device.key }), 0],
    ['290 s late', () => sas({ sr: sr(), key: device.key, se: now() - GRACE_S + 10 }), 0],
    ['301 s late', () => sas({ sr: sr(), key: device.key, se: now() - GRACE_S - 1 }), 5],
    ['the key of another device', () => sas({ sr: sr(), key: other.key }), 5],
    ['a scope of another device', () => sas({ sr: sr('dev-010'), key: device.key }), 5],
    ['a scope that ends in mid-segment', () => sas({ sr: sr('dev-0'), key: device.key }), 5],
    ['another hub', () => sas({ sr: 'other.hub.test/devices/dev-01', key: device.key }), 5],
    ['garbage', () => 'SharedAccessSignature x', 5],
    ['an empty password', () => '', 5],
    ['no password', () => null, 5],
  ];
  for (const [rule, token, code] of cases) {
    it(`${rule}: CONNACK ${code}`, async () => {
      const client = await RawMqtt.open(s.hub);
      const ack = await client.hello(device, { token: token() });
      assert.equal(ack.code, code);
      assert.equal(ack.size, 2);
      if (code) await client.gone();
      else await client.bye();
    });
  }

  it('an unknown device: CONNACK 5', async () => {
    const client = await RawMqtt.open(s.hub);
    const ack = await client.hello({ deviceId: 'nobody', key: device.key });
    assert.equal(ack.code, 5);
    await client.gone();
  });

  it('a refused stranger does not disturb the device that is here', async () => {
    const good = await RawMqtt.connect(s.hub, device);
    const bad = await RawMqtt.open(s.hub);
    assert.equal((await bad.hello(device, { token: sas({ sr: sr(), key: other.key }) })).code, 5);
    await bad.gone();
    assert.ok(await good.ping());
    await good.bye();
  });
});

withHub('the end of a connection', (s) => {
  it('comes when the device is disabled, and it cannot come back', async () => {
    const device = await newDevice(s.hub, 'to-disable');
    const client = await RawMqtt.connect(s.hub, device);
    const { json } = await s.rest.get('/devices/to-disable');
    const answer = await s.rest.put('/devices/to-disable', { ...json, status: 'disabled' }, { headers: { 'If-Match': '"*"' } });
    assert.equal(answer.status, 200);
    await client.gone();
    const again = await RawMqtt.open(s.hub);
    assert.equal((await again.hello(device)).code, 5);
    await again.gone();
    await s.rest.put('/devices/to-disable', { ...json, status: 'enabled' }, { headers: { 'If-Match': '"*"' } });
    await (await RawMqtt.connect(s.hub, device)).bye();
  });

  it('comes when the device is deleted, and it cannot come back', async () => {
    const device = await newDevice(s.hub, 'to-delete');
    const client = await RawMqtt.connect(s.hub, device);
    assert.equal((await s.rest.delete('/devices/to-delete', { headers: { 'If-Match': '*' } })).status, 204);
    await client.gone();
    const again = await RawMqtt.open(s.hub);
    assert.equal((await again.hello(device)).code, 5);
    await again.gone();
  });

  it('does not come when keys change', async () => {
    const device = await newDevice(s.hub, 'to-rekey');
    const client = await RawMqtt.connect(s.hub, device);
    const { json } = await s.rest.get('/devices/to-rekey');
    const key = Buffer.alloc(32, 7).toString('base64');
    json.authentication.symmetricKey = { primaryKey: key, secondaryKey: Buffer.alloc(32, 8).toString('base64') };
    assert.equal((await s.rest.put('/devices/to-rekey', json, { headers: { 'If-Match': '*' } })).status, 200);
    assert.ok(await client.ping(), 'the connection lives');
    const old = await RawMqtt.open(s.hub);
    assert.equal((await old.hello(device)).code, 5, 'the old key is worth nothing');
    await old.gone();
    assert.ok(await client.ping());
    const renewed = await RawMqtt.connect(s.hub, { ...device, key });
    await client.gone();
    await renewed.bye();
  });

  it('comes 5 minutes after the token expired', async () => {
    const device = await newDevice(s.hub, 'to-expire');
    const left = 3;
    const token = sas({ sr: `${s.hub.host}/devices/to-expire`, key: device.key, se: now() - GRACE_S + left });
    const client = await RawMqtt.connect(s.hub, device, { token });
    assert.ok(await client.ping(), 'not before');
    await within(client.closed, 'the token ends the connection', 60000);
    assert.ok(now() >= Number(/se=(\d+)/.exec(token)[1]) + GRACE_S, 'nor a second early');
  });
});

test('the harness signs as the worked vector A does', () => {
  const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('base64');
  assert.equal(sas({ sr: 'contoso-hub.example.net', key, se: 1767225600, skn: 'service' }),
    'SharedAccessSignature sr=contoso-hub.example.net&sig=6FgbAUvubdrALXDPyq6PoTZpYOCOCka8NLdrz%2FMtooc%3D&se=1767225600&skn=service');
});
