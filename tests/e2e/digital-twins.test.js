// Digital twins with the official client, and devices that announce a model. docs/spec/service-rest.md 16.
'use strict';
const assert = require('node:assert/strict');
const { DigitalTwinClient, IoTHubTokenCredentials } = require('azure-iothub');
const { Message } = require('azure-iot-device');
const { before, it } = require('node:test');
const { newDevice, onMethod, openClient, openTwin } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');

const MODEL = 'dtmi:com:example:TemperatureController;1';

withHub('digital twins', (s) => {
  let device, twin, client;
  const get = async (id = 'dt1') => {
    const answer = await s.rest.get(`/digitaltwins/${id}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const patch = (body, options) => s.rest.patch('/digitaltwins/dt1', body, options);
  const desired = async () => {
    const { $metadata, $version, ...values } = (await s.rest.get('/twins/dt1')).json.properties.desired;
    return values;
  };
  before(async () => {
    client = new DigitalTwinClient(new IoTHubTokenCredentials(s.hub.connectionString()));
    device = await openClient(s.hub, await newDevice(s.hub, 'dt1'), 'mqtt', { modelId: MODEL });
    twin = await openTwin(device);
  });

  it('a device announces its model: twins, queries and messages have it', async () => {
    assert.equal((await s.rest.get('/twins/dt1')).json.modelId, MODEL);
    const found = await s.rest.query(`SELECT deviceId FROM devices WHERE modelId = '${MODEL}'`);
    assert.deepEqual(found.json, [{ deviceId: 'dt1' }]);
    const message = new Message('{"temperature":21}');
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('$.sub', 'thermostat1');
    await device.sendEvent(message);
    const [event] = (await s.rest.get('/events?device=dt1&wait=60')).json.events;
    assert.deepEqual([event.systemProperties['dt-dataschema'], event.systemProperties['dt-subject']], [MODEL, 'thermostat1']);
  });
  it('connection state and last activity are true in twins and queries', async () => {
    const identity = await newDevice(s.hub, 'state');
    const state = async () => {
      const { json } = await s.rest.get('/twins/state');
      const [row] = (await s.rest.query("SELECT connectionState, lastActivityTime FROM devices WHERE deviceId = 'state'")).json;
      assert.deepEqual(row, { connectionState: json.connectionState, lastActivityTime: json.lastActivityTime });
      return row;
    };
    assert.deepEqual(await state(), { connectionState: 'Disconnected', lastActivityTime: '0001-01-01T00:00:00Z' });
    const other = await openClient(s.hub, identity);
    const came = await state();
    assert.equal(came.connectionState, 'Connected');
    assert.match(came.lastActivityTime, /^20/);
    await other.sendEvent(new Message('1'));
    const sent = await state();
    assert.ok(sent.lastActivityTime > came.lastActivityTime, `${sent.lastActivityTime} after ${came.lastActivityTime}`);
    await other.close();
    for (let now = await state(); now.connectionState !== 'Disconnected'; now = await state());
    assert.equal((await s.rest.get('/devices/state')).json.connectionState, 'Disconnected');
  });
  it('shows properties, writable ones with what the device said, and components', async () => {
    await s.rest.patch('/twins/dt1', { properties: { desired: { targetTemperature: 21, wantedOnly: 1 } } });
    await twin.report({
      serialNumber: 'a1', targetTemperature: { value: 20.5, ac: 200, av: 2, ad: 'ok' },
      thermostat1: { __t: 'c', maxTempSinceLastReboot: 30.1 },
    });
    const answer = await s.rest.get('/digitaltwins/dt1');
    assert.match(answer.headers.etag, /^W\/"[A-Za-z0-9+/=]+"$/);
    const { properties: { desired: { $metadata: wanted }, reported: { $metadata: told } } } = (await s.rest.get('/twins/dt1')).json;
    const at = told.serialNumber.$lastUpdated;
    assert.deepEqual(answer.json, {
      $dtId: 'dt1', serialNumber: 'a1', targetTemperature: 20.5,
      thermostat1: { maxTempSinceLastReboot: 30.1, $metadata: { maxTempSinceLastReboot: { lastUpdateTime: at } } },
      $metadata: {
        $model: MODEL, serialNumber: { lastUpdateTime: at },
        targetTemperature: { desiredValue: 21, desiredVersion: 2, ackVersion: 2, ackCode: 200, ackDescription: 'ok', lastUpdateTime: at },
        wantedOnly: { desiredValue: 1, desiredVersion: 2, lastUpdateTime: wanted.wantedOnly.$lastUpdated },
      },
    });
    const { body } = await new Promise((resolve, reject) => client.getDigitalTwin('dt1', (error, got) => (error ? reject(error) : resolve({ body: got }))));
    assert.equal(body.$dtId, 'dt1');
  });
  it('a device without a model has an empty one', async () => {
    await newDevice(s.hub, 'plain');
    assert.deepEqual(await get('plain'), { $dtId: 'plain', $metadata: { $model: '' } });
    assertFault(await s.rest.get('/digitaltwins/nobody'), 404, 'DeviceNotFound');
  });

  it('the client changes it, and the device hears', async () => {
    await client.updateDigitalTwin('dt1', [{ op: 'add', path: '/targetTemperature', value: 25 }]);
    for (let delta = await twin.desired.next(); delta.targetTemperature !== 25; delta = await twin.desired.next());
    const { etag } = (await s.rest.get('/digitaltwins/dt1')).headers;
    const answer = await patch([{ op: 'remove', path: '/wantedOnly' }], { headers: { 'If-Match': etag } });
    assert.equal(answer.status, 202);
    assert.equal(answer.text, '');
    assert.match(answer.headers.etag, /^W\//);
    assert.equal(answer.headers.location, 'https://myhub.hub.test/digitaltwins/dt1');
    assertFault(await patch([{ op: 'remove', path: '/x' }], { headers: { 'If-Match': etag } }), 412, 'PreconditionFailed');
    assert.deepEqual(await desired(), { targetTemperature: 25 });
  });
  const steps = [
    ['a component, marked as one', [{ op: 'add', path: '/thermostat1', value: { $metadata: {}, target: 1, mode: { a: 1, b: 2 } } }], { thermostat1: { __t: 'c', target: 1, mode: { a: 1, b: 2 } } }],
    ['a property of a component', [{ op: 'replace', path: '/thermostat1/target', value: 2 }], { thermostat1: { __t: 'c', target: 2, mode: { a: 1, b: 2 } } }],
    ['an object is replaced, not merged', [{ op: 'replace', path: '/thermostat1/mode', value: { c: 3 } }], { thermostat1: { __t: 'c', target: 2, mode: { c: 3 } } }],
    ['a component that is not there yet', [{ op: 'add', path: '/thermostat2/target', value: 5 }], { thermostat2: { __t: 'c', target: 5 } }],
    ['operations come one after the other', [{ op: 'add', path: '/x', value: 1 }, { op: 'replace', path: '/x', value: 2 }, { op: 'remove', path: '/thermostat2/target' }, { op: 'add', path: '/a~1b', value: true }], { x: 2, thermostat2: { __t: 'c' }, 'a/b': true }],
    ['a whole component goes', [{ op: 'remove', path: '/thermostat2' }, { op: 'remove', path: '/x' }, { op: 'remove', path: '/a~1b' }], { thermostat2: undefined, x: undefined, 'a/b': undefined }],
  ];
  for (const [rule, body, changed] of steps) {
    it(`patch: ${rule}`, async () => {
      const was = await desired();
      assert.equal((await patch(body)).status, 202);
      const now = JSON.parse(JSON.stringify({ ...was, ...changed }));
      assert.deepEqual(await desired(), now);
    });
  }
  for (const [what, body, fault] of [
    ['no array', {}, 'InvalidDigitalTwinJsonPatch'], ['an empty one', [], 'InvalidDigitalTwinJsonPatch'],
    ['another operation', [{ op: 'test', path: '/a', value: 1 }], 'InvalidDigitalTwinJsonPatch'],
    ['no value', [{ op: 'add', path: '/a' }], 'InvalidDigitalTwinPatch'],
    ['no path', [{ op: 'add', value: 1 }], 'InvalidDigitalTwinPatchPath'],
    ['a deep path', [{ op: 'add', path: '/a/b/c', value: 1 }], 'InvalidDigitalTwinPatchPath'],
    ['a system name', [{ op: 'add', path: '/$metadata', value: 1 }], 'InvalidDigitalTwinPatchPath'],
    ['the root', [{ op: 'add', path: '', value: 1 }], 'InvalidDigitalTwinPatchPath'],
    ['a value that no twin may hold', [{ op: 'add', path: '/a', value: 1e300 }, { op: 'add', path: '/b', value: 'x'.repeat(5000) }], 'ArgumentInvalid'],
  ]) {
    it(`refuses ${what}`, async () => {
      const was = await desired();
      assertFault(await patch(body), 400, fault);
      assert.deepEqual(await desired(), was);
    });
  }

  it('commands are direct methods, of the device or of a component', async () => {
    const calls = onMethod(device, 'reboot', ({ payload }) => ({ status: 203, payload: { was: payload } }));
    const ofComponent = onMethod(device, 'thermostat1*getMaxMinReport', ({ payload }) => ({ status: 200, payload: [payload] }));
    const root = await s.rest.post('/digitaltwins/dt1/commands/reboot?connectTimeoutInSeconds=10', { delay: 3 });
    assert.deepEqual([root.status, root.json, root.headers['x-ms-command-statuscode']], [200, { was: { delay: 3 } }, '203']);
    assert.equal((await calls.next()).methodName, 'reboot');
    await client.invokeComponentCommand('dt1', 'thermostat1', 'getMaxMinReport', 'since', { connectTimeoutInSeconds: 10 });
    assert.equal((await ofComponent.next()).payload, 'since');
    const none = await s.rest.post('/digitaltwins/dt1/commands/reboot');
    assert.deepEqual(none.json, { was: null });
    assertFault(await s.rest.post('/digitaltwins/plain/commands/reboot', 1), 404, 'DeviceNotOnline');
    assertFault(await s.rest.post('/digitaltwins/nobody/commands/reboot', 1), 404, 'DeviceNotFound');
    assertFault(await s.rest.post('/digitaltwins/dt1/commands/reboot?responseTimeoutInSeconds=x', 1), 400, 'ArgumentInvalid');
  });
  it('changes are told as a JSON Patch while a route asks', async () => {
    const { position } = (await s.rest.get('/events?limit=1000')).json;
    await s.rest.put('/routes/dt', { source: 'DigitalTwinChangeEvents' });
    await s.rest.patch('/twins/plain', { tags: { a: 1 }, properties: { desired: { a: 1 } } }); // has no model
    await twin.report({ serialNumber: 'a2', gone: null });
    const [event] = (await s.rest.get(`/events?position=${position}&wait=60`)).json.events;
    assert.equal(event.deviceId, 'dt1');
    assert.deepEqual(event.body, [{ op: 'add', path: '/serialNumber', value: 'a2' }, { op: 'remove', path: '/gone' }]);
    assert.deepEqual([event.systemProperties['content-type'], event.systemProperties['dt-dataschema'], event.properties['iothub-message-schema']],
      ['application/json-patch+json', MODEL, 'digitalTwinChangeNotification']);
    await s.rest.delete('/routes/dt');
    await device.close();
  });
});
