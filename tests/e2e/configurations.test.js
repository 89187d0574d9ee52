// Automatic device management: docs/spec/service-rest.md 14, docs/compatibility.md.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { moduleOf, newDevice, openClient, openTwin, registryOf } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

const BODY = (id, more) => ({ id, schemaVersion: '1.0', content: { deviceContent: { [`properties.desired.${id}`]: { rpm: 1 } } }, ...more });

withHub('configurations with the Node SDK', (s) => {
  let registry;
  before(() => (registry = registryOf(s.hub)));
  const twin = async (id) => (await s.rest.get(`/twins/${id}`)).json;
  const tag = (id, tags) => s.rest.patch(`/twins/${id}`, { tags });
  const has = (id, configuration, status = 'Applied') =>
    until(async () => (await twin(id)).configurations?.[configuration]?.status === status, `${configuration} on ${id}`);

  it('add, get, list, update, remove', async () => {
    const { responseBody: made } = await registry.addConfiguration(BODY('c1', { targetCondition: "tags.site = 'north'", priority: 10, labels: { app: 'x' } }));
    assert.equal(made.etag, 'MQ==');
    assert.deepEqual(made.systemMetrics.results, { targetedCount: 0, appliedCount: 0 });
    const { responseBody: got, httpResponse } = await registry.getConfiguration('c1');
    assert.equal(httpResponse.headers.etag, '"MQ=="');
    assert.deepEqual(Object.keys(got), ['id', 'schemaVersion', 'labels', 'content', 'targetCondition', 'createdTimeUtc',
      'lastUpdatedTimeUtc', 'priority', 'systemMetrics', 'metrics', 'etag']);
    assert.deepEqual(got.content, BODY('c1').content);
    const { responseBody: next } = await registry.updateConfiguration({ ...got, priority: 11 });
    assert.equal(next.etag, 'Mg==');
    await assert.rejects(registry.updateConfiguration({ ...got, priority: 12 }), { name: 'InvalidEtagError' });
    assert.equal((await registry.updateConfiguration({ ...got, priority: 13 }, true)).responseBody.priority, 13);
    await assert.rejects(registry.addConfiguration(BODY('c1')), { name: 'DeviceAlreadyExistsError' });
    assert.deepEqual((await registry.getConfigurations()).responseBody.map(({ id }) => id), ['c1']);
    await registry.removeConfiguration('c1');
    await assert.rejects(registry.getConfiguration('c1'), (error) => error.response.statusCode === 404);
    assert.deepEqual((await registry.getConfigurations()).responseBody, []);
  });

  it('a connected device hears of it; who comes to match later is configured, who stops is cleared', async () => {
    const client = await openClient(s.hub, await newDevice(s.hub, 'fan'));
    const { desired } = await openTwin(client);
    await desired.next(); // the whole section, by the SDK
    await registry.addConfiguration(BODY('fan1', { targetCondition: "tags.site = 'north'", priority: 5 }));
    await tag('fan', { site: 'north' });
    assert.deepEqual((await desired.next()).fan1, { rpm: 1 });
    const { properties } = await twin('fan');
    assert.equal(properties.desired.$metadata.fan1.rpm.$lastUpdatedBy, 'fan1');
    assert.ok(properties.desired.$metadata.fan1.rpm.$lastUpdatedByDigest);
    await tag('fan', { site: 'south' });
    assert.equal((await desired.next()).fan1, null);
    assert.equal((await twin('fan')).configurations, undefined);
    await client.close();
    await registry.removeConfiguration('fan1');
  });

  it('metrics count rows, and configurations can be asked for in queries', async () => {
    for (const id of ['m1', 'm2', 'm3']) await newDevice(s.hub, id);
    await s.rest.patch('/twins/m1', { tags: { kind: 'm' } });
    await s.rest.patch('/twins/m2', { tags: { kind: 'm' } });
    await registry.addConfiguration(BODY('metrics', {
      targetCondition: "tags.kind = 'm'", priority: 1,
      metrics: { queries: { applied: "SELECT deviceId FROM devices WHERE configurations.[[metrics]].status = 'Applied'",
        sites: 'SELECT tags.kind, COUNT() AS n FROM devices GROUP BY tags.kind' } },
    }));
    await has('m1', 'metrics');
    const got = await until(async () => {
      const { responseBody } = await registry.getConfiguration('metrics');
      return responseBody.systemMetrics.results.appliedCount === 2 && responseBody;
    }, 'both are configured');
    assert.deepEqual(got.systemMetrics.results, { targetedCount: 2, appliedCount: 2 });
    assert.equal(got.metrics.results.applied, 2);
    assert.ok(got.metrics.results.sites >= 2, 'each group is a row');
    assert.equal((await registry.getConfigurations()).responseBody[0].metrics.results.applied, 2);
    const { json } = await s.rest.query(got.systemMetrics.queries.appliedCount);
    assert.deepEqual(json.map(({ deviceId }) => deviceId).sort(), ['m1', 'm2']);
    const { json: whole } = await s.rest.query("SELECT * FROM devices WHERE deviceId = 'm1'");
    assert.deepEqual(whole[0].configurations, { metrics: { status: 'Applied' } });
    await registry.removeConfiguration('metrics');
    await until(async () => !(await twin('m1')).properties.desired.metrics, 'its settings go with it');
  });

  it('a module has its own', async () => {
    await newDevice(s.hub, 'holder');
    await registry.addModule({ deviceId: 'holder', moduleId: 'mod' });
    const client = moduleOf(s.hub, (await registry.getModule('holder', 'mod')).responseBody);
    await client.open();
    const { desired } = await openTwin(client);
    await desired.next();
    await registry.addConfiguration({ id: 'modules', content: { moduleContent: { 'properties.desired.x': 5 } },
      targetCondition: "FROM devices.modules WHERE moduleId = 'mod'", priority: 1 });
    assert.equal((await desired.next()).x, 5);
    await client.close();
    await registry.removeConfiguration('modules');
  });

  it('content is applied once to a device', async () => {
    await newDevice(s.hub, 'once');
    await registry.applyConfigurationContentOnDevice('once', { deviceContent: { 'properties.desired.a.b': 1 } });
    const { properties } = await twin('once');
    assert.deepEqual(properties.desired.a, { b: 1 });
    assert.equal(properties.desired.$metadata.a.$lastUpdatedBy, undefined);
    assertFault(await s.rest.post('/devices/nobody/applyConfigurationContent', { deviceContent: {} }), 404, 'DeviceNotFound');
    assertFault(await s.rest.post('/devices/once/applyConfigurationContent', { modulesContent: { $edgeAgent: { 'properties.desired': {} } } }), 400,
      'InvalidConfigurationContent', /IoT Edge/);
  });

  const manifest = (image) => ({ modulesContent: {
    $edgeAgent: { 'properties.desired': { schemaVersion: '1.1', runtime: { type: 'docker', settings: {} },
      systemModules: { edgeAgent: { type: 'docker', settings: { image: 'agent' } }, edgeHub: { type: 'docker', status: 'running', restartPolicy: 'always', settings: { image: 'hub' } } },
      modules: { sensor: { version: '1.0', type: 'docker', status: 'running', restartPolicy: 'always', settings: { image, createOptions: '{}' } } } } },
    $edgeHub: { 'properties.desired': { schemaVersion: '1.1', routes: { up: 'FROM /messages/* INTO $upstream' }, storeAndForwardConfiguration: { timeToLiveSecs: 7200 } } },
    sensor: { 'properties.desired': { rate: 5 } } } });
  const moduleTwin = async (device, module) => (await s.rest.get(`/twins/${device}/modules/${encodeURIComponent(module)}`)).json;

  it('content for the modules of an edge device is applied once', async () => {
    await newDevice(s.hub, 'edge-once', { capabilities: { iotEdge: true } });
    await registry.applyConfigurationContentOnDevice('edge-once', manifest('a'));
    const agent = await moduleTwin('edge-once', '$edgeAgent');
    assert.equal(agent.properties.desired.modules.sensor.settings.image, 'a');
    assert.equal(agent.properties.desired.$metadata.modules.$lastUpdatedBy, undefined);
    assert.equal((await registry.getModule('edge-once', 'sensor')).responseBody.managedBy, 'IotEdge');
    assert.equal((await moduleTwin('edge-once', 'sensor')).properties.desired.rate, 5);
    await s.rest.patch('/twins/edge-once/modules/sensor', { properties: { desired: { more: 1 } } });
    await registry.applyConfigurationContentOnDevice('edge-once', manifest('b'));
    assert.equal((await moduleTwin('edge-once', 'sensor')).properties.desired.more, undefined, 'it is all of the twin');
  });

  it('a deployment, its layer, and what the agent says of it', async () => {
    await newDevice(s.hub, 'edge-1', { capabilities: { iotEdge: true } });
    await s.rest.patch('/twins/edge-1', { tags: { site: 'edge' } });
    const { responseBody: { etag } } = await registry.addConfiguration({ id: 'base', content: manifest('v1'), targetCondition: "tags.site = 'edge'", priority: 1 });
    await registry.addConfiguration({ id: 'layer', content: { modulesContent: { $edgeAgent: { 'properties.desired.modules.extra': { type: 'docker', settings: { image: 'e' } } } } }, targetCondition: "tags.site = 'edge'", priority: 2 });
    await has('edge-1', 'base');
    await has('edge-1', 'layer');
    const { configurations, properties: { desired } } = await moduleTwin('edge-1', '$edgeAgent');
    assert.deepEqual(configurations, { base: { status: 'Applied' }, layer: { status: 'Applied' } });
    assert.deepEqual(Object.keys(desired.modules).sort(), ['extra', 'sensor']);
    assert.equal(desired.$metadata.modules.extra.settings.image.$lastUpdatedBy, 'layer');
    const { responseBody: modules } = await registry.getModulesOnDevice('edge-1');
    assert.deepEqual(modules.map(({ moduleId }) => moduleId).sort(), ['$edgeAgent', '$edgeHub', 'extra', 'sensor']);

    const agent = moduleOf(s.hub, (await registry.getModule('edge-1', '$edgeAgent')).responseBody);
    await agent.open();
    const { report } = await openTwin(agent);
    const told = (code) => report({ lastDesiredVersion: desired.$version, lastDesiredStatus: { code, description: '' } });
    const results = async () => (await registry.getConfiguration('base')).responseBody.systemMetrics.results;
    assert.deepEqual(await results(), { targetedCount: 1, appliedCount: 1, reportedSuccessfulCount: 0, reportedFailedCount: 0 });
    await told(200);
    assert.deepEqual(await results(), { targetedCount: 1, appliedCount: 1, reportedSuccessfulCount: 1, reportedFailedCount: 0 });
    await told(400);
    assert.deepEqual(await results(), { targetedCount: 1, appliedCount: 1, reportedSuccessfulCount: 0, reportedFailedCount: 1 });
    const { systemMetrics: { queries } } = (await registry.getConfiguration('base')).responseBody;
    for (const name of ['targetedCount', 'appliedCount', 'reportedFailedCount'])
      assert.deepEqual((await s.rest.query(queries[name])).json, [{ deviceId: 'edge-1' }], name);

    await registry.addConfiguration({ id: 'next', content: manifest('v2'), targetCondition: "tags.site = 'edge'", priority: 5 });
    await has('edge-1', 'next');
    assert.equal((await twin('edge-1')).configurations.base.status, 'Targeted');
    assert.deepEqual((await moduleTwin('edge-1', '$edgeAgent')).properties.desired.modules.sensor.settings.image, 'v2');
    for (const id of ['next', 'layer', 'base']) await registry.removeConfiguration(id);
    await until(async () => !(await twin('edge-1')).configurations, 'none is left');
    assert.ok((await moduleTwin('edge-1', '$edgeAgent')).properties.desired.modules.sensor, 'what runs goes on');
    await agent.close();
    assert.equal(etag, 'MQ==');
  });

  it('queries can be tried before', async () => {
    const { status, json } = await s.rest.post('/configurations/testQueries',
      { targetCondition: 'tags.x =', customMetricQueries: { good: 'SELECT * FROM devices', bad: 'SELECT' } });
    assert.equal(status, 200);
    assert.match(json.targetConditionError, /expected a value/);
    assert.deepEqual(Object.keys(json.customMetricQueryErrors), ['bad']);
    assert.deepEqual((await s.rest.post('/configurations/testQueries', { targetCondition: '*' })).json, { customMetricQueryErrors: {} });
  });

  it('says what is wrong', async () => {
    const put = (id, body, headers) => s.rest.put(`/configurations/${id}`, body, { headers });
    assertFault(await put('bad', BODY('bad', { targetCondition: 'tags.x =' })), 400, 'InvalidConfigurationTargetCondition', /column/);
    assertFault(await put('bad', BODY('bad', { metrics: { queries: { m: 'x' } } })), 400, 'InvalidConfigurationCustomMetricsQuery');
    assertFault(await put('bad', { id: 'bad', content: { deviceContent: { 'tags.x': 1 } } }), 400, 'InvalidConfigurationContent');
    assertFault(await put('Bad', BODY('Bad')), 400, 'ArgumentInvalid', /lower-case/);
    assertFault(await put('bad', BODY('bad'), { 'If-Match': '"*"' }), 404, 'ConfigurationNotFound');
    assertFault(await s.rest.delete('/configurations/bad'), 404, 'ConfigurationNotFound');
    assert.equal((await put('good', BODY('good'))).status, 200);
    assertFault(await put('good', BODY('good')), 409, 'ConfigurationAlreadyExists', /If-Match/);
    assertFault(await put('good', { content: { deviceContent: {} } }, { 'If-Match': '*' }), 400, 'CannotModifyImmutableConfigurationContent');
    assertFault(await put('good', {}, { 'If-Match': '"xx"' }), 412, 'PreconditionFailed');
    assertFault(await s.rest.delete('/configurations/good', { headers: { 'If-Match': '"xx"' } }), 412, 'PreconditionFailed');
    assert.equal((await s.rest.delete('/configurations/good')).status, 204);
  });

  it('no job tells of it', async () => {
    const { json } = await s.rest.get('/jobs/v2/query');
    assert.deepEqual(json, []);
  });

  it('a deployment goes on where a crash was: each module once, each twin written once', async () => {
    const devices = Array.from({ length: 400 }, (_, i) => ({ id: `y${i}`, importMode: 'create', capabilities: { iotEdge: true }, tags: { kind: 'y' } }));
    for (let i = 0; i < devices.length; i += 100) await s.rest.post('/devices', devices.slice(i, i + 100));
    await registry.addConfiguration({ id: 'edges', content: manifest('a'), targetCondition: "tags.kind = 'y'", priority: 1,
      metrics: { queries: {
        sensors: "SELECT moduleId FROM devices.modules WHERE STARTSWITH(deviceId, 'y') AND moduleId = 'sensor' AND properties.desired.$version = 2 AND properties.desired.rate = 5",
        agents: "SELECT moduleId FROM devices.modules WHERE STARTSWITH(deviceId, 'y') AND moduleId = '$edgeAgent' AND properties.desired.$version = 2",
        all: "SELECT moduleId FROM devices.modules WHERE STARTSWITH(deviceId, 'y')" } } });
    const count = async () => (await s.rest.get('/configurations/edges')).json.systemMetrics.results;
    await s.hub.kill9();
    await s.hub.start();
    await until(async () => (await count()).appliedCount === 400, 'all are deployed');
    const { metrics: { results } } = (await registry.getConfiguration('edges')).responseBody;
    assert.deepEqual(results, { sensors: 400, agents: 400, all: 1200 });
    await registry.removeConfiguration('edges');
  });

  it('goes on where a crash was', async () => {
    const devices = Array.from({ length: 2000 }, (_, i) => ({ id: `x${i}`, importMode: 'create', tags: { kind: 'x' } }));
    for (let i = 0; i < devices.length; i += 100) await s.rest.post('/devices', devices.slice(i, i + 100));
    await registry.addConfiguration(BODY('crash', { targetCondition: "tags.kind = 'x'", priority: 1 }));
    await s.hub.kill9();
    await s.hub.start();
    const count = async () => (await s.rest.get('/configurations/crash')).json.systemMetrics.results;
    await until(async () => (await count()).appliedCount === 2000, 'all are configured');
    const { json } = await s.rest.query("SELECT COUNT() AS n FROM devices WHERE tags.kind = 'x' AND properties.desired.$version = 2");
    assert.equal(json[0].n, 2000, 'each once');
    await s.rest.delete('/configurations/crash');
    await s.hub.kill9();
    await s.hub.start();
    await until(async () => (await s.rest.query('SELECT COUNT() AS n FROM devices WHERE IS_DEFINED(properties.desired.crash)')).json.length === 0
      || (await s.rest.query('SELECT COUNT() AS n FROM devices WHERE IS_DEFINED(properties.desired.crash)')).json[0].n === 0, 'all are cleared');
  });
});
