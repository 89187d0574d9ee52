// Command of a running job, over plain HTTPS: docs/compatibility.md.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { jobIn, makeDevices, recordsOf } = require('./lib/jobs');
const { jobsOf } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

const ids = Array.from({ length: 40 }, (_, i) => `c-${String(i).padStart(2, '0')}`);
const twinJob = (policy, more) => ({
  type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { etag: '*', tags: { seen: 1 } }, ...(policy && { policy }), ...more,
});

withHub('command of a running job', (s) => {
  before(() => makeDevices(s.rest, ids));

  it('pause, resume: what was not reached waits, and the SDK sees only words it knows', async () => {
    await s.rest.put('/jobs/v2/slow', twinJob({ pace: { devicesPerSecond: 5 } }));
    await until(async () => (await jobIn(s.rest, 'slow', 'running')).deviceJobStatistics.succeededCount > 0, 'a device is done');
    const paused = await s.rest.post('/jobs/v2/slow/pause');
    assert.equal(paused.status, 200, paused.text);
    assert.equal(paused.json.paused, true);
    assert.equal(paused.json.status, 'running');
    assert.deepEqual(paused.json.policy, { pace: { devicesPerSecond: 5 } });
    const seen = (await jobsOf(s.hub).getJob('slow')).jobStatus ?? (await s.rest.get('/jobs/v2/slow')).json;
    assert.equal(seen.status, 'running');
    assert.ok((await recordsOf(s.rest, 'slow')).some((r) => r.status === 'pending'));
    assert.equal((await s.rest.post('/jobs/v2/slow/resume')).json.paused, undefined);
    const changed = await s.rest.patch('/jobs/v2/slow', { policy: { pace: null } });
    assert.equal(changed.status, 200, changed.text);
    assert.equal(changed.json.policy, undefined);
    assert.equal((await jobIn(s.rest, 'slow')).deviceJobStatistics.succeededCount, ids.length);
  });
  it('cancel while it runs takes effect at once', async () => {
    await s.rest.put('/jobs/v2/stop', twinJob({ pace: { devicesPerSecond: 2 } }));
    await jobIn(s.rest, 'stop', 'running');
    const { json } = await s.rest.post('/jobs/v2/stop/cancel');
    assert.equal(json.status, 'cancelled');
    const { deviceCount, failedCount, succeededCount } = json.deviceJobStatistics;
    assert.equal(failedCount + succeededCount, deviceCount);
    assert.equal((await recordsOf(s.rest, 'stop')).filter((r) => r.status === 'canceled').length, failedCount);
  });
  it('a guard that is exceeded: nobody is touched, the reason says why', async () => {
    await s.rest.put('/jobs/v2/guarded', twinJob({ guard: { percent: 10 } }, { updateTwin: { tags: { guarded: 1 } } }));
    const job = await jobIn(s.rest, 'guarded');
    assert.equal(job.status, 'failed');
    assert.match(job.failureReason, /is for 40 of 40 devices, the policy allows 10 %/);
    assert.deepEqual((await s.rest.query('SELECT deviceId FROM devices WHERE IS_DEFINED(tags.guarded)')).json, []);
  });
  it('a sample runs on so many, no more', async () => {
    await s.rest.put('/jobs/v2/sampled', twinJob({ sample: { devices: 3 } }));
    assert.equal((await jobIn(s.rest, 'sampled')).deviceJobStatistics.deviceCount, 3);
  });
  it('wrong input is refused with its place', async () => {
    const cases = [
      [{ pace: { devicesPerSecond: -1 } }, /policy\.pace\.devicesPerSecond/],
      [{ maxInflight: 3 }, /policy\.maxInflight is not known/],
      [{ maxInFlight: 3 }, /for method jobs/],
      [[], /policy must be an object/],
    ];
    for (const [policy, text] of cases) {
      const answer = await s.rest.put('/jobs/v2/wrong', twinJob(policy));
      assertFault(answer, 400, 'ArgumentInvalid');
      assert.match(answer.json.Message, text);
    }
    assertFault(await s.rest.patch('/jobs/v2/slow', { startTime: null }), 400, 'ArgumentInvalid');
    assertFault(await s.rest.patch('/jobs/v2/slow', {}), 400, 'ArgumentInvalid');
    assertFault(await s.rest.patch('/jobs/v2/slow', { maxExecutionTimeInSeconds: 60 }), 405, 'OperationNotAllowedInCurrentState');
    assertFault(await s.rest.post('/jobs/v2/nobody/pause'), 404, 'JobNotFound');
  });
});
