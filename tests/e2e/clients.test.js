// `muster sim` and `muster job`: a fleet and an operator, both from the program itself.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { HOST, muster, startHub } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { startSim } = require('./lib/sim');
const { until } = require('./lib/wait');

let hub, rest;
before(async () => {
  hub = await startHub();
  rest = new Rest(hub);
});
after(async () => {
  rest.close();
  await hub.finish();
});

const job = (...args) => muster(['job', args[0], '--data', hub.dir, ...args.slice(1)]);

const sim = (...args) => startSim(hub, ['--answer-delay', '0-20', ...args]);

describe('a fleet', () => {
  it('registers its devices with twins of some variety', async () => {
    const fleet = await sim('--devices', '40', '--prefix', 'reg-');
    assert.equal(fleet.stdout, 'sim ready devices=40\n');
    const twin = (await rest.get('/twins/reg-00040')).json;
    assert.equal(twin.connectionState, 'Connected');
    assert.deepEqual(Object.keys(twin.tags).sort(), ['line', 'model', 'ring', 'site']);
    assert.ok(twin.properties.desired.interval > 0);
    assert.match(await fleet.stop(), /devices {3}40\n[^]*connections lost 0/);
  });
  it('finds its devices again, and leaves what others changed', async () => {
    const first = await sim('--devices', '3', '--prefix', 'again-');
    await first.stop();
    await rest.patch('/twins/again-00002', { tags: { site: 'moon' } });
    const second = await sim('--devices', '3', '--prefix', 'again-');
    assert.match(second.stderr, /0 devices registered, 3 known before/);
    assert.equal((await rest.get('/twins/again-00002')).json.tags.site, 'moon');
    await second.stop();
  });
  it('refuses to run devices that do not exist, if it may not make them', async () => {
    const { code, stderr } = await muster(['sim', '--data', hub.dir, '--devices', '2', '--prefix', 'no-', '--no-register']);
    assert.equal(code, 1);
    assert.match(stderr, /no-0000[12].*not registered/);
    assert.equal((await rest.get('/devices/no-00001')).status, 404);
  });
  it('keeps a share of its devices offline, the same for the same seed', async () => {
    const offline = async () => {
      const fleet = await sim('--devices', '60', '--prefix', 'off-', '--offline-percent', '30', '--seed', '5');
      const twins = (await rest.post('/devices/query', { query: "SELECT * FROM devices WHERE deviceId >= 'off-' AND deviceId < 'off.'" })).json;
      await fleet.stop();
      return twins.filter((t) => t.connectionState === 'Disconnected').map((t) => t.deviceId).sort();
    };
    const once = await offline();
    assert.ok(once.length > 5 && once.length < 35, `${once.length}`);
    assert.deepEqual(await offline(), once);
  });
  it('comes back when the hub was away', async () => {
    const fleet = await sim('--devices', '20', '--prefix', 'back-');
    await hub.restart();
    const { code, stdout } = await job('run', '--method', 'ping', '--where', "deviceId >= 'back-' AND deviceId < 'back.'");
    assert.equal(code, 0, stdout);
    assert.match(stdout, /20 of 20 devices succeeded/);
    assert.match(await fleet.stop(), /logins {4}40/);
  });
  it('speaks JSON', async () => {
    const fleet = await sim('--devices', '2', '--prefix', 'json-', '--json');
    const lines = (await fleet.stop()).trim().split('\n').map((line) => JSON.parse(line));
    assert.equal(lines[0].event, 'ready');
    assert.equal(lines.at(-1).event, 'summary');
    assert.equal(lines.at(-1).devices, 2);
  });
});

describe('a job from the command line', () => {
  let fleet;
  const where = "deviceId >= 'job-' AND deviceId < 'job.'";
  before(async () => (fleet = await sim('--devices', '50', '--prefix', 'job-', '--fail-percent', '20', '--seed', '2')));
  after(() => fleet.stop());

  it('calls a method and tells what came of it', async () => {
    const { code, stdout, stderr } = await job('run', '--id', 'calls', '--method', 'reboot', '--payload', '{"delay":5}', '--where', where);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /job calls completed after .*: 50 of 50 devices succeeded/);
    assert.match(stdout, /answered 200 {2}\(job-\d{5} and others\)/);
    assert.match(stdout, /answered 500/);
    assert.deepEqual((await rest.get('/jobs/v2/calls')).json.cloudToDeviceMethod.payload, { delay: 5 });
  });
  it('changes twins, and the fleet reports it', async () => {
    const { code, stdout } = await job('run', '--id', 'twins', '--desired', '{"firmware":"7"}', '--tags', '{"wave":1}', '--where', where);
    assert.equal(code, 0);
    assert.match(stdout, /50 of 50/);
    assert.equal((await rest.get('/twins/job-00009')).json.tags.wave, 1);
    const reported = async () => (await rest.get('/twins/job-00009')).json.properties.reported.firmware === '7';
    await until(reported, 'the device reports its firmware');
  });
  it('says which devices failed, with exit code 3', async () => {
    await rest.put('/devices/job-99999', { deviceId: 'job-99999' });
    const { code, stdout } = await job('run', '--id', 'partly', '--method', 'x', '--window', '3', '--where', where);
    assert.equal(code, 3);
    assert.match(stdout, /50 of 51 devices succeeded, 1 failed\n +1 {2}JobRunPreconditionFailed.* \(job-99999\)/);
    const failed = await job('results', '--failed', 'partly');
    assert.match(failed.stdout, /^DEVICE +STATUS +LAST CHANGE +OUTCOME\njob-99999 +failed .*JobRunPrecondition.*\n$/);
    await rest.delete('/devices/job-99999');
  });
  it('shows results, as a table and as JSON', async () => {
    const table = (await job('results', 'calls')).stdout.trim().split('\n');
    assert.equal(table.length, 51);
    const rows = (await job('results', 'calls', '--json', '--limit', '7')).stdout.trim().split('\n').map((l) => JSON.parse(l));
    assert.equal(rows.length, 7);
    for (const row of rows) assert.equal(row.jobId, 'calls');
  });
  it('lists and shows jobs', async () => {
    assert.match((await job('list')).stdout, /^JOB .*\n[^]*calls +method reboot +completed/);
    assert.match((await job('list', '--type', 'scheduleUpdateTwin')).stdout, /twins +twin update/);
    assert.doesNotMatch((await job('list', '--type', 'scheduleUpdateTwin')).stdout, /calls/);
    assert.match((await job('show', 'calls')).stdout, /where +deviceId >= 'job-'/);
    assert.equal(JSON.parse((await job('show', '--json', 'calls')).stdout).jobId, 'calls');
  });
  it('creates without waiting, and cancels', async () => {
    const run = await job('run', '--method', 'x', '--where', '*', '--start', '+1h', '--no-wait');
    const id = run.stdout.trim();
    assert.match(id, /^x-\d{8}-\d{6}-[0-9a-f]{4}$/);
    const cancel = await job('cancel', id);
    assert.equal(cancel.code, 0);
    const watch = await job('watch', id);
    assert.equal(watch.code, 1);
    assert.match(watch.stdout, /cancelled/);
  });
  it('needs no device', async () => {
    const { code, stdout } = await job('run', '--method', 'x', '--where', "deviceId = 'nobody'");
    assert.equal(code, 0);
    assert.match(stdout, /no device matched/);
  });
});

describe('where the hub is', () => {
  const list = (args, env) => muster(['job', 'list', ...args], { env: { ...process.env, ...env } });
  it('comes from a file, the environment or an option', async () => {
    const file = path.join(hub.dir, '..', 'string');
    fs.writeFileSync(file, `${hub.connectionString()}\n`);
    const ca = ['--ca', hub.caFile];
    assert.equal((await list([...ca, '--connection-string-file', file])).code, 0);
    assert.equal((await list(ca, { MUSTER_CONNECTION_STRING: hub.connectionString() })).code, 0);
    assert.equal((await list([...ca, '--connection-string', hub.connectionString()])).code, 0);
    assert.equal((await list([...ca, '--address', '127.0.0.1', '--connection-string-file', file])).code, 0);
  });
  const mistakes = [
    ['nothing said', [], 2, /which hub/],
    ['a wrong key', ['--connection-string', `HostName=${HOST};SharedAccessKeyName=service;SharedAccessKey=AAAA`], 1, /refuses policy 'service'.*401/],
    ['an unknown policy', ['--connection-string', `HostName=${HOST};SharedAccessKeyName=nobody;SharedAccessKey=AAAA`], 1, /401/],
    ['a device', ['--connection-string', `HostName=${HOST};DeviceId=d;SharedAccessKey=AAAA`], 2, /not of a device/],
    ['a port where nobody is', ['--connection-string', `HostName=${HOST};SharedAccessKeyName=a;SharedAccessKey=AAAA`, '--https-port', '1'], 1, /is the hub running/],
  ];
  for (const [name, args, code, text] of mistakes)
    it(`${name}: exit code ${code} and a sentence`, async () => {
      const end = await list(['--ca', hub.caFile, ...args]);
      assert.equal(end.code, code, end.stderr);
      assert.match(end.stderr, text);
      assert.equal(end.stderr.trim().split('\n').length, 1, end.stderr);
    });
  it('a CA that did not sign: exit code 1', async () => {
    const { code, stderr } = await list([], { MUSTER_CONNECTION_STRING: hub.connectionString() });
    assert.equal(code, 1);
    assert.match(stderr, /cannot be trusted.*--ca FILE/);
  });
  it('a job that is not there: exit code 1', async () => {
    for (const command of ['show', 'watch', 'results', 'cancel']) {
      const { code, stderr } = await job(command, 'nothing');
      assert.equal(code, 1);
      assert.match(stderr, /not found.*404/);
    }
  });
  it('has help at every command', async () => {
    for (const args of [['sim'], ['job'], ['job', 'run'], ['job', 'watch'], ['job', 'list'], ['job', 'show'], ['job', 'results'], ['job', 'cancel']]) {
      const { code, stdout, stderr } = await muster([...args, '--help']);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^usage: muster /);
    }
  });
});
