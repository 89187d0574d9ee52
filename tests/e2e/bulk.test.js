// Many identities in one request: docs/spec/service-rest.md 7.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { newDevice, openClient, openTwin, registryOf } = require('./lib/sdk');
const { withHub } = require('./lib/suite');

const FINE = { isSuccessful: true, errors: [], warnings: [] };

withHub('POST /devices', (s) => {
  let registry;
  before(() => (registry = registryOf(s.hub)));
  const bulk = (records) => s.rest.post('/devices', records);
  const twin = async (id) => (await s.rest.get(`/twins/${id}`)).json;

  it('the Node SDK adds, updates and removes devices', async () => {
    const devices = ['a', 'b', 'c'].map((deviceId) => ({ deviceId }));
    assert.deepEqual((await registry.addDevices(devices)).responseBody, FINE);
    const { responseBody: made } = await registry.get('b');
    assert.equal(Buffer.from(made.authentication.symmetricKey.primaryKey, 'base64').length, 32);
    assert.deepEqual((await registry.updateDevices([{ deviceId: 'b', status: 'disabled' }], true)).responseBody, FINE);
    assert.equal((await registry.get('b')).responseBody.status, 'disabled');
    assert.deepEqual((await registry.removeDevices([{ deviceId: 'c' }], true)).responseBody, FINE);
    await assert.rejects(registry.get('c'), { name: 'DeviceNotFoundError' });
  });

  it('a twin that is born with values is at version 1', async () => {
    const { json } = await bulk([{ id: 't', importMode: 'create', tags: { site: 'north' }, properties: { desired: { a: 1 }, reported: { b: 2 } } }]);
    assert.deepEqual(json, FINE);
    const { tags, properties, version, etag } = await twin('t');
    assert.deepEqual(tags, { site: 'north' });
    assert.equal(properties.desired.$version, 1);
    assert.equal(properties.desired.$metadata.$lastUpdatedVersion, 1);
    assert.equal(properties.desired.a, 1);
    assert.equal(properties.reported.b, 2);
    assert.equal(properties.reported.$version, 1);
    await s.rest.put('/devices/plain', {});
    const plain = await twin('plain');
    assert.deepEqual([version, etag], [plain.version, plain.etag], 'as one that is empty');
  });

  it('updateTwin merges, and tells the device', async () => {
    const client = await openClient(s.hub, await newDevice(s.hub, 'listener'));
    const { desired } = await openTwin(client);
    await desired.next(); // the whole section, by the SDK
    const { json } = await bulk([{ id: 'listener', importMode: 'updateTwin', tags: { x: 1 }, properties: { desired: { interval: 30 } } }]);
    assert.deepEqual(json, FINE);
    assert.equal((await desired.next()).interval, 30);
    assert.equal((await twin('listener')).tags.x, 1);
    await client.close();
  });

  it('keys/regenerate: fresh keys for some, which count at once; nobody is cut off', async () => {
    const keysOf = async (path) => (await s.rest.get(`/devices/${path}`)).json.authentication.symmetricKey;
    const regenerate = (policyKey, ...devices) => s.rest.post('/devices/keys/regenerate', { policyKey, devices });
    await s.rest.put('/devices/edgy', { capabilities: { iotEdge: true } });
    await s.rest.put('/devices/cert', { authentication: { type: 'certificateAuthority' } });
    const device = await newDevice(s.hub, 'rotor');
    await s.rest.put('/devices/rotor/modules/m', {});
    const client = await openClient(s.hub, device);
    const [was, module] = [await keysOf('rotor'), await keysOf('rotor/modules/m')];
    const { etag } = (await s.rest.get('/devices/rotor')).json;

    let { status, json } = await regenerate('primaryKey', { id: 'rotor' }, { id: 'rotor', moduleId: 'm' });
    assert.equal(status, 200);
    const now = await keysOf('rotor');
    assert.deepEqual(json, {
      policyKey: 'primaryKey',
      rotatedKeys: [{ id: 'rotor', ...now }, { id: 'rotor', moduleId: 'm', ...(await keysOf('rotor/modules/m')) }],
      errors: [],
    });
    assert.notEqual(now.primaryKey, was.primaryKey);
    assert.equal(now.secondaryKey, was.secondaryKey);
    assert.notEqual((await keysOf('rotor/modules/m')).primaryKey, module.primaryKey);
    assert.notEqual((await s.rest.get('/devices/rotor')).json.etag, etag);
    assert.equal((await s.rest.get('/devices/rotor')).json.connectionState, 'Connected');
    await client.close();

    ({ status, json } = await regenerate('BOTH', { id: 'rotor' }, { id: 'nobody' }, { id: 'rotor', moduleId: 'x' },
      { id: 'rotor' }, { id: 'edgy', moduleId: '$edgeHub' }, { id: 'cert' }, { id: 'bad id' }, { id: 'edgy', moduleId: '' }, { id: 'edgy', moduleId: 7 }));
    assert.equal(status, 207);
    assert.deepEqual(json.rotatedKeys.map((e) => e.id), ['rotor']);
    assert.deepEqual(json.errors.map((e) => [e.id, e.moduleId, e.errorCode]), [
      ['nobody', undefined, 'DeviceNotFound'],
      ['rotor', 'x', 'ModuleNotFound'],
      ['rotor', undefined, 'DeviceDefinedMultipleTimes'],
      ['edgy', '$edgeHub', 'SystemModuleModifyUnauthorizedAccess'],
      ['cert', undefined, 'ArgumentInvalid'],
      ['bad id', undefined, 'ArgumentInvalid'],
      ['edgy', undefined, 'ArgumentInvalid'], // no module's name, and not the device itself
      ['edgy', undefined, 'ArgumentInvalid'],
    ]);
    const last = await keysOf('rotor');
    assert.equal(new Set([...Object.values(was), ...Object.values(now), ...Object.values(last)]).size, 5);
    let headers;
    ({ status, json, headers } = await regenerate('both', { id: 'nobody' }));
    assert.deepEqual([status, headers['iothub-errorcode'], json.errors.length], [400, 'BulkRegenerateDeviceKeyOperationFailure', 1]);
  });

  for (const [rule, body, status, code] of [
    ['another policyKey', { policyKey: 'third', devices: [{ id: 'a' }] }, 400, 'InvalidPolicyKey'],
    ['no policyKey', { devices: [{ id: 'a' }] }, 400, 'InvalidPolicyKey'],
    ['no devices', { policyKey: 'both', devices: [] }, 400, 'ArgumentInvalid'],
    ['devices that are none', { policyKey: 'both', devices: ['a'] }, 400, 'ArgumentInvalid'],
    ['101 devices', { policyKey: 'both', devices: Array.from({ length: 101 }, (_, i) => ({ id: `k${i}` })) }, 413, 'TooManyDevices'],
  ])
    it(`keys/regenerate refuses ${rule}`, async () => {
      const answer = await s.rest.post('/devices/keys/regenerate', body);
      assert.deepEqual([answer.status, answer.headers['iothub-errorcode']], [status, code]);
    });

  it('one that is refused spoils no other', async () => {
    const { status, headers, json } = await bulk([
      { id: 'a', importMode: 'create' },
      { id: 'new1', importMode: 'create' },
      { id: 'nobody', importMode: 'update' },
      { id: 'new1', importMode: 'create' },
      { id: 'bad id', importMode: 'create' },
      { id: 'new2', importMode: 'create', properties: { desired: { x: 1e300 } }, tags: 5 },
      { id: 'new3', importMode: 'jump' },
      { id: 'new4', moduleId: 'm' },
      { id: 'new5', status: 'asleep' },
      { id: 'a', importMode: 'updateIfMatchETag', eTag: 'c3RhbGU=' },
      { id: 'new6' },
    ]);
    assert.equal(status, 400);
    assert.equal(headers['iothub-errorcode'], 'BulkRegistryOperationFailure');
    assert.equal(json.isSuccessful, false);
    assert.deepEqual(json.errors.map((e) => [e.deviceId, e.errorCode, e.operation]), [
      ['a', 'DeviceAlreadyExists', 'create'],
      ['nobody', 'DeviceNotFound', 'update'],
      ['new1', 'DeviceDefinedMultipleTimes', 'create'],
      ['bad id', 'ArgumentInvalid', 'create'],
      ['new2', 'ArgumentInvalid', 'create'],
      ['new3', 'ArgumentInvalid', 'createOrUpdate'],
      ['new4', 'DeviceNotFound', 'createOrUpdate'], // a module needs its device
      ['new5', 'ArgumentInvalid', 'createOrUpdate'],
      ['a', 'DeviceDefinedMultipleTimes', 'updateIfMatchETag'],
    ]);
    for (const id of ['new1', 'new6']) assert.equal((await s.rest.get(`/devices/${id}`)).status, 200, id);
    for (const id of ['new2', 'new3', 'new4', 'new5']) assert.equal((await s.rest.get(`/devices/${id}`)).status, 404, id);
  });

  it('an etag counts in the modes that say so, and in no other', async () => {
    const stale = { eTag: 'c3RhbGU=' };
    assert.equal((await bulk([{ id: 'a', importMode: 'UpdateIfMatchETag', ...stale }])).json.errors[0].errorCode, 'PreconditionFailed');
    assert.equal((await bulk([{ id: 'a', importMode: 'updateTwinIfMatchETag', twinETag: 'AAAAAAAAAA8=', tags: {} }])).json.errors[0].errorCode, 'PreconditionFailed');
    assert.deepEqual((await bulk([{ id: 'a', importMode: 'Update', ...stale }])).json, FINE);
    assert.deepEqual((await bulk([{ id: 'new6', importMode: 'deleteIfMatchETag' }])).json, FINE);
    assert.deepEqual((await bulk([{ id: 'new1', importMode: 'delete', ...stale }])).json, FINE);
  });

  const refusals = [
    ['at most 100', Array.from({ length: 101 }, (_, i) => ({ id: `x${i}` })), 413, 'TooManyDevices'],
    ['at least one', [], 400, 'ArgumentInvalid'],
    ['an array', { id: 'x' }, 400, 'ArgumentInvalid'],
    ['each with an id', [{ id: 'ok1' }, { deviceId: 'x' }], 400, 'ArgumentInvalid'],
  ];
  for (const [rule, body, status, code] of refusals)
    it(rule, async () => {
      const answer = await bulk(body);
      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.headers['iothub-errorcode'], code);
      assert.equal((await s.rest.get('/devices/ok1')).status, 404, 'nothing of it was done');
    });

  it('100 are made at once, and survive kill -9', async () => {
    assert.deepEqual((await bulk(Array.from({ length: 100 }, (_, i) => ({ id: `m${i}`, tags: { i } })))).json, FINE);
    await s.hub.kill9();
    await s.hub.start();
    assert.equal((await twin('m99')).tags.i, 99);
  });
});
