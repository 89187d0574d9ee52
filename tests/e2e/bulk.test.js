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
