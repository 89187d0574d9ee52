// Identities over REST: docs/spec/service-rest.md 5 and 8.
'use strict';
const assert = require('node:assert/strict');
const { before, it, test } = require('node:test');
const { newDevice, registryOf } = require('./lib/sdk');
const { assertFault, sdkError, withHub } = require('./lib/suite');
const { RawMqtt } = require('./lib/mqtt');
const { until } = require('./lib/wait');

const UNSET = '0001-01-01T00:00:00';
const key = (byte, size = 32) => Buffer.alloc(size, byte).toString('base64');
const ifMatch = (etag) => ({ headers: { 'If-Match': etag } });

withHub('the Node service SDK', (s) => {
  let registry;
  before(() => (registry = registryOf(s.hub)));

  it('creates a device with generated keys', async () => {
    const { responseBody: device, httpResponse } = await registry.create({ deviceId: 'd1' });
    assert.equal(httpResponse.statusCode, 200);
    assert.equal(device.deviceId, 'd1');
    assert.equal(device.status, 'enabled');
    assert.equal(device.connectionState, 'Disconnected');
    const { primaryKey, secondaryKey } = device.authentication.symmetricKey;
    assert.equal(Buffer.from(primaryKey, 'base64').length, 32);
    assert.notEqual(primaryKey, secondaryKey);
  });
  it('creating it again is DeviceAlreadyExistsError', () =>
    assert.rejects(registry.create({ deviceId: 'd1' }), sdkError('DeviceAlreadyExistsError')));
  it('gets it', async () => {
    const { responseBody } = await registry.get('d1');
    assert.equal(responseBody.deviceId, 'd1');
  });
  it('updates its status', async () => {
    const { responseBody } = await registry.update({ deviceId: 'd1', status: 'disabled', statusReason: 'for a while' });
    assert.equal(responseBody.status, 'disabled');
    assert.equal(responseBody.statusReason, 'for a while');
    assert.notEqual(responseBody.statusUpdatedTime, UNSET);
  });
  it('lists all', async () => {
    await registry.create({ deviceId: 'd0' });
    const { responseBody } = await registry.list();
    assert.deepEqual(responseBody.map((d) => d.deviceId), ['d0', 'd1']);
  });
  it('counts them', async () => {
    const { responseBody } = await registry.getRegistryStatistics();
    assert.deepEqual(responseBody, { totalDeviceCount: 2, enabledDeviceCount: 1, disabledDeviceCount: 1 });
  });
  it('deletes it; then it is not found', async () => {
    const { httpResponse } = await registry.delete('d1');
    assert.equal(httpResponse.statusCode, 204);
    await assert.rejects(registry.get('d1'), sdkError('DeviceNotFoundError'));
    await assert.rejects(registry.delete('d1'), sdkError('DeviceNotFoundError'));
  });
  it('an id that needs escaping makes the round', async () => {
    const deviceId = "a:b+c%d#e(f)!g?h*i,j=k@l;m$n'o_p";
    await registry.create({ deviceId });
    assert.equal((await registry.get(deviceId)).responseBody.deviceId, deviceId);
    await registry.delete(deviceId);
  });
});

withHub('PUT /devices/{id}', (s) => {
  it('answers the whole object, members in the recorded order', async () => {
    const answer = await s.rest.put('/devices/order', { deviceId: 'order' }, ifMatch('""'));
    assert.equal(answer.status, 200);
    assert.deepEqual(Object.keys(answer.json), ['deviceId', 'generationId', 'etag', 'connectionState', 'status', 'statusReason',
      'connectionStateUpdatedTime', 'statusUpdatedTime', 'lastActivityTime', 'cloudToDeviceMessageCount', 'authentication', 'capabilities']);
    const { generationId, etag, authentication, ...rest } = answer.json;
    assert.match(generationId, /^\d+$/);
    assert.match(Buffer.from(etag, 'base64').toString(), /^\d+$/);
    assert.equal(answer.headers.etag, `"${etag}"`);
    assert.equal(authentication.type, 'sas');
    assert.deepEqual(authentication.x509Thumbprint, { primaryThumbprint: null, secondaryThumbprint: null });
    assert.deepEqual(rest, {
      deviceId: 'order', connectionState: 'Disconnected', status: 'enabled', statusReason: null, connectionStateUpdatedTime: UNSET,
      statusUpdatedTime: UNSET, lastActivityTime: UNSET, cloudToDeviceMessageCount: 0, capabilities: { iotEdge: false },
    });
    assert.match(answer.headers['x-ms-request-id'], /^[0-9a-f-]{36}$/);
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
  });

  it('takes keys of 16 to 64 bytes', async () => {
    for (const size of [16, 64]) {
      const symmetricKey = { primaryKey: key(1, size), secondaryKey: key(2, size) };
      const answer = await s.rest.put(`/devices/key-${size}`, { authentication: { type: 'sas', symmetricKey } });
      assert.deepEqual(answer.json.authentication.symmetricKey, symmetricKey);
    }
  });

  it('ignores members that it does not know or owns itself', async () => {
    const answer = await s.rest.put('/devices/extra', {
      deviceId: 'extra', etag: null, generationId: '1', connectionState: 'Connected', cloudToDeviceMessageCount: 7, unknown: {},
      serviceProperties: null, lastActivityTime: '0001-01-01T00:00:00',
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.connectionState, 'Disconnected');
    assert.equal(answer.json.cloudToDeviceMessageCount, 0);
  });

  test('wrong input is 400 and creates nothing', async (t) => {
    const cases = [
      ['an id with a blank', '/devices/bad%20id', {}, 'ArgumentInvalid'],
      ['an id with a slash', '/devices/bad%2Fid', {}, 'ArgumentInvalid'],
      ['an id of 129 characters', `/devices/${'x'.repeat(129)}`, {}, 'ArgumentInvalid'],
      ['an id that is not UTF-8', '/devices/%ff', {}, 'ArgumentInvalid'],
      ['another id in the body', '/devices/bad', { deviceId: 'worse' }, 'ArgumentInvalid'],
      ['an unknown status', '/devices/bad', { status: 'asleep' }, 'ArgumentInvalid'],
      ['a status of the wrong type', '/devices/bad', { status: 1 }, 'ArgumentInvalid'],
      ['a reason of 129 characters', '/devices/bad', { statusReason: 'x'.repeat(129) }, 'ArgumentInvalid'],
      ['keys that are not base64', '/devices/bad', { authentication: { symmetricKey: { primaryKey: '1', secondaryKey: '2' } } }, 'ArgumentInvalid'],
      ['a key of 15 bytes', '/devices/bad', { authentication: { symmetricKey: { primaryKey: key(1, 15), secondaryKey: key(2) } } }, 'ArgumentInvalid'],
      ['a key of 65 bytes', '/devices/bad', { authentication: { symmetricKey: { primaryKey: key(1, 65), secondaryKey: key(2) } } }, 'ArgumentInvalid'],
      ['one key without the other', '/devices/bad', { authentication: { symmetricKey: { primaryKey: key(1) } } }, 'ArgumentInvalid'],
      ['an unknown kind of authentication', '/devices/bad', { authentication: { type: 'magic' } }, 'ArgumentInvalid'],
      ['authentication that is no object', '/devices/bad', { authentication: 'sas' }, 'ArgumentInvalid'],
      ['an array', '/devices/bad', [], undefined],
      ['no JSON', '/devices/bad', '{"deviceId":', 'IotHubFormatError'],
      ['duplicate members', '/devices/bad', '{"status":"enabled","status":"disabled"}', undefined],
      ['JSON of endless depth', '/devices/bad', '['.repeat(10000), undefined],
      ['text that is not UTF-8', '/devices/bad', Buffer.from('7b2273223a22ff227d', 'hex'), undefined],
    ];
    for (const [rule, path, body, name] of cases) {
      await t.test(rule, async () => {
        const answer = await s.rest.put(path, body);
        assertFault(answer, 400, name || answer.headers['iothub-errorcode']);
        if (path === '/devices/bad') assert.equal((await s.rest.get(path)).status, 404);
      });
    }
  });

  test('api-version', async (t) => {
    for (const version of ['2016-02-03', '2016-09-30-preview', '2021-04-12', '2024-03-31']) {
      await t.test(`${version} is taken`, async () => {
        assert.equal((await s.rest.get('/devices/order', { version })).status, 200);
      });
    }
    for (const version of [null, '', 'latest', '2021', '2021-4-12', '2021-04-12-beta']) {
      await t.test(`${version} is refused`, async () => {
        assertFault(await s.rest.get('/devices/order', { version }), 400, 'InvalidProtocolVersion');
      });
    }
  });
});

withHub('If-Match', (s) => {
  let etag;
  const put = (id, value, body = {}) => s.rest.put(`/devices/${id}`, body, value === undefined ? {} : ifMatch(value));
  before(async () => (etag = (await put('m')).json.etag));

  it('absent means create: 409 when it exists', async () => assertFault(await put('m'), 409, 'DeviceAlreadyExists'));
  it('"" is absent', async () => assertFault(await put('m', '""'), 409, 'DeviceAlreadyExists'));
  it('any form of the right etag replaces, and the etag counts up', async () => {
    for (const form of [(e) => `"${e}"`, (e) => e, (e) => `W/"${e}"`, () => '*', () => '"*"']) {
      const answer = await put('m', form(etag));
      assert.equal(answer.status, 200, answer.text);
      const number = (e) => Number(Buffer.from(e, 'base64').toString());
      assert.equal(number(answer.json.etag), number(etag) + 1);
      etag = answer.json.etag;
    }
  });
  it('a stale etag is 412 and names both versions', async () => {
    const stale = Buffer.from('1').toString('base64');
    assertFault(await put('m', `"${stale}"`), 412, 'PreconditionFailed',
      /Device version did not match, existingVersion:\d+ newVersion:1/);
  });
  it('a missing device is 404 under every condition', async () => {
    for (const value of ['*', '"*"', `"${etag}"`]) assertFault(await put('absent', value), 404, 'DeviceNotFound');
  });
  it('DELETE obeys it', async () => {
    const remove = (value) => s.rest.delete('/devices/m', ifMatch(value));
    assertFault(await remove('"MQ=="'), 412, 'PreconditionFailed');
    const gone = await remove(`"${etag}"`);
    assert.equal(gone.status, 204);
    assert.equal(gone.text, '');
    assert.equal(gone.headers['content-length'], '0');
    assertFault(await remove('*'), 404, 'DeviceNotFound');
  });
  it('DELETE without it is unconditional', async () => {
    await put('n');
    assert.equal((await s.rest.delete('/devices/n')).status, 204);
  });
  it('a replace keeps keys that are not sent', async () => {
    const made = await put('k');
    const again = await put('k', '*', { status: 'disabled', authentication: { type: 'sas' } });
    assert.deepEqual(again.json.authentication.symmetricKey, made.json.authentication.symmetricKey);
    assert.equal(again.json.status, 'disabled');
    assert.equal(again.json.generationId, made.json.generationId);
  });
  it('a new device of an old name is another one', async () => {
    const first = await put('again');
    await s.rest.delete('/devices/again');
    const second = await put('again');
    assert.notEqual(second.json.generationId, first.json.generationId);
    assert.notEqual(second.json.authentication.symmetricKey.primaryKey, first.json.authentication.symmetricKey.primaryKey);
  });
});

withHub('lists and counts', (s) => {
  before(async () => {
    for (const id of ['c', 'a', 'B', 'b']) await s.rest.put(`/devices/${id}`, {});
  });
  it('GET /devices goes by name', async () => {
    assert.deepEqual((await s.rest.get('/devices')).json.map((d) => d.deviceId), ['B', 'a', 'b', 'c']);
  });
  it('top limits it', async () => {
    assert.equal((await s.rest.get('/devices?top=2')).json.length, 2);
    for (const top of ['0', '1001', '-1', 'x']) assert.equal((await s.rest.get(`/devices?top=${top}`)).json.length, 4, top);
  });
  it('its items are whole, with keys', async () => {
    const [item] = (await s.rest.get('/devices?top=1')).json;
    const one = (await s.rest.get('/devices/B')).json;
    assert.deepEqual(item, one);
    assert.ok(item.authentication.symmetricKey.primaryKey);
  });
  it('ids have case: a and A are two', async () => {
    assert.equal((await s.rest.get('/devices/A')).status, 404);
  });
  it('GET /statistics/service counts who is connected', async () => {
    assert.deepEqual((await s.rest.get('/statistics/service')).json, { connectedDeviceCount: 0 });
    const device = await newDevice(s.hub, 'here');
    const client = await RawMqtt.connect(s.hub, device);
    assert.deepEqual((await s.rest.get('/statistics/service')).json, { connectedDeviceCount: 1 });
    assert.equal((await s.rest.get('/devices/here')).json.connectionState, 'Connected');
    await client.bye();
    await until(async () => (await s.rest.get('/statistics/service')).json.connectedDeviceCount === 0, 'it is gone');
    const gone = (await s.rest.get('/devices/here')).json;
    assert.equal(gone.connectionState, 'Disconnected');
    assert.notEqual(gone.connectionStateUpdatedTime, UNSET);
    assert.notEqual(gone.lastActivityTime, UNSET);
  });
});
