// A hub as strict as Azure: what it refuses, and what an Azure client still finds. docs/compatibility.md.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { jobIn, makeDevices } = require('./lib/jobs');
const { jobsOf } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');

withHub('muster serve --strict-azure', (s) => {
  before(() => makeDevices(s.rest, ['a', 'b']));
  const method = { type: 'scheduleDeviceMethod', queryCondition: '*', cloudToDeviceMethod: { methodName: 'm' }, maxExecutionTimeInSeconds: 300 };
  const later = { type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { tags: { a: 1 } }, startTime: '2050-01-01T00:00:00Z' };

  it('a running job is not cancelled: status, code and text are Azure\'s', async () => {
    await s.rest.put('/jobs/v2/runs', method);
    await jobIn(s.rest, 'runs', 'running');
    const answer = await s.rest.post('/jobs/v2/runs/cancel');
    assertFault(answer, 405, 'OperationNotAllowedInCurrentState');
    assert.equal(answer.json.Message, "ErrorCode:OperationNotAllowedInCurrentState;Job cannot be cancelled in 'Running' status.");
    await assert.rejects(jobsOf(s.hub).cancelJob('runs'), (error) => /Job cannot be cancelled in 'Running' status/.test(error.message + error.responseBody));
    assert.equal((await s.rest.get('/jobs/v2/runs')).json.status, 'running');
  });
  it('a scheduled job is', async () => {
    await s.rest.put('/jobs/v2/later', later);
    await jobIn(s.rest, 'later', 'scheduled');
    assert.equal((await jobsOf(s.hub).cancelJob('later')).jobStatus.status, 'cancelled');
  });
  it('a policy is refused, not ignored: a limit must not silently be none', async () => {
    assertFault(await s.rest.put('/jobs/v2/paced', { ...later, policy: { pace: { devicesPerSecond: 1 } } }), 400, 'ArgumentInvalid', /--strict-azure/);
    assertFault(await s.rest.get('/jobs/v2/paced'), 404, 'JobNotFound');
    assert.equal((await s.rest.put('/jobs/v2/plain', { ...later, policy: null })).status, 200);
  });
  for (const [verb, call] of Object.entries({
    pause: () => s.rest.post('/jobs/v2/runs/pause'), resume: () => s.rest.post('/jobs/v2/runs/resume'),
    change: () => s.rest.patch('/jobs/v2/runs', { maxExecutionTimeInSeconds: 600 }), retry: () => s.rest.post('/jobs/v2/runs/retry'),
    preview: () => s.rest.post('/jobs/v2/preview', later), events: () => s.rest.get('/jobs/v2/runs/events'),
  })) {
    it(`${verb} is no verb`, async () => {
      const answer = await call();
      assert.ok([404, 405].includes(answer.status), answer.text);
      const job = (await s.rest.get('/jobs/v2/runs')).json;
      assert.deepEqual([job.maxExecutionTimeInSeconds, job.paused], [300, undefined]);
    });
  }
  it('EXPLAIN is no query', async () => assertFault(await s.rest.query('EXPLAIN SELECT * FROM devices'), 400, 'ArgumentInvalid'));
  it('a job shows no member that Azure has not', async () => {
    assert.deepEqual(Object.keys((await s.rest.get('/jobs/v2/runs')).json), [
      'jobId', 'queryCondition', 'createdTime', 'startTime', 'endTime', 'maxExecutionTimeInSeconds', 'type', 'cloudToDeviceMethod', 'status', 'deviceJobStatistics']);
  });
}, { args: ['--strict-azure'] });

withHub('muster serve --strict-azure --active-jobs-max 2', (s) => {
  it('scheduled jobs are active: the third is refused until one is cancelled', async () => {
    const later = { type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: {}, startTime: '2050-01-01T00:00:00Z' };
    for (const id of ['a', 'b']) {
      assert.equal((await s.rest.put(`/jobs/v2/${id}`, later)).status, 200);
      await jobIn(s.rest, id, 'scheduled');
    }
    assertFault(await s.rest.put('/jobs/v2/c', later), 429, 'ThrottlingMaxActiveJobCountExceeded');
    await s.rest.post('/jobs/v2/a/cancel');
    assert.equal((await s.rest.put('/jobs/v2/c', later)).status, 200);
  });
}, { args: ['--strict-azure', '--active-jobs-max', '2'] });
