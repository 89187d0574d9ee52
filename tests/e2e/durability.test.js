// What was answered stays, and what was begun is done once: kill -9 and full disks.
'use strict';
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Hub, trust } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { allRows, jobIn, makeDevices, recordsOf } = require('./lib/jobs');
const { RawMqtt } = require('./lib/mqtt');
const { newDevice } = require('./lib/sdk');
const { until } = require('./lib/wait');

const TARGETS = 2000;
const KILLS = 4;

const rid = (topic) => /\$rid=([0-9a-f]+)$/.exec(topic)[1];

describe('kill -9', () => {
  it(`in the middle of a twin job: ${TARGETS} targets are updated exactly once`, async () => {
    const hub = trust(await new Hub().start());
    let rest = new Rest(hub);
    await makeDevices(rest, Array.from({ length: TARGETS }, (_, i) => `d${i}`));
    const before = new Map((await allRows(rest, 'SELECT deviceId, version FROM devices')).map((d) => [d.deviceId, d.version]));
    for (let kill = 0; kill < KILLS; kill++) {
      const id = `job-${kill}`;
      const made = await rest.put(`/jobs/v2/${id}`, { type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { tags: { [id]: 1 } } });
      assert.equal(made.status, 200, made.text);
      // Somewhere in the middle: when a growing share is done, or at once.
      const share = (kill / KILLS) * TARGETS;
      await until(async () => {
        const { status, deviceJobStatistics: d } = (await rest.get(`/jobs/v2/${id}`)).json;
        return status === 'completed' || d.succeededCount >= share;
      }, 'the job gets there');
      rest.close();
      await hub.kill9();
      await hub.start();
      rest = new Rest(hub);
      const job = await jobIn(rest, id);
      assert.equal(job.status, 'completed');
      assert.deepEqual(job.deviceJobStatistics, {
        deviceCount: TARGETS, failedCount: 0, succeededCount: TARGETS, runningCount: 0, pendingCount: 0,
      });
      const rows = await allRows(rest, 'SELECT deviceId, version FROM devices');
      assert.equal(rows.length, TARGETS);
      for (const { deviceId, version } of rows) assert.equal(version, before.get(deviceId) + kill + 1, `${deviceId}: once, no more and no less`);
      assert.equal((await recordsOf(rest, id)).length, TARGETS);
    }
    rest.close();
    await hub.finish();
  });

  it('in the middle of a method job: no device is called twice', async () => {
    const hub = trust(await new Hub().start());
    let rest = new Rest(hub);
    const ids = Array.from({ length: 40 }, (_, i) => `d${i}`);
    const devices = [];
    for (const id of ids) devices.push(await newDevice(hub, id));
    const calls = new Map(ids.map((id) => [id, 0]));
    let answered = 0;
    const join = () => Promise.all(devices.map(async (device) => {
      const client = await RawMqtt.connect(hub, device);
      await client.subscribe('$iothub/methods/POST/#');
      (async () => {
        for (;;) {
          const { topic } = await client.message(Infinity);
          calls.set(device.deviceId, calls.get(device.deviceId) + 1);
          // Every other device answers; the rest is in flight when the end comes.
          if (Number(device.deviceId.slice(1)) % 2 === 0) {
            answered += 1;
            client.publish(`$iothub/methods/res/200/?$rid=${rid(topic)}`, '1').catch(() => {});
          }
        }
      })().catch(() => {});
      return client;
    }));
    const first = await join();
    const made = await rest.put('/jobs/v2/once', {
      type: 'scheduleDeviceMethod', queryCondition: '*', cloudToDeviceMethod: { methodName: 'm', responseTimeoutInSeconds: 60 }, maxExecutionTimeInSeconds: 600,
    });
    assert.equal(made.status, 200, made.text);
    await until(() => answered >= 5, 'some have answered');
    rest.close();
    await hub.kill9();
    await Promise.all(first.map((client) => client.gone()));
    await hub.start();
    rest = new Rest(hub);
    const second = await join();
    const job = await jobIn(rest, 'once');
    assert.equal(job.status, 'completed');
    for (const [id, count] of calls) assert.ok(count <= 1, `${id} was called ${count} times`);
    const records = await recordsOf(rest, 'once');
    assert.equal(records.length, 40);
    for (const r of records) {
      const called = calls.get(r.deviceId);
      if (r.status === 'completed') assert.equal(called, 1, `${r.deviceId} answered, so it was called`);
      else assert.equal(r.error.code, 'GatewayTimeout', 'in flight at the crash: marked, never repeated');
    }
    await Promise.all(second.map((client) => client.cut()));
    rest.close();
    await hub.finish();
  });

  it('loses no answered write of 16 busy writers', async () => {
    const hub = trust(await new Hub().start());
    let rest = new Rest(hub);
    const ids = Array.from({ length: 16 }, (_, i) => `w${i}`);
    await makeDevices(rest, ids);
    const acknowledged = new Map(ids.map((id) => [id, -1]));
    const writers = ids.map(async (id) => {
      for (let n = 0; ; n++) {
        const answer = await rest.patch(`/twins/${id}`, { tags: { n } });
        if (answer.status !== 200) return;
        acknowledged.set(id, n);
      }
    });
    const all = Promise.allSettled(writers);
    await until(() => [...acknowledged.values()].every((n) => n >= 10), 'all have written');
    await hub.kill9();
    await all;
    rest.close();
    await hub.start();
    rest = new Rest(hub);
    for (const [id, n] of acknowledged) {
      const stored = (await rest.get(`/twins/${id}`)).json.tags.n;
      assert.ok(stored === n || stored === n + 1, `${id}: answered ${n}, stored ${stored}`);
    }
    rest.close();
    await hub.finish();
  });
});

describe('a full disk', () => {
  it('answers 503 on writes, reads go on, and it recovers without a restart', async () => {
    const mount = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', mount]);
    const hub = trust(await new Hub({ dir: path.join(mount, 'data') }).start());
    const rest = new Rest(hub);
    await rest.put('/devices/d', {});
    const good = (await rest.patch('/twins/d', { tags: { before: 1 } })).json;
    const ballast = path.join(mount, 'ballast');
    const file = fs.openSync(ballast, 'w');
    try {
      for (const chunk = Buffer.alloc(1 << 16); ;) fs.writeSync(file, chunk);
    } catch (error) {
      assert.equal(error.code, 'ENOSPC');
    }
    fs.closeSync(file);
    // The database may have room of its own for a while.
    let refused, n = 0;
    await until(async () => {
      const answer = await rest.put(`/devices/fill-${n++}`, {});
      if (answer.status !== 200) refused = answer;
      return refused;
    }, 'writes are refused');
    assert.equal(refused.status, 503, refused.text);
    assert.ok(!refused.text.includes(mount), 'where the hub keeps its files is nothing for clients');
    assert.match(refused.headers['iothub-errorcode'], /^Server(Busy|Unavailable)|ServiceUnavailable$/);
    const read = await rest.get('/twins/d');
    assert.equal(read.status, 200, 'reads go on');
    assert.deepEqual(read.json, good);
    assert.equal((await rest.query('SELECT deviceId FROM devices WHERE tags.before = 1')).status, 200, 'queries too');
    const missing = await rest.get(`/devices/fill-${n - 1}`);
    assert.equal(missing.status, 404, 'what was refused is not there');
    fs.rmSync(ballast);
    await until(async () => (await rest.patch('/twins/d', { tags: { after: 1 } })).status === 200, 'writes are taken again');
    assert.deepEqual((await rest.get('/twins/d')).json.tags, { before: 1, after: 1 });
    rest.close();
    await hub.finish();
    execFileSync('umount', [mount]);
  });
});
