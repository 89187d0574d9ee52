// `muster sim` with scenarios: docs/sim.md, examples/.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const { describe, it } = require('node:test');
const { muster } = require('./lib/hub');
const { allRows, jobIn, recordsOf } = require('./lib/jobs');
const { startSim } = require('./lib/sim');
const { withHub } = require('./lib/suite');
const { until, within } = require('./lib/wait');

const EXAMPLES = path.join(__dirname, '../../examples');
const example = (name) => path.join(EXAMPLES, `${name}.json`);
const fleetOf = (prefix) => `deviceId >= '${prefix}' AND deviceId < '${prefix.slice(0, -1)}.'`;

describe('a scenario', () => {
  it('is right in every example', async () => {
    const names = fs.readdirSync(EXAMPLES).filter((name) => name.endsWith('.json'));
    assert.ok(names.length >= 4);
    for (const name of names) {
      const { code, stdout, stderr } = await muster(['sim', '--check', '--scenario', path.join(EXAMPLES, name)]);
      assert.equal(code, 0, `${name}: ${stderr}`);
      assert.match(stdout, /the scenario is right/);
    }
  });
  it('that is wrong is refused before anything is asked of a hub', async () => {
    const file = path.join(fs.mkdtempSync('/tmp/muster-sim-'), 'wrong.json');
    fs.writeFileSync(file, '{"groups": [{"share": 100, "telemetri": {"every": "1s"}}]}');
    const { code, stderr } = await muster(['sim', '--scenario', file, '--devices', '3', '--connection-string-file', '/nonexistent']);
    fs.rmSync(path.dirname(file), { recursive: true });
    assert.equal(code, 2);
    assert.match(stderr, /groups\[0\] does not know 'telemetri'; is 'telemetry' meant\?/);
  });
});

withHub('a fleet by scenario', (s) => {
  it('a twin job triggers a reaction: firmware-rollout.json', async () => {
    const fleet = await startSim(s.hub, ['--scenario', example('firmware-rollout'), '--devices', '60', '--json']);
    await s.rest.put('/jobs/v2/rollout', {
      type: 'scheduleUpdateTwin', queryCondition: fleetOf('pump-'),
      updateTwin: { etag: '*', properties: { desired: { firmware: '2.0.0', mode: 'eco' } } },
    });
    assert.equal((await jobIn(s.rest, 'rollout')).deviceJobStatistics.succeededCount, 60);
    const twins = () => allRows(s.rest, `SELECT * FROM devices WHERE ${fleetOf('pump-')}`, 100);
    const state = (t) => t.properties.reported.firmware?.state;
    const done = await until(async () => {
      const all = await twins();
      return all.every((t) => ['current', 'failed'].includes(state(t))) && all;
    }, 'each device has installed it, or has failed');
    const failed = done.filter((t) => state(t) === 'failed');
    assert.ok(failed.length > 0 && failed.length < 15, `about 4 % fail: ${failed.length}`);
    for (const { properties: { reported } } of done) {
      assert.equal(reported.firmware.version, reported.firmware.state === 'failed' ? '1.4.0' : '2.0.0');
      if (reported.firmware.state === 'failed') assert.match(reported.firmware.error, /^(checksum|no space|power low)$/);
      assert.equal(reported.mode, 'eco', 'what no reaction names is reported as it is');
    }
    const summary = await fleet.summary();
    assert.equal(summary.desiredChanges, 60);
    assert.equal(summary.reportsRefused, 0);
    assert.equal(summary.connectMs.count, 60);
    assert.ok(summary.connectMs.p50 > 0 && summary.connectMs.p50 <= summary.connectMs.p99);
  });
  it('the same seed plays the same fates', async () => {
    const play = async () => {
      const fleet = await startSim(s.hub, ['--delete'], {
        devices: 12, prefix: 'fate-', tags: { n: { $int: [1, 1000000] } },
        answer: { delay: '0s', fail: 50, failStatus: [418, 503] },
      });
      const fates = [];
      for (let i = 1; i <= 12; i++) {
        const id = `fate-${String(i).padStart(5, '0')}`;
        const twin = (await s.rest.get(`/twins/${id}`)).json;
        for (let call = 0; call < 2; call++) {
          const { json } = await s.rest.post(`/twins/${id}/methods`, { methodName: 'x', responseTimeoutInSeconds: 30 });
          fates.push([id, twin.tags.n, json.status]);
        }
      }
      await fleet.stop();
      assert.match(fleet.stderr, /12 devices deleted/);
      assert.equal((await s.rest.get('/devices/fate-00001')).status, 404);
      return fates;
    };
    const first = await play();
    assert.ok(new Set(first.map((fate) => fate[2])).size > 1, 'there are failures and successes');
    assert.deepEqual(await play(), first);
  });
  it('devices that flap are gone by plan, and come back', async () => {
    const fleet = await startSim(s.hub, ['--json'], { devices: 20, prefix: 'flap-', flapping: { up: '400ms', down: '100ms' } });
    const online = async () => (await s.rest.query(`SELECT COUNT() AS n FROM devices WHERE ${fleetOf('flap-')} AND connectionState = 'Disconnected'`)).json[0]?.n > 0;
    await until(online, 'somebody is away');
    const summary = await fleet.summary();
    assert.ok(summary.departures > 0);
    assert.equal(summary.lost, 0);
    assert.equal(summary.refused, 0);
  });
  it('a restart answers first: factory.json', async () => {
    const fleet = await startSim(s.hub, ['--scenario', example('factory'), '--devices', '40', '--prefix', 'fac-', '--json']);
    const rows = await allRows(s.rest, `SELECT deviceId, properties.reported.kind FROM devices WHERE ${fleetOf('fac-')} AND connectionState = 'Connected'`, 100);
    assert.ok(rows.length > 30);
    const gateway = await until(async () => (await allRows(s.rest,
      `SELECT deviceId FROM devices WHERE ${fleetOf('fac-')} AND properties.reported.kind = 'gateway'`, 100))[0], 'a gateway reports itself');
    const { json } = await s.rest.post(`/twins/${gateway.deviceId}/methods`, { methodName: 'reboot', responseTimeoutInSeconds: 30 });
    assert.deepEqual(json, { status: 200, payload: { goingDown: true } });
    await until(async () => (await s.rest.get(`/twins/${gateway.deviceId}`)).json.connectionState === 'Disconnected', 'it is away');
    await until(async () => (await s.rest.get(`/twins/${gateway.deviceId}`)).json.connectionState === 'Connected', 'it is back');
    const echo = await s.rest.post(`/twins/${gateway.deviceId}/methods`, { methodName: 'echo', payload: [1], responseTimeoutInSeconds: 30 });
    assert.deepEqual(echo.json.payload, { you: [1], me: gateway.deviceId }, 'subscribed again');
    const summary = await fleet.summary();
    assert.equal(summary.departures, 1);
    assert.equal(summary.reconnects, 1);
  });
  it('slow readers hold back nobody else: slow-readers.json', async () => {
    const fleet = await startSim(s.hub, ['--scenario', example('slow-readers'), '--devices', '60', '--json']);
    await s.rest.put('/jobs/v2/slow', {
      type: 'scheduleDeviceMethod', queryCondition: fleetOf('slow-'), maxExecutionTimeInSeconds: 60,
      cloudToDeviceMethod: { methodName: 'echo', payload: { a: 1 }, responseTimeoutInSeconds: 8 },
    });
    const { deviceJobStatistics: counts } = await jobIn(s.rest, 'slow');
    const records = await recordsOf(s.rest, 'slow');
    assert.equal(counts.succeededCount + counts.failedCount, 60);
    assert.ok(counts.succeededCount >= 40, `the healthy answer: ${counts.succeededCount}`);
    assert.ok(counts.failedCount >= 1, 'who reads nothing hears no call');
    const answered = records.find((record) => record.status === 'completed');
    assert.deepEqual(answered.outcome.deviceMethodResponse, { status: 200, payload: { echo: { a: 1 } } });
    await fleet.stop();
  });
  it('a trembling network: flaky-cellular.json ends after its time', async () => {
    const fleet = await startSim(s.hub, ['--scenario', example('flaky-cellular'), '--devices', '15', '--duration', '3s', '--delete', '--json']);
    const summary = JSON.parse((await fleet.ends()).trim().split('\n').filter((line) => /summary/.test(line))[0]);
    assert.equal(summary.devices, 15);
    assert.equal((await s.rest.get('/devices/tracker-00001')).status, 404);
  });
});

withHub('registering', (s) => {
  // The hub behind a door that counts, and that may refuse bulk calls as hubs do that have none.
  async function door(bulk) {
    const seen = { bulk: 0, single: 0 };
    const gate = { seen, held: 0, silent: false };
    const read = (name) => fs.readFileSync(path.join(s.hub.dir, name));
    const server = https.createServer({ key: read('server-key.pem'), cert: read('server.pem') }, (request, response) => {
      const isBulk = request.method === 'POST' && request.url.startsWith('/devices?');
      if (gate.silent) {
        gate.held += 1;
        return;
      }
      seen[isBulk ? 'bulk' : 'single'] += 1;
      if (isBulk && !bulk) {
        request.resume();
        response.writeHead(404).end();
        return;
      }
      const { host, ...headers } = request.headers;
      const inner = https.request({ host: s.hub.host, port: 443, method: request.method, path: request.url, headers, ca: s.hub.ca }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      request.pipe(inner);
    });
    await new Promise((resolve) => server.listen(0, resolve));
    gate.port = String(server.address().port);
    gate.close = () => server.close();
    return gate;
  }
  const scenario = (prefix, devices) => ({ prefix, devices, tags: { n: { $get: 'number' } }, desired: { x: 1 }, rate: 1000 });

  it('takes 100 devices a call, and leaves what is there', async () => {
    await s.rest.put('/devices/bulk-00007', { deviceId: 'bulk-00007' });
    const gate = await door(true);
    const fleet = await startSim(s.hub, ['--https-port', gate.port, '--delete'], scenario('bulk-', 250));
    assert.match(fleet.stderr, /249 devices registered, 1 known before/);
    assert.deepEqual(gate.seen, { bulk: 3, single: 1 }, 'the one that was there is asked for its key');
    const twin = (await s.rest.get('/twins/bulk-00250')).json;
    assert.deepEqual(twin.tags, { n: 250 });
    assert.equal(twin.properties.desired.x, 1);
    assert.equal((await s.rest.get('/twins/bulk-00007')).json.tags?.n, undefined);
    await fleet.stop();
    assert.match(fleet.stderr, /250 devices deleted/);
    assert.deepEqual(gate.seen, { bulk: 6, single: 1 });
    gate.close();
  });
  it('goes one by one where a hub has no bulk call', async () => {
    const gate = await door(false);
    const fleet = await startSim(s.hub, ['--https-port', gate.port, '--delete'], scenario('one-', 20));
    assert.match(fleet.stderr, /20 devices registered, 0 known before/);
    assert.deepEqual((await s.rest.get('/twins/one-00020')).json.tags, { n: 20 });
    await fleet.stop();
    assert.match(fleet.stderr, /20 devices deleted/);
    assert.equal((await s.rest.get('/devices/one-00020')).status, 404);
    gate.close();
  });
  it('a second Ctrl-C ends even the clearing away, and says what is left', async () => {
    const gate = await door(true);
    const fleet = await startSim(s.hub, ['--https-port', gate.port, '--delete'], scenario('left-', 5));
    gate.silent = true;
    fleet.child.kill('SIGINT');
    await until(() => gate.held > 0, 'the delete call is on its way');
    fleet.child.kill('SIGINT');
    assert.deepEqual(await within(fleet.ended, 'it ends'), { code: 1, signal: null });
    assert.match(fleet.stdout, /sim ended after/, 'the summary came with the first');
    assert.match(fleet.stderr, /interrupted while deleting: 0 of 5 devices are gone/);
    gate.close();
  });
  it('never deletes what it was told not to make', async () => {
    const { code, stderr } = await muster(['sim', '--data', s.hub.dir, '--devices', '1', '--no-register', '--delete']);
    assert.equal(code, 2);
    assert.match(stderr, /--no-register/);
  });
});
