// What a hub takes: profiles with rates, set while it runs, seen by operators, heard by SDKs.
'use strict';
const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Registry, JobClient } = require('azure-iothub');
const { muster, startHub } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { RawMqtt } = require('./lib/mqtt');
const { newDevice } = require('./lib/sdk');

describe('quotas', () => {
  let hub, rest;
  const cli = (...args) => muster(['quota', ...args, '--data', hub.dir, '--address', '127.0.0.1']);
  const named = (quotas, name) => quotas.classes.find((c) => c.name === name);
  const set = async (profile, units) => {
    const { status, json } = await rest.put('/quotas', { profile, units });
    assert.equal(status, 200);
    return json;
  };

  before(async () => {
    hub = await startHub();
    rest = new Rest(hub);
  });
  after(async () => {
    rest.close();
    await hub.finish();
  });

  it('a new hub has no rates', async () => {
    const { status, json } = await rest.get('/quotas');
    assert.equal(status, 200);
    assert.equal(json.profile, 'none');
    assert.equal(named(json, 'queries').perMinute, undefined);
    const shown = await cli('show');
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /^profile none, units 1$/m);
    assert.match(shown.stdout, /^queries +any +- +0/m);
  });

  it('a profile is set by the program, counts at once, and is there after a restart', async () => {
    const end = await cli('set', 's2', '--units', '3', '--json');
    assert.equal(end.code, 0, end.stderr);
    const quotas = JSON.parse(end.stdout);
    assert.deepEqual([quotas.profile, quotas.units, quotas.activeJobs], ['S2', 3, 5]);
    assert.deepEqual([named(quotas, 'registry').perMinute, quotas.messages.perDay], [300, 18000000]);
    await hub.restart();
    rest.close();
    rest = new Rest(hub);
    assert.equal((await rest.get('/quotas')).json.profile, 'S2');
  });

  it('the registry client of Node hears ThrottlingError when the minute and the queue are full', async () => {
    await set('S1', 1);
    const registry = Registry.fromConnectionString(hub.connectionString());
    const ids = (n) => Array.from({ length: 50 }, (_, i) => ({ deviceId: `d${n}-${i}` }));
    await registry.addDevices(ids(0));
    await registry.addDevices(ids(1)); // a hundred devices: the minute is full
    const held = new Rest(hub);
    const waits = held.post('/devices', ids(2).map(({ deviceId }) => ({ id: deviceId, importMode: 'create' }))).catch(() => {});
    let quotas;
    do quotas = (await rest.get('/quotas')).json;
    while (named(quotas, 'registry').delayed === 0); // the queue of half a minute is full
    const { status, headers, json } = await rest.get('/devices/d0-0');
    assert.equal(status, 429);
    assert.equal(headers['iothub-errorcode'], 'ThrottlingException');
    assert.ok(Number(headers['retry-after']) >= 1);
    assert.match(json.Message, /^ErrorCode:ThrottlingException;.*of class registry .* 100 operations per minute/);
    quotas = (await rest.get('/quotas')).json;
    assert.deepEqual([named(quotas, 'registry').taken, named(quotas, 'registry').available], [150, 0]);
    assert.ok(named(quotas, 'registry').refused >= 1);
    const metrics = (await rest.get('/metrics')).text;
    assert.match(metrics, /^muster_quota_refused_total\{class="registry"\} [1-9]/m);
    assert.match(metrics, /^muster_quota_per_minute\{class="queries"\} 20$/m);
    await set('none', 1); // who is held is let go when its time comes, or goes now with its connection
    held.close();
    await waits;
    assert.equal((await rest.get('/devices/d0-0')).status, 200);
  });

  it('the job client hears of the one active job of S1', async () => {
    await set('S1', 1);
    const jobs = JobClient.fromConnectionString(hub.connectionString());
    const method = { methodName: 'm', responseTimeoutInSeconds: 5 };
    await jobs.scheduleDeviceMethod('first', "deviceId = 'd0-0'", method, new Date(), 600);
    await assert.rejects(jobs.scheduleDeviceMethod('second', "deviceId = 'd0-0'", method, new Date(), 600), (error) => {
      assert.equal(error.response.statusCode, 429);
      assert.equal(error.response.headers['iothub-errorcode'], 'ThrottlingMaxActiveJobCountExceeded');
      return true;
    });
    await set('S2', 1);
    await jobs.scheduleDeviceMethod('second', "deviceId = 'd0-0'", method, new Date(), 600);
    await set('none', 1);
  });

  it('the 8000 messages of a day of F1: then 403, and telemetry ends the connection, also after a restart', async () => {
    const device = await newDevice(hub, 'talker');
    await set('F1');
    const client = await RawMqtt.connect(hub, device);
    const events = 'devices/talker/messages/events/';
    for (let i = 0; i < 16; i++) await client.publish(events, 'x'.repeat(500 * 512), { qos: 1 }); // 500 blocks each
    const { messages } = (await rest.get('/quotas')).json;
    assert.deepEqual([messages.perDay, messages.used], [8000, 8000]);
    const { status, headers, json } = await rest.get('/twins/talker');
    assert.deepEqual([status, headers['iothub-errorcode']], [403, 'IotHubQuotaExceeded']);
    assert.match(json.Message, /8000 messages a day .* until 00:00 UTC/);
    assert.equal((await rest.get('/devices/talker')).status, 200, 'the registry is free');
    client.publish(events, 'x', { qos: 1 }).catch(() => {});
    await client.closed;
    await hub.restart();
    rest.close();
    rest = new Rest(hub);
    assert.equal((await rest.get('/twins/talker')).status, 403);
    await set('none');
    assert.equal((await rest.get('/twins/talker')).status, 200);
  });

  it('one device may have its share: 429 DeviceThrottlingLimitExceeded, while others go on', async () => {
    for (const id of ['greedy', 'modest']) await newDevice(hub, id);
    const shown = await cli('set', 'S1', '--device-percent', '1', '--json');
    assert.equal(shown.code, 0, shown.stderr);
    assert.equal(JSON.parse(shown.stdout).devicePercent, 1);
    assert.match((await cli('show')).stdout, /^profile S1, units 1, one device at most 1 percent of each class$/m);
    const receive = async (device) => rest.get(`/devices/${device}/messages/devicebound`);
    assert.equal(named((await rest.get('/quotas')).json, 'cloudToDeviceReceives').perDevicePerMinute, 10);
    for (let i = 0; i < 10; i++) assert.equal((await receive('greedy')).status, 204);
    let answer;
    do answer = await receive('greedy');
    while (answer.status === 204); // a slow machine brings new shares, one in six seconds
    assert.deepEqual([answer.status, answer.headers['iothub-errorcode']], [429, 'DeviceThrottlingLimitExceeded']);
    const seconds = Number(answer.headers['retry-after']); // one in six seconds
    assert.ok(seconds >= 1 && seconds <= 6, `${seconds}`);
    assert.match(answer.json.Message, /^ErrorCode:DeviceThrottlingLimitExceeded;.* 10 operations per minute/);
    assert.equal((await receive('modest')).status, 204);
    assert.ok(named((await rest.get('/quotas')).json, 'cloudToDeviceReceives').refusedPerDevice >= 1);
    assert.match((await rest.get('/metrics')).text, /^muster_quota_device_refused_total\{class="cloudToDeviceReceives"\} [1-9]/m);
    await hub.restart();
    rest.close();
    rest = new Rest(hub);
    assert.equal((await rest.get('/quotas')).json.devicePercent, 1, 'it stays');
    assert.equal((await set('none')).devicePercent, 100, 'and is whole again when nobody says otherwise');
  });

  const refusals = [
    ['a profile that is none', { profile: 'S4' }, /profile must be none, F1, S1, S2 or S3/],
    ['no profile', {}, /profile must be/],
    ['more units than the tier has', { profile: 'S3', units: 11 }, /1 to 10/],
    ['half a unit', { profile: 'S1', units: 0.5 }, /whole number/],
    ['no unit', { profile: 'S1', units: 0 }, /1 to 200/],
    ['a share of nothing', { profile: 'S1', devicePercent: 0 }, /devicePercent must be a whole number from 1 to 100/],
    ['more than all', { profile: 'S1', devicePercent: 101 }, /devicePercent must be/],
    ['a share that is no number', { profile: 'S1', devicePercent: '10' }, /devicePercent must be/],
  ];
  for (const [rule, body, text] of refusals)
    it(`refused: ${rule}`, async () => {
      const { status, json } = await rest.put('/quotas', body);
      assert.equal(status, 400);
      assert.match(json.Message, text);
    });

  it('only owners may look and change', async () => {
    const service = new Rest(hub, 'registryReadWrite');
    assert.equal((await service.get('/quotas')).status, 401);
    assert.equal((await service.put('/quotas', { profile: 'none' })).status, 401);
    service.close();
    assert.equal((await cli('set', 'S9')).code, 2);
    assert.equal((await cli()).code, 2);
    assert.equal((await cli('--help')).code, 0);
  });
});
