// Modules: identities, twins, sessions and methods. docs/spec/service-rest.md 6, 9, 10; device-mqtt.md 14.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, it } = require('node:test');
const { NoRetry } = require('azure-iot-common');
const { Message } = require('azure-iot-device');
const { muster } = require('./lib/hub');
const { allRows, jobIn, recordsOf } = require('./lib/jobs');
const { RawMqtt } = require('./lib/mqtt');
const { sas } = require('./lib/sas');
const { TRANSPORTS, callerOf, jobsOf, moduleOf, newDevice, openTwin, registryOf } = require('./lib/sdk');
const { assertFault, assertMethodFault, sdkError, withHub } = require('./lib/suite');
const { Inbox, until, within } = require('./lib/wait');

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
    const { json, headers } = await s.rest.query('SELECT * FROM devices.modules');
    assert.equal(headers['x-ms-item-type'], 'Twin');
    assert.deepEqual(json.map((twin) => [twin.deviceId, twin.moduleId]), [['d1', 'm1'], ['d1', 'a']]);
    assert.deepEqual(json[1], (await s.rest.get('/twins/d1/modules/a')).json, 'a full twin');
    const { result } = await registry.createQuery("SELECT * FROM devices.modules WHERE moduleId = 'a'").nextAsTwin();
    assert.deepEqual(result.map((twin) => [twin.deviceId, twin.moduleId, twin.tags]), [['d1', 'a', { y: 2 }]]);
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

withHub('queries on devices.modules', (s) => {
  before(async () => {
    for (let d = 0; d < 12; d++) {
      const records = [{ id: `d${d}`, importMode: 'create' }];
      for (let m = 0; m < 10; m++) records.push({ id: `d${d}`, moduleId: `m${m}`, importMode: 'create', tags: { d, m } });
      assert.equal((await s.rest.post('/devices', records)).status, 200);
    }
  });
  const rows = async (query) => {
    const answer = await s.rest.query(query);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const names = (list) => list.map((row) => `${row.deviceId}/${row.moduleId}`);

  it('come page by page', async () => {
    const first = await s.rest.query('SELECT deviceId, moduleId FROM devices.modules');
    assert.equal(first.headers['x-ms-item-type'], 'Raw');
    const token = first.headers['x-ms-continuation'];
    const second = await s.rest.query('SELECT deviceId, moduleId FROM devices.modules', { token });
    assert.deepEqual([first.json.length, second.json.length], [100, 20]);
    assert.equal(second.headers['x-ms-continuation'], undefined);
    assert.equal(new Set([...names(first.json), ...names(second.json)]).size, 120);
  });
  it('find modules by device without looking at others', async () => {
    const query = "SELECT * FROM devices.modules WHERE deviceId IN ['d3', 'd11', 'nobody'] AND tags.m < 2";
    assert.deepEqual(names(await rows(query)), ['d3/m0', 'd3/m1', 'd11/m0', 'd11/m1']);
    const [how] = await rows(`EXPLAIN ${query}`);
    assert.deepEqual([how.collection, how.way, how.candidates], ['devices.modules', 'ids', 20]);
  });
  it('know what devices have and modules have not, and the other way round', async () => {
    assert.deepEqual(await rows('SELECT * FROM devices WHERE is_defined(moduleId)'), []);
    assert.deepEqual(await rows('SELECT * FROM devices.modules WHERE is_defined(capabilities)'), []);
    assert.equal((await s.rest.query('SELECT count() AS n FROM devices.modules')).status, 400, 'spec/query-language.md: rejected');
  });
});

withHub('jobs on modules', (s) => {
  let clients, jobs;
  before(async () => {
    jobs = jobsOf(s.hub);
    const registry = registryOf(s.hub);
    clients = [];
    for (const deviceId of ['d1', 'd2', 'd3']) {
      await newDevice(s.hub, deviceId);
      const { responseBody } = await registry.addModule({ deviceId, moduleId: 'm' });
      if (deviceId === 'd3') continue;
      const client = moduleOf(s.hub, responseBody);
      await client.open();
      clients.push(client);
    }
  });
  after(() => Promise.all(clients.map((client) => client.close())));
  const condition = "FROM devices.modules WHERE moduleId = 'm'";

  it('change their twins', async () => {
    const patch = { etag: '*', tags: { by: 'job' }, properties: { desired: { x: 1 } } };
    await jobs.scheduleTwinUpdate('twins', condition, patch, new Date(), 300);
    const { deviceJobStatistics } = await jobIn(s.rest, 'twins', 'completed');
    assert.deepEqual([deviceJobStatistics.deviceCount, deviceJobStatistics.succeededCount], [3, 3]);
    assert.equal((await s.rest.get('/twins/d3/modules/m')).json.properties.desired.x, 1);
    assert.equal((await s.rest.get('/twins/d3')).json.tags, undefined);
  });
  it('call them, and wait for who is away', async () => {
    for (const client of clients) client.onMethod('m', (request, response) => response.send(200, { ok: true }, () => {}));
    const params = { methodName: 'm', payload: null, responseTimeoutInSeconds: 30 };
    await jobs.scheduleDeviceMethod('calls', condition, params, new Date(), 300);
    await until(async () => (await s.rest.get('/jobs/v2/calls')).json.deviceJobStatistics?.succeededCount === 2, 'two answers');
    const records = await recordsOf(s.rest, 'calls');
    assert.deepEqual(records.map((r) => [r.deviceId, r.moduleId, r.status]),
      [['d1', 'm', 'completed'], ['d2', 'm', 'completed'], ['d3', 'm', 'pending']]);
    assert.deepEqual(records[0].outcome, { deviceMethodResponse: { status: 200, payload: { ok: true } } });
    const one = await allRows(s.rest, "SELECT * FROM devices.jobs WHERE deviceId = 'd2' AND moduleId = 'm' AND jobId = 'calls'");
    assert.equal(one.length, 1);
    await s.rest.delete('/devices/d3');
    const { deviceJobStatistics } = await jobIn(s.rest, 'calls', 'completed');
    assert.equal(deviceJobStatistics.failedCount, 1);
  });
  it('run from the command line', async () => {
    const ids = path.join(s.hub.dir, '../ids.txt');
    fs.writeFileSync(ids, 'd1\nd2\nd9\n');
    const job = (...args) => muster(['job', ...args, '--data', s.hub.dir]);
    const list = await job('run', '--id', 'cli', '--tags', '{"cli":1}', '--targets-file', ids, '--module', 'm');
    assert.equal(list.code, 0, list.stderr);
    assert.match((await job('results', 'cli')).stdout, /d1\/m.*\n.*d2\/m/);
    const where = await job('run', '--id', 'cli2', '--tags', '{"cli":2}', '--where', "FROM devices.modules WHERE tags.cli = 1");
    assert.equal(where.code, 0, where.stderr);
    assert.equal((await s.rest.get('/twins/d2/modules/m')).json.tags.cli, 2);
  });
  it('have previews, and lists with a module of each device', async () => {
    const body = { type: 'scheduleUpdateTwin', updateTwin: { tags: { z: 1 } }, policy: { targets: { deviceIds: ['d1', 'd9'], moduleId: 'm' } } };
    const { json } = await s.rest.post('/jobs/v2/preview', body);
    assert.deepEqual([json.targets, json.fleet, json.devicesNotFound, json.sample], [1, 2, 1, ['d1/m']]);
    await s.rest.put('/jobs/v2/list', body);
    const job = await jobIn(s.rest, 'list', 'completed');
    assert.deepEqual(job.policy.targets, { deviceIds: 2, moduleId: 'm' });
    assert.equal((await s.rest.get('/twins/d1/modules/m')).json.tags.z, 1);
  });
});

withHub('a session of a module', (s) => {
  const host = () => s.hub.host;
  const scope = (path, key, more = {}) => ({ token: sas({ sr: `${host()}${path}`, key, ...more }) });
  let module, deviceKey;
  before(async () => {
    deviceKey = (await newDevice(s.hub, 'd')).key;
    await newDevice(s.hub, 'other');
    const { json } = await s.rest.put('/devices/d/modules/m', {});
    module = { deviceId: 'd', moduleId: 'm', key: json.authentication.symmetricKey.primaryKey };
  });

  it('opens with a token of its scope, of its device, or of a policy that may', async () => {
    const good = [
      scope('/devices/d/modules/m', module.key),
      scope('/devices/d', module.key), // the scope covers it; the signature is still the module's
      scope('/devices/d/modules/m', s.hub.policyKey('device'), { skn: 'device' }),
      scope('', s.hub.policyKey(), { skn: 'iothubowner' }),
    ];
    for (const [i, options] of good.entries()) {
      const client = await RawMqtt.open(s.hub);
      assert.equal((await client.hello(module, { ...options, clean: true })).code, 0, `token ${i}`);
      await client.bye();
    }
  });
  it('does not open with any other', async () => {
    const bad = [
      scope('/devices/d/modules/m', deviceKey),
      scope('/devices/d', deviceKey),
      scope('/devices/d/modules/other', module.key),
      scope('/devices/other/modules/m', module.key),
      scope('/devices/d/modules/m', s.hub.policyKey('service'), { skn: 'service' }),
      { clientId: 'd' },
      { clientId: 'd/other' },
      { username: `${host()}/d/none/?api-version=2021-04-12`, clientId: 'd/none' },
    ];
    for (const [i, options] of bad.entries()) {
      const client = await RawMqtt.open(s.hub);
      const ack = await client.hello(module, { ...options, clean: true });
      assert.notEqual(ack && ack.code, 0, `token ${i}`);
    }
    const client = await RawMqtt.open(s.hub);
    const ack = await client.hello({ deviceId: 'd', key: module.key }, { clean: true });
    assert.notEqual(ack && ack.code, 0, 'nor does its key open its device');
  });
  it('has a connection string that muster prints', async () => {
    const of = (...args) => muster(['connection-string', '--data', s.hub.dir, ...args]);
    const { code, stdout } = await of('--device', 'd', '--module', 'm');
    assert.deepEqual([code, stdout], [0, `HostName=${host()};DeviceId=d;ModuleId=m;SharedAccessKey=${module.key}\n`]);
    assert.match((await of('--device', 'd', '--module', 'none')).stderr, /there is no module 'none' on device 'd'/);
    assert.equal((await of('--module', 'm')).code, 2, 'a module of which device?');
  });
  it('says whose events they are', async () => {
    const client = await RawMqtt.connect(s.hub, module, { clean: true });
    await client.publish('devices/d/modules/m/messages/events/%24.on=out1&p=v', 'hello', { qos: 1 });
    const { events } = (await s.rest.get('/events')).json;
    assert.equal(events.length, 1);
    const [event] = events;
    assert.deepEqual([event.deviceId, event.moduleId, atob(event.bodyBase64)], ['d', 'm', 'hello']);
    assert.equal(event.systemProperties['iothub-outputname'] ?? event.properties['iothub-outputname'], 'out1');
    assert.equal(event.systemProperties['iothub-connection-device-id'], 'd');
    assert.equal(event.systemProperties['iothub-connection-module-id'], 'm');
    assert.equal(JSON.parse(event.systemProperties['iothub-connection-auth-method']).scope, 'module');
    await client.bye();
  });
  it('ends on a topic of its device, or of another module', async () => {
    for (const topic of ['devices/d/messages/events/', 'devices/d/modules/n/messages/events/']) {
      const client = await RawMqtt.connect(s.hub, module, { clean: true });
      await client.publish(topic, 'x');
      await client.gone();
    }
  });
  it('is granted the filters that SDKs send', async () => {
    const client = await RawMqtt.connect(s.hub, module, { clean: true });
    const filters = ['devices/d/modules/m/inputs/#', 'devices/d/modules/m/#', 'devices/d/modules/m/messages/devicebound/#',
      '$iothub/methods/POST/#', '$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#'];
    assert.ok((await client.subscribe(...filters)).every((granted) => granted < 2));
    assert.deepEqual(await client.subscribe('devices/d/messages/devicebound/#'), [0x80], "not its device's");
    await client.bye();
  });
  it('is one per module, beside its device', async () => {
    const device = await RawMqtt.connect(s.hub, { deviceId: 'd', key: deviceKey }, { clean: true });
    const first = await RawMqtt.connect(s.hub, module, { clean: true });
    const second = await RawMqtt.connect(s.hub, module, { clean: true });
    await first.gone();
    assert.ok(await device.ping());
    assert.ok(await second.ping());
    await s.rest.put('/devices/d', { status: 'disabled' }, { headers: { 'If-Match': '*' } });
    await Promise.all([device.gone(), second.gone()]);
    assert.equal((await (await RawMqtt.open(s.hub)).hello(module)).code, 5, 'the module of a disabled device');
    await s.rest.put('/devices/d', { status: 'enabled' }, { headers: { 'If-Match': '*' } });
  });
  it('is kept while it is away', async () => {
    const client = await RawMqtt.connect(s.hub, module, { clean: false });
    await client.subscribe('$iothub/twin/PATCH/properties/desired/#');
    await client.bye();
    const again = await RawMqtt.connect(s.hub, module, { clean: false });
    assert.equal(again.present, 1);
    await s.rest.patch('/twins/d/modules/m', { properties: { desired: { y: 2 } } });
    assert.match((await again.message()).payload, /"y":2/);
    await s.rest.delete('/devices/d/modules/m');
    await again.gone();
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
  it('may come after their children in an import, and bring the scope that these know', async () => {
    const deviceScope = 'ms-azure-iot-edge://late-638500000000000000';
    const answer = await s.rest.post('/devices', [{ id: 'early', deviceScope }, { id: 'late', ...edge, deviceScope }]);
    assert.deepEqual(answer.json.errors, []);
    assert.equal((await s.rest.get('/devices/late')).json.deviceScope, deviceScope);
    const wrong = await s.rest.post('/devices', [{ id: 'x', deviceScope: 'ms-azure-iot-edge://late-1' }]);
    assert.equal(wrong.json.errors[0].errorCode, 'InvalidDeviceScope', 'a parent that is there has another scope');
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
      assert.equal((await s.rest.get('/statistics/service')).json.connectedDeviceCount, 0, 'a module is no device');
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
      client.setRetryPolicy(new NoRetry()); // the SDK would try for four minutes, and hold up the end
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
