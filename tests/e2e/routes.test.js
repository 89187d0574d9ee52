// Message routes: what goes into the event log. docs/spec/query-language.md 8, device-auth.md 7.2, 7.3.
'use strict';
const assert = require('node:assert/strict');
const { Message } = require('azure-iot-device');
const { it } = require('node:test');
const { muster } = require('./lib/hub');
const { newDevice, openClient, openTwin } = require('./lib/sdk');
const { watchEvents } = require('./lib/stream');
const { assertFault, withHub } = require('./lib/suite');

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/;

// A reader of the log that begins now: take(n) gives the next n events.
async function listen(rest) {
  const stream = await watchEvents(rest, { query: `position=${(await rest.get('/events?limit=1000')).json.position}` });
  return {
    async take(count) {
      const events = [];
      while (events.length < count) events.push((await stream.next()).data);
      return events;
    },
    close: () => stream.close(),
  };
}
const stored = async (rest) => (await rest.get('/events?limit=1000')).json.events;
const sources = (events) => events.map((event) => event.systemProperties['iothub-message-source']);
const route = (source, condition = 'true', more = {}) => ({ source, condition, endpointNames: ['events'], isEnabled: true, ...more });

withHub('message routes', (s) => {
  const put = async (name, body) => {
    const answer = await s.rest.put(`/routes/${encodeURIComponent(name)}`, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const remove = async (name) => assert.equal((await s.rest.delete(`/routes/${name}`)).status, 204);
  const send = (device, body, properties = {}, more = {}) => {
    const message = Object.assign(new Message(body), more);
    for (const [key, value] of Object.entries(properties)) message.properties.add(key, value);
    return device.sendEvent(message);
  };

  it('a new hub has the fallback route, and tells nothing of itself', async () => {
    assert.deepEqual((await s.rest.get('/routes')).json, [
      { name: '$fallback', source: 'DeviceMessages', condition: 'true', endpointNames: ['events'], isEnabled: true }]);
    const device = await openClient(s.hub, await newDevice(s.hub, 'quiet'));
    await send(device, '1');
    await s.rest.patch('/twins/quiet', { tags: { a: 1 } });
    await device.close();
    await s.rest.delete('/devices/quiet');
    assert.deepEqual(sources(await stored(s.rest)), ['Telemetry']);
  });

  it('routes come, are shown, change, go, and survive a restart', async () => {
    const made = await put('a.b-c_1', route('TwinChangeEvents', "opType = 'updateTwin'", { isEnabled: false }));
    assert.deepEqual(made, { name: 'a.b-c_1', source: 'TwinChangeEvents', condition: "opType = 'updateTwin'", endpointNames: ['events'], isEnabled: false });
    assert.deepEqual((await s.rest.get('/routes/A.B-C_1')).json, made, 'names in any case');
    await put('a.b-c_1', { source: 'devicelifecycleevents' });
    await s.hub.kill9();
    await s.hub.start();
    assert.deepEqual((await s.rest.get('/routes/a.b-c_1')).json, { name: 'a.b-c_1', source: 'DeviceLifecycleEvents', condition: 'true', endpointNames: ['events'], isEnabled: true });
    await remove('a.b-c_1');
    assertFault(await s.rest.get('/routes/a.b-c_1'), 404, 'GenericNotFound');
    assertFault(await s.rest.delete('/routes/a.b-c_1'), 404, 'GenericNotFound');
  });
  for (const [what, name, body, fault, text] of [
    ['an unknown source', 'r', { source: 'Mqtt' }, 'InvalidSourceOnRoute', /TwinChangeEvents/],
    ['a condition that does not compile', 'r', route('DeviceMessages', 'count > 3'), 'ArgumentInvalid', /line 1, column 1.*as_number/],
    ['another endpoint', 'r', route('DeviceMessages', 'true', { endpointNames: ['x'] }), 'ArgumentInvalid', /only endpoint/],
    ['a name with blanks', 'a b', route('DeviceMessages'), 'ArgumentInvalid', /name/],
    ['a name that is kept', 'events', route('DeviceMessages'), 'ArgumentInvalid', /name/],
    ['a fallback with a condition', '$fallback', { condition: '1 = 1' }, 'ArgumentInvalid', /condition/],
    ['twin_change_includes of telemetry', 'r', route('DeviceMessages', 'twin_change_includes(tags.a)'), 'ArgumentInvalid', /TwinChangeEvents/],
  ]) {
    it(`refuses ${what}`, async () => assertFault(await s.rest.put(`/routes/${encodeURIComponent(name)}`, body), 400, fault, text));
  }
  it('is for owners', async () => {
    assertFault(await s.rest.get('/routes', { auth: null }), 401, 'IotHubUnauthorizedAccess');
    const { Rest } = require('./lib/http');
    const service = new Rest(s.hub, 'service');
    assertFault(await service.put('/routes/r', route('DeviceMessages')), 401, 'IotHubUnauthorizedAccess');
    service.close();
  });

  it('without the fallback, only messages that a route asks for: by properties, body and twin', async () => {
    await put('$fallback', { isEnabled: false });
    await put('critical', route('DeviceMessages', "level = 'critical'"));
    await put('hot', route('DeviceMessages', '$body.t > 30'));
    await put('tagged', route('DeviceMessages', "$twin.tags.site = 'north' AND $connectionDeviceId = 'r1'"));
    const json = { contentType: 'application/json', contentEncoding: 'utf-8' };
    const device = await openClient(s.hub, await newDevice(s.hub, 'r1'));
    const log = await listen(s.rest);
    await send(device, '"dropped, and acknowledged"');
    await send(device, '1', { level: 'critical' });
    await send(device, '{"t":31}'); // not said to be JSON
    await send(device, '{"t":32}', {}, json);
    await send(device, '{"t":33}', { level: 'critical' }, json); // asked for twice, stored once
    await s.rest.patch('/twins/r1', { tags: { site: 'north' } });
    await send(device, '4');
    await put('$fallback', { isEnabled: true });
    await send(device, '5');
    assert.deepEqual((await log.take(5)).map((event) => event.body), [1, { t: 32 }, { t: 33 }, 4, 5]);
    assert.match((await s.rest.get('/metrics')).text, /^muster_events_unrouted_total 2$/m);
    log.close();
    await device.close();
    for (const name of ['critical', 'hot', 'tagged']) await remove(name);
    assertFault(await s.rest.delete('/routes/$fallback'), 400, 'InvalidOperation', /disabled, not removed/);
  });

  it('twin changes: what was written, by whom ever, with its version and metadata', async () => {
    await put('twins', route('TwinChangeEvents'));
    const identity = await newDevice(s.hub, 't1');
    const device = await openClient(s.hub, identity);
    const { report } = await openTwin(device);
    const log = await listen(s.rest);
    await s.rest.patch('/twins/t1', { tags: { site: 'n', gone: null }, properties: { desired: { fan: { speed: 3 } } } });
    await report({ fw: '2.0', net: { ip: '::1' } });
    await s.rest.put('/twins/t1', { tags: { only: 1 }, properties: { desired: { led: true } } });
    const [patch, reported, replaced] = await log.take(3);
    const { operationTimestamp, ...properties } = patch.properties;
    assert.match(operationTimestamp, TIME);
    assert.deepEqual(properties, { hubName: 'myhub', deviceId: 't1', 'iothub-message-schema': 'twinChangeNotification', opType: 'updateTwin' });
    assert.equal(patch.deviceId, 't1');
    const { 'iothub-enqueuedtime': enqueued, ...system } = patch.systemProperties;
    assert.deepEqual(system, { 'content-type': 'application/json', 'content-encoding': 'utf-8', 'iothub-message-source': 'twinChangeEvents', 'iothub-connection-device-id': 't1' });
    const twin = (await s.rest.get('/twins/t1')).json;
    const at = patch.body.properties.desired.$metadata.$lastUpdated;
    const stamp = { $lastUpdated: at, $lastUpdatedVersion: 2 };
    const version = twin.version - 1; // as it was before the replacement
    assert.deepEqual(patch.body, { version, tags: { site: 'n', gone: null },
      properties: { desired: { fan: { speed: 3 }, $metadata: { ...stamp, fan: { ...stamp, speed: stamp } }, $version: 2 } } });
    const when = { $lastUpdated: reported.body.properties.reported.$metadata.$lastUpdated };
    assert.deepEqual(reported.body, { version,
      properties: { reported: { fw: '2.0', net: { ip: '::1' }, $metadata: { ...when, fw: when, net: { ...when, ip: when } }, $version: 2 } } });
    assert.deepEqual(reported.body.properties.reported.$metadata, twin.properties.reported.$metadata);
    assert.equal(replaced.properties.opType, 'replaceTwin');
    assert.deepEqual(replaced.body, { version: twin.version, tags: { only: 1 }, properties: { desired: twin.properties.desired } });
    await put('twins', route('TwinChangeEvents', 'twin_change_includes(properties.reported.fw)'));
    await report({ other: 1 });
    await report({ fw: '2.1' });
    assert.equal((await log.take(1))[0].body.properties.reported.fw, '2.1');
    log.close();
    await device.close();
    await remove('twins');
  });

  it('twin changes of configurations and deployments, each once, also what they take away', async () => {
    await newDevice(s.hub, 'cfg1');
    await newDevice(s.hub, 'cfg2', { capabilities: { iotEdge: true } });
    const content = { deviceContent: { 'properties.desired.fan': { rpm: 3 } } };
    const manifest = { modulesContent: { $edgeAgent: { 'properties.desired': { modules: { m: { image: 'x' } } } }, m: { 'properties.desired.rate': 5 } } };
    const configuration = (id, more) => s.rest.put(`/configurations/${id}`, { id, priority: 1, ...more });
    await put('twins', route('TwinChangeEvents'));
    await put('life', route('DeviceLifecycleEvents'));
    const log = await listen(s.rest);
    await configuration('fans', { content, targetCondition: "deviceId = 'cfg1'" });
    const [set] = await log.take(1);
    assert.equal(set.properties.opType, 'updateTwin');
    const { properties: { desired }, version } = (await s.rest.get('/twins/cfg1')).json;
    assert.deepEqual(set.body, { version, properties: { desired } });
    assert.equal(set.body.properties.desired.$metadata.fan.rpm.$lastUpdatedBy, 'fans');
    await s.rest.delete('/configurations/fans');
    const [gone] = await log.take(1);
    assert.deepEqual([gone.deviceId, gone.body.properties.desired.fan, gone.body.properties.desired.$version], ['cfg1', null, 3]);

    await configuration('edge', { content: manifest, targetCondition: "deviceId = 'cfg2'" });
    const told = await log.take(3); // modules are spread over partitions: their order is not that of the writes
    const of = (op, module) => told.find((event) => event.properties.opType === op && event.properties.moduleId === module);
    assert.ok(of('createModuleIdentity', 'm'));
    assert.deepEqual(of('updateTwin', '$edgeAgent').body.properties.desired.modules, { m: { image: 'x' } });
    assert.equal(of('updateTwin', 'm').body.properties.desired.rate, 5);
    log.close();
    for (const name of ['twins', 'life']) await remove(name);
    await s.rest.delete('/configurations/edge');
  });

  it('twin changes of a job', async () => {
    await put('twins', route('TwinChangeEvents'));
    const log = await listen(s.rest);
    const job = { type: 'scheduleUpdateTwin', queryCondition: "deviceId IN ['t1', 'r1']", updateTwin: { tags: { byJob: 1 } } };
    assert.equal((await s.rest.put('/jobs/v2/told', job)).status, 200);
    const events = await log.take(2);
    assert.deepEqual(events.map((event) => event.deviceId).sort(), ['r1', 't1']);
    assert.deepEqual(events.map((event) => event.body.tags), [{ byJob: 1 }, { byJob: 1 }]);
    log.close();
    await remove('twins');
  });

  it('life of devices, one by one and in bulk: the body is the twin', async () => {
    await put('life', route('DeviceLifecycleEvents'));
    const log = await listen(s.rest);
    await newDevice(s.hub, 'l1');
    const [made] = await log.take(1);
    assert.deepEqual([made.properties.opType, made.properties['iothub-message-schema']], ['createDeviceIdentity', 'deviceLifecycleNotification']);
    assert.equal(made.systemProperties['iothub-message-source'], 'deviceLifecycleEvents');
    const twin = (await s.rest.get('/twins/l1')).json;
    assert.deepEqual(made.body, twin);
    await s.rest.patch('/twins/l1', { tags: { last: 'words' } });
    await s.rest.delete('/devices/l1');
    const [gone] = await log.take(1);
    assert.deepEqual([gone.properties.opType, gone.body.deviceId, gone.body.tags], ['deleteDeviceIdentity', 'l1', { last: 'words' }]);
    await s.rest.post('/devices', [{ id: 'l2', importMode: 'create', tags: { bulk: 1 } }, { id: 'l3', importMode: 'create' }]);
    const bulk = await log.take(2);
    assert.deepEqual(bulk.map((event) => [event.deviceId, event.properties.opType, event.body.tags]).sort(), [['l2', 'createDeviceIdentity', { bulk: 1 }], ['l3', 'createDeviceIdentity', undefined]]);
    await s.rest.put('/devices/l3/modules/m', {});
    await s.rest.delete('/devices/l3');
    const family = await log.take(3);
    assert.deepEqual(family.map((event) => [event.properties.opType, event.properties.moduleId]).sort(),
      [['createModuleIdentity', 'm'], ['deleteDeviceIdentity', undefined], ['deleteModuleIdentity', 'm']]);
    assert.ok(family.every((event) => event.properties['iothub-message-schema'] === 'deviceLifecycleNotification'));
    log.close();
    await remove('life');
  });

  it('connections: coming, going, being deleted; not being replaced', async () => {
    const identity = await newDevice(s.hub, 'c1');
    await put('connections', route('DeviceConnectionStateEvents'));
    const log = await listen(s.rest);
    const first = await openClient(s.hub, identity);
    const [came] = await log.take(1);
    assert.equal(came.systemProperties['iothub-message-source'], 'deviceConnectionStateEvents');
    assert.deepEqual([came.properties.opType, came.properties['iothub-message-schema'], came.properties.deviceId], ['deviceConnected', 'deviceConnectionStateNotification', 'c1']);
    assert.match(came.body.sequenceNumber, /^[0-9A-F]{64}$/);
    assert.equal((await s.rest.get('/twins/c1')).json.connectionState, 'Connected');
    await first.close();
    const [went] = await log.take(1);
    assert.equal(went.properties.opType, 'deviceDisconnected');
    assert.ok(went.body.sequenceNumber > came.body.sequenceNumber, 'grows, as text');
    const second = await openClient(s.hub, identity);
    const third = await openClient(s.hub, identity); // takes over
    await s.rest.delete('/devices/c1');
    assert.deepEqual((await log.take(2)).map((event) => event.properties.opType), ['deviceConnected', 'deviceDisconnected']);
    await Promise.allSettled([second.close(), third.close()]);
    log.close();
    await remove('connections');
  });

  it('jobs: each change of a state', async () => {
    await put('jobs', route('DeviceJobLifecycleEvents'));
    const log = await listen(s.rest);
    await s.rest.put('/jobs/v2/watched', { type: 'scheduleUpdateTwin', queryCondition: "deviceId = 'nobody'", updateTwin: { tags: { a: 1 } } });
    const events = await log.take(3);
    assert.deepEqual(events.map((event) => event.properties.opType), ['created', 'running', 'completed']);
    assert.equal(events[0].body.jobId, 'watched');
    log.close();
    await remove('jobs');
  });

  it('nothing is lost by kill -9, and nothing comes out of order', async () => {
    await put('twins', route('TwinChangeEvents'));
    await newDevice(s.hub, 'k1');
    const { position } = (await s.rest.get('/events?limit=1000')).json;
    let answered = 0;
    const write = async () => {
      for (;;) {
        const answer = await s.rest.patch('/twins/k1', { tags: { n: answered + 1 } }).catch(() => ({ status: 0 }));
        if (answer.status !== 200) return;
        answered++;
      }
    };
    for (let round = 0; round < 3; round++) {
      const until = answered + 30;
      const writing = write();
      while (answered < until) await new Promise(setImmediate);
      await s.hub.kill9();
      await writing;
      await s.hub.start();
      answered = (await s.rest.get('/twins/k1')).json.tags.n; // the last one may be on disk unanswered
    }
    const seen = [];
    let at = position;
    while (!seen.includes(answered)) {
      const page = (await s.rest.get(`/events?position=${at}&device=k1&limit=1000&wait=60`)).json;
      seen.push(...page.events.map((event) => event.body.tags.n));
      at = page.position;
    }
    const first = seen.filter((n, i) => seen.indexOf(n) === i);
    assert.deepEqual(first, Array.from({ length: answered }, (_, i) => i + 1), 'each, and in order');
    await remove('twins');
  });

  it('muster route: list, add, show, disable, enable, test, remove', async () => {
    const run = async (code, ...args) => {
      const end = await muster(['route', args[0], '--data', s.hub.dir, ...args.slice(1)]);
      assert.equal(end.code, code, end.stderr);
      return end.stdout.trimEnd();
    };
    assert.match(await run(0, 'list'), /^\$fallback +DeviceMessages +on +true$/);
    assert.match(await run(0, 'add', 'hot', '--source', 'DeviceMessages', '--condition', '$body.t > 30'), /^hot +DeviceMessages +on +\$body\.t > 30$/);
    assert.match(await run(0, 'disable', 'hot'), / off /);
    assert.match(await run(0, 'enable', 'hot'), / on /);
    assert.equal(JSON.parse(await run(0, 'show', 'hot', '--json')).condition, '$body.t > 30');
    assert.equal(await run(0, 'test', 'hot', '--body', '{"t":31}'), 'true');
    assert.equal(await run(1, 'test', 'hot', '--body', '{"t":29}'), 'false');
    assert.equal(await run(1, 'test', 'hot', '--body', '{"t":31}', '--system', 'contentType=text/plain'), 'undefined');
    assert.equal(await run(0, 'test', '--condition', "a = 'b' AND $twin.tags.x = 1", '--property', 'a=b', '--twin', '{"tags":{"x":1}}'), 'true');
    assert.match(await run(1, 'test', '--condition', 'a > 1'), /as_number/);
    assert.equal(await run(0, 'remove', 'hot'), '');
    assert.match(await run(0, 'disable', '$fallback'), /^\$fallback .* off /);
    await run(0, 'enable', '$fallback');
    assert.equal((await muster(['route', 'add', 'x', '--data', s.hub.dir])).code, 2);
  });
});

withHub('a hub that is as strict as Azure', (s) => {
  it('has no such pages', async () => {
    assertFault(await s.rest.get('/routes'), 404, 'GenericNotFound');
    assertFault(await s.rest.get('/events'), 404, 'GenericNotFound');
  });
}, { args: ['--strict-azure'] });
