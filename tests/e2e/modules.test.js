// Modules: identities, twins, sessions and methods. docs/spec/service-rest.md 6, 9, 10; device-mqtt.md 14.
'use strict';
const assert = require('node:assert/strict');
const { after, before, it } = require('node:test');
const { Message } = require('azure-iot-device');
const { TRANSPORTS, callerOf, moduleOf, newDevice, openTwin, registryOf } = require('./lib/sdk');
const { assertFault, assertMethodFault, sdkError, withHub } = require('./lib/suite');
const { Inbox, within } = require('./lib/wait');

const UNSET = '0001-01-01T00:00:00';
const edge = { capabilities: { iotEdge: true } };
const ids = (modules) => modules.map((module) => module.moduleId);

withHub('modules over REST', (s) => {
  let registry;
  before(async () => {
    registry = registryOf(s.hub);
    await newDevice(s.hub, 'd1');
  });

  it('are made with generated keys', async () => {
    const { responseBody: module, httpResponse } = await registry.addModule({ deviceId: 'd1', moduleId: 'm1' });
    assert.equal(httpResponse.statusCode, 200);
    assert.equal(httpResponse.headers.etag, undefined, 'as recorded');
    assert.equal(Buffer.from(module.authentication.symmetricKey.primaryKey, 'base64').length, 32);
    delete module.authentication;
    const { generationId, etag, ...rest } = module;
    assert.match(generationId, /^\d+$/);
    assert.match(Buffer.from(etag, 'base64').toString(), /^\d{9}$/);
    assert.deepEqual(rest, {
      moduleId: 'm1', managedBy: null, deviceId: 'd1', connectionState: 'Disconnected',
      connectionStateUpdatedTime: UNSET, lastActivityTime: UNSET, cloudToDeviceMessageCount: 0,
    });
    assert.deepEqual(Object.keys(module).slice(0, 5), ['moduleId', 'managedBy', 'deviceId', 'generationId', 'etag']);
  });
  it('are there once', async () => {
    const answer = await s.rest.put('/devices/d1/modules/m1', { deviceId: 'd1', moduleId: 'm1' });
    assertFault(answer, 409, 'ModuleAlreadyExistsOnDevice', /m1/);
    await assert.rejects(registry.addModule({ deviceId: 'd1', moduleId: 'm1' }), sdkError('DeviceAlreadyExistsError'));
  });
  it('are changed by who knows the etag', async () => {
    const { responseBody: module } = await registry.getModule('d1', 'm1');
    const { responseBody: now } = await registry.updateModule({ ...module, managedBy: 'me' }, module.etag);
    assert.equal(now.managedBy, 'me');
    assert.equal(now.authentication.symmetricKey.primaryKey, module.authentication.symmetricKey.primaryKey);
    const late = await s.rest.put('/devices/d1/modules/m1', module, { headers: { 'If-Match': `"${module.etag}"` } });
    assertFault(late, 412, 'PreconditionFailed', /Device version did not match, existingVersion:\d+ newVersion:\d+/);
  });
  it('are listed by name', async () => {
    await registry.addModule({ deviceId: 'd1', moduleId: 'a' });
    assert.deepEqual(ids((await registry.getModulesOnDevice('d1')).responseBody), ['a', 'm1']);
  });
  it('are missed by name', async () => {
    assertFault(await s.rest.get('/devices/d1/modules/none'), 404, 'ModuleNotFound', /none/);
    assertFault(await s.rest.get('/devices/none/modules/m1'), 404, 'DeviceNotFound', /none/);
    assertFault(await s.rest.get('/devices/none/modules'), 404, 'DeviceNotFound', /none/);
    assertFault(await s.rest.get('/twins/d1/modules/none'), 404, 'ModuleNotFound', /none/);
    assertFault(await s.rest.put('/devices/d1/modules/none', {}, { headers: { 'If-Match': '*' } }), 404, 'ModuleNotFound');
    assertFault(await s.rest.delete('/devices/d1/modules/none'), 404, 'ModuleNotFound');
    assertMethodFault(await s.rest.post('/twins/d1/modules/none/methods', { methodName: 'x' }), 404, 404010, 'ModuleNotFound');
  });
  it('have twins', async () => {
    const { responseBody: fresh } = await registry.getModuleTwin('d1', 'a');
    assert.equal(fresh.moduleId, 'a');
    assert.equal(fresh.capabilities, undefined);
    assert.deepEqual(fresh.properties.desired, { $metadata: { $lastUpdated: `${UNSET}Z` }, $version: 1 });
    const { responseBody: merged } = await registry.updateModuleTwin('d1', 'a', { tags: { x: 1 }, properties: { desired: { fan: 3 } } }, fresh.etag);
    assert.deepEqual(merged.tags, { x: 1 });
    assert.equal(merged.properties.desired.fan, 3);
    await assert.rejects(registry.updateModuleTwin('d1', 'a', { tags: {} }, fresh.etag), sdkError('InvalidEtagError'));
    const { status, json } = await s.rest.put('/twins/d1/modules/a', { tags: { y: 2 } });
    assert.equal(status, 200);
    assert.deepEqual(json.tags, { y: 2 });
    assert.equal((await registry.getTwin('d1')).responseBody.tags.y, undefined, 'the device has its own');
  });
  it('are answered to queries', async () => {
    const { json } = await s.rest.post('/devices/query', { query: 'SELECT * FROM devices.modules' });
    assert.deepEqual(json.map((twin) => [twin.deviceId, twin.moduleId]), [['d1', 'm1'], ['d1', 'a']]);
  });
  it('are deleted, one or all', async () => {
    assert.equal((await registry.removeModule('d1', 'a')).httpResponse.statusCode, 204);
    assertFault(await s.rest.get('/devices/d1/modules/a'), 404, 'ModuleNotFound');
    await registry.delete('d1');
    await newDevice(s.hub, 'd1');
    assert.deepEqual((await registry.getModulesOnDevice('d1')).responseBody, []);
    assert.deepEqual((await registry.getRegistryStatistics()).responseBody.totalDeviceCount, 1, 'modules are no devices');
  });
  it('are fifty at most', async () => {
    const fifty = Array.from({ length: 50 }, (_, i) => ({ id: 'd1', moduleId: `m${i}`, importMode: 'create' }));
    const bulk = await s.rest.post('/devices', fifty);
    assert.deepEqual([bulk.status, bulk.json.errors], [200, []]);
    assertFault(await s.rest.put('/devices/d1/modules/more', {}), 413, 'TooManyModulesOnDevice', /50/);
    const more = await s.rest.post('/devices', [{ id: 'd1', moduleId: 'more', importMode: 'create' }]);
    assert.equal(more.status, 400);
    assert.deepEqual({ ...more.json.errors[0], errorStatus: '' },
      { deviceId: 'd1', errorCode: 'TooManyModulesOnDevice', errorStatus: '', moduleId: 'more', operation: 'create' });
  });
  it('come in bulk with their device and a twin', async () => {
    const answer = await s.rest.post('/devices', [
      { id: 'd2', importMode: 'create' },
      { id: 'd2', moduleId: 'm', importMode: 'create', managedBy: 'me', tags: { a: 1 }, properties: { desired: { x: 1 } } },
      { id: 'd3', moduleId: 'm', importMode: 'create' },
      { id: 'd2', moduleId: 'm', importMode: 'create' },
    ]);
    assert.deepEqual(answer.json.errors.map((e) => [e.deviceId, e.moduleId, e.errorCode]),
      [['d3', 'm', 'DeviceNotFound'], ['d2', 'm', 'DeviceDefinedMultipleTimes']]);
    const { responseBody: twin } = await registry.getModuleTwin('d2', 'm');
    assert.deepEqual([twin.tags, twin.properties.desired.x, twin.properties.desired.$version], [{ a: 1 }, 1, 1]);
    assert.equal((await registry.getModule('d2', 'm')).responseBody.managedBy, 'me');
  });
});

withHub('devices of IoT Edge', (s) => {
  let registry, parent;
  before(async () => {
    registry = registryOf(s.hub);
    parent = (await registry.create({ deviceId: 'gw', ...edge })).responseBody;
  });

  it('have a scope and system modules', async () => {
    assert.equal(parent.deviceScope, `ms-azure-iot-edge://gw-${parent.generationId}`);
    const { responseBody: modules } = await registry.getModulesOnDevice('gw');
    assert.deepEqual(ids(modules), ['$edgeAgent', '$edgeHub']);
    const { responseBody: twin } = await registry.getModuleTwin('gw', '$edgeAgent');
    assert.equal(twin.moduleId, '$edgeAgent');
  });
  it('whose system modules nobody changes by hand', async () => {
    for (const path of ['/devices/gw/modules/$edgeHub', '/devices/gw/modules/%24edgeAgent']) {
      const headers = { 'If-Match': '*' };
      assertFault(await s.rest.put(path, {}, { headers }), 401, 'SystemModuleModifyUnauthorizedAccess', /edge/);
      assertFault(await s.rest.delete(path, { headers }), 401, 'SystemModuleModifyUnauthorizedAccess', /edge/);
    }
    const { responseBody: twin } = await registry.updateModuleTwin('gw', '$edgeAgent', { properties: { desired: { runtime: {} } } }, '*');
    assert.equal(twin.properties.desired.$version, 2, 'their twins are for deployments');
  });
  it('are parents', async () => {
    const { responseBody: leaf } = await registry.create({ deviceId: 'leaf', deviceScope: parent.deviceScope });
    assert.deepEqual(leaf.parentScopes, [parent.deviceScope]);
    const { responseBody: lower } = await registry.create({ deviceId: 'lower', ...edge, parentScopes: [parent.deviceScope] });
    assert.deepEqual(lower.parentScopes, [parent.deviceScope]);
    assert.notEqual(lower.deviceScope, parent.deviceScope);
    const query = `select deviceId from devices where array_contains(parentScopes, '${parent.deviceScope}')`;
    const { json } = await s.rest.post('/devices/query', { query });
    assert.deepEqual(json.map((row) => row.deviceId).sort(), ['leaf', 'lower']);
    const { responseBody: moved } = await registry.update({ ...leaf, deviceScope: lower.deviceScope });
    assert.deepEqual(moved.parentScopes, [lower.deviceScope]);
    const alone = { ...moved, deviceScope: undefined, parentScopes: [] };
    assert.equal((await registry.update(alone)).responseBody.parentScopes, undefined);
  });
  it('must exist to be parents', async () => {
    const scopes = ['ms-azure-iot-edge://gw-1', 'ms-azure-iot-edge://nobody-1', 'gw'];
    for (const deviceScope of scopes)
      assertFault(await s.rest.put('/devices/x', { deviceScope }), 400, 'InvalidDeviceScope');
  });
});

for (const transport of Object.keys(TRANSPORTS)) {
  withHub(`the Node module SDK over ${transport}`, (s) => {
    let registry, identity, client;
    before(async () => {
      registry = registryOf(s.hub);
      await newDevice(s.hub, 'd');
      identity = (await registry.addModule({ deviceId: 'd', moduleId: 'm' })).responseBody;
      client = moduleOf(s.hub, identity, transport);
      await client.open();
    });
    after(() => client && client.close());
    const state = async () => (await registry.getModule('d', 'm')).responseBody.connectionState;

    it('is connected beside its device', async () => {
      assert.equal(await state(), 'Connected');
      assert.equal((await registry.get('d')).responseBody.connectionState, 'Disconnected');
    });
    it('sends telemetry and output events', async () => {
      await client.sendEvent(new Message('plain'));
      await client.sendOutputEvent('out1', new Message('by an output'));
    });
    it('reads, reports and follows its twin', async () => {
      const { twin, desired, report } = await openTwin(client);
      await desired.next();
      await report({ firmware: '1.0' });
      await registry.updateModuleTwin('d', 'm', { properties: { desired: { interval: 30 } } }, '*');
      assert.equal((await desired.next()).interval, 30);
      assert.equal(twin.properties.desired.interval, 30);
      const { responseBody } = await registry.getModuleTwin('d', 'm');
      assert.equal(responseBody.properties.reported.firmware, '1.0');
      assert.equal(responseBody.connectionState, 'Connected');
    });
    it('answers methods', async () => {
      const calls = new Inbox('call');
      client.onMethod('hello', (request, response) => {
        calls.push(request.payload);
        response.send(201, { hello: request.payload }, () => {});
      });
      const params = { methodName: 'hello', payload: 'world', connectTimeoutInSeconds: 30, responseTimeoutInSeconds: 30 };
      const { result } = await callerOf(s.hub).invokeDeviceMethod('d', 'm', params);
      assert.deepEqual(result, { status: 201, payload: { hello: 'world' } });
      assert.equal(await calls.next(), 'world');
      assertMethodFault(await s.rest.post('/twins/d/methods', { methodName: 'hello' }), 404, 404103, 'DeviceNotOnline');
    });
    it('needs a key of its own', async () => {
      const { responseBody } = await registry.get('d');
      const stranger = moduleOf(s.hub, { ...identity, authentication: responseBody.authentication }, transport);
      await assert.rejects(within(stranger.open(), 'an answer'), sdkError('UnauthorizedError'));
      const { responseBody: twin } = await registry.getModuleTwin('d', 'm');
      assert.equal(twin.connectionState, 'Connected', 'and disturbs nobody');
    });
    it('ends with its device', async () => {
      await registry.delete('d');
      assertFault(await s.rest.get('/twins/d/modules/m'), 404, 'DeviceNotFound');
      const { json } = await s.rest.get('/statistics/service');
      assert.equal(json.connectedDeviceCount, 0);
      await newDevice(s.hub, 'd');
      const again = moduleOf(s.hub, identity, transport);
      await assert.rejects(within(again.open(), 'an answer'), sdkError('UnauthorizedError'));
    });
  });
}
