// Every member of a job's policy, with devices that really answer: docs/jobs.md.
'use strict';
const assert = require('node:assert/strict');
const { after, before, it } = require('node:test');
const { jobIn, makeDevices, recordsOf } = require('./lib/jobs');
const { newDevice, onMethod, openClient } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

const TARGETS_MAX = 100000;
const REQUEST_MAX = 16 << 20;
const methodJob = (queryCondition, policy, more) => ({
  type: 'scheduleDeviceMethod', queryCondition, maxExecutionTimeInSeconds: 300,
  cloudToDeviceMethod: { methodName: 'work', responseTimeoutInSeconds: 5 }, ...(policy && { policy }), ...more,
});
const twinJob = (queryCondition, policy, more) => ({
  type: 'scheduleUpdateTwin', queryCondition, updateTwin: { tags: { seen: 1 } }, ...(policy && { policy }), ...more,
});
const listJob = (deviceIds, more) => twinJob(undefined, { targets: { deviceIds } }, more);
const counted = (job) => {
  const { deviceCount, failedCount, succeededCount } = job.deviceJobStatistics;
  return [deviceCount, succeededCount, failedCount];
};

withHub('the policy of a job', (s) => {
  const sites = { north: ['n-1', 'n-2', 'n-3', 'n-4'], south: ['s-1', 's-2', 's-3', 's-4'] };
  const siteOf = (id) => (id.startsWith('n') ? 'north' : 'south');
  const clients = {}, calls = {};
  let answer; // what devices do: (id, request) => {status, payload}, awaited
  const put = async (id, body) => {
    const created = await s.rest.put(`/jobs/v2/${id}`, body);
    assert.equal(created.status, 200, created.text);
  };

  before(async () => {
    for (const [site, ids] of Object.entries(sites))
      for (const id of ids) {
        const identity = await newDevice(s.hub, id);
        assert.equal((await s.rest.patch(`/twins/${id}`, { tags: { site } })).status, 200);
        clients[id] = await openClient(s.hub, identity, 'mqtt');
        calls[id] = onMethod(clients[id], 'work', (request) => answer(id, request));
      }
    for (const id of ['away-1', 'away-2']) await newDevice(s.hub, id);
    // The first answer tells that the hub knows of the subscriptions.
    answer = () => ({ status: 200, payload: null });
    await put('warm', methodJob('IS_DEFINED(tags.site)'));
    assert.deepEqual(counted(await jobIn(s.rest, 'warm')), [8, 8, 0]);
    for (const inbox of Object.values(calls)) inbox.items.length = 0;
  });
  after(() => Promise.all(Object.values(clients).map((client) => client.close())));

  it('retry: a device that rejects the first call is called again, and its record has the attempts', async () => {
    let called = 0;
    answer = () => (called++ === 0 ? { status: 503, payload: 'busy' } : { status: 200, payload: 'done' });
    await put('again', methodJob("deviceId = 'n-1'", { retry: { attempts: 3, on: ['rejected'], delayInSeconds: 0.1 } }));
    assert.deepEqual(counted(await jobIn(s.rest, 'again')), [1, 1, 0]);
    const [record] = await recordsOf(s.rest, 'again');
    assert.deepEqual([record.status, record.attempts], ['completed', 2]);
    assert.deepEqual(record.outcome.deviceMethodResponse, { status: 200, payload: 'done' });
    assert.equal(called, 2);
  });
  it('retry: after the last attempt the last answer counts, and nobody is called once more', async () => {
    let called = 0;
    answer = () => ({ status: 500, payload: ++called });
    await put('in-vain', methodJob("deviceId = 'n-1'", { retry: { attempts: 3, on: ['rejected'], delayInSeconds: 0.1, factor: 1 } }));
    const job = await jobIn(s.rest, 'in-vain');
    const [record] = await recordsOf(s.rest, 'in-vain');
    assert.deepEqual([record.attempts, record.outcome.deviceMethodResponse], [3, { status: 500, payload: 3 }]);
    assert.deepEqual(job.topFailures.map((f) => [f.code, f.count, f.exampleDeviceId]), [['Rejected', 1, 'n-1']]);
    assert.match(job.topFailures[0].message, /500/);
    assert.equal(called, 3);
  });

  it('perTag: never more than n in flight of one site, and that many of each', async () => {
    const busy = { north: 0, south: 0 }, most = { north: 0, south: 0 }, waiting = { north: [], south: [] };
    answer = async (id) => {
      const site = siteOf(id);
      most[site] = Math.max(most[site], ++busy[site]);
      // Nobody answers before its site has two calls: one at a time would end in a timeout.
      await new Promise((go) => {
        waiting[site].push(go);
        if (waiting[site].length === 2) waiting[site].splice(0).forEach((both) => both());
      });
      busy[site] -= 1;
      return { status: 200, payload: null };
    };
    await put('by-site', methodJob('IS_DEFINED(tags.site)', { perTag: { path: 'tags.site', devices: 2 } }));
    assert.deepEqual(counted(await jobIn(s.rest, 'by-site')), [8, 8, 0]);
    assert.deepEqual(most, { north: 2, south: 2 });
    assert.ok((await recordsOf(s.rest, 'by-site')).every((r) => r.attempts === undefined), 'one call each');
  });
  it('maxInFlight: never more than n in flight', async () => {
    let busy = 0, most = 0;
    answer = async () => {
      most = Math.max(most, ++busy);
      await new Promise(setImmediate);
      busy -= 1;
      return { status: 200, payload: null };
    };
    await put('one-by-one', methodJob('IS_DEFINED(tags.site)', { maxInFlight: 1 }));
    assert.deepEqual(counted(await jobIn(s.rest, 'one-by-one')), [8, 8, 0]);
    assert.equal(most, 1);
  });
  it('PATCH does not change what is fixed at the start', async () => {
    let go;
    answer = () => new Promise((resolve) => (go = () => resolve({ status: 200, payload: null })));
    await put('fixed', methodJob("deviceId = 'n-1'", { perTag: { path: 'tags.site', devices: 1 } }));
    await until(() => go, 'the device is called');
    for (const policy of [{ perTag: { path: 'tags.site', devices: 2 } }, { perTag: null }, { sample: { devices: 1 } },
      { guard: { devices: 1 } }, { offline: 'skip' }, { targets: { deviceIds: ['n-1'] } }])
      assertFault(await s.rest.patch('/jobs/v2/fixed', { policy }), 400, 'ArgumentInvalid', new RegExp(`policy\\.${Object.keys(policy)[0]} .*start`));
    assert.deepEqual((await s.rest.get('/jobs/v2/fixed')).json.policy, { perTag: { path: 'tags.site', devices: 1 } });
    go();
    assert.deepEqual(counted(await jobIn(s.rest, 'fixed')), [1, 1, 0]);
  });

  it('deviceTimeoutInSeconds: a call in flight is given up, and nobody tries again', async () => {
    let called = 0;
    answer = () => {
      called += 1;
      return new Promise(() => {});
    };
    await put('deaf', methodJob("deviceId = 'n-2'", { deviceTimeoutInSeconds: 1, retry: { attempts: 5, on: ['timedOut'], delayInSeconds: 0.1 } },
      { cloudToDeviceMethod: { methodName: 'work', responseTimeoutInSeconds: 200 } }));
    const job = await jobIn(s.rest, 'deaf');
    assert.deepEqual(counted(job), [1, 0, 1]);
    const [record] = await recordsOf(s.rest, 'deaf');
    assert.deepEqual([record.status, record.error.code, called], ['failed', 'GatewayTimeout', 1]);
    assert.deepEqual(job.topFailures.map((f) => [f.code, f.count, f.exampleDeviceId]), [['GatewayTimeout', 1, 'n-2']]);
    assert.ok(Date.parse(job.endTime) - Date.parse(job.startTime) < 100e3, 'not the timeout of the call');
  });

  it('abort: the job breaks, says which rule at what numbers, and leaves the rest alone', async () => {
    let called = 0;
    answer = () => ({ status: 500, payload: ++called });
    await put('breaks', methodJob('IS_DEFINED(tags.site)', { maxInFlight: 1, abort: [{ on: 'rejected', percent: 50, minimumDevices: 2 }] }));
    const job = await jobIn(s.rest, 'breaks');
    assert.equal(job.status, 'failed');
    assert.match(job.failureReason, /2 of 2 finished devices.*400 or more \(100 %\).*50 %/);
    assert.equal(called, 2);
    assert.equal((await recordsOf(s.rest, 'breaks')).filter((r) => r.status === 'canceled').length, 6);
  });

  it('while it runs: rate, and an end at that rate', async () => {
    await put('paced', twinJob('*', { pace: { devicesPerSecond: 5 } }));
    const job = await until(async () => {
      const { json } = await s.rest.get('/jobs/v2/paced');
      return json.devicesPerSecond > 0 && json;
    }, 'a rate is shown');
    assert.ok(job.devicesPerSecond <= 10, `${job.devicesPerSecond} of 5`);
    assert.ok(Date.parse(job.estimatedEndTime) > Date.parse(job.startTime), job.estimatedEndTime);
    const done = await jobIn(s.rest, 'paced');
    assert.deepEqual([done.devicesPerSecond, done.estimatedEndTime, done.topFailures], [undefined, undefined, undefined]);
  });

  // A hub that has just started gives devices half a minute to come back: the last of these tests.
  it('offline: skip leaves out who is away, fail fails them, both at once', async () => {
    answer = () => ({ status: 200, payload: null });
    const condition = "deviceId IN ['n-1', 'away-1', 'away-2']";
    await put('skips', methodJob(condition, { offline: 'skip' }));
    await put('fails', methodJob(condition, { offline: 'fail' }));
    assert.deepEqual(counted(await jobIn(s.rest, 'skips')), [3, 1, 2]);
    const told = (records) => records.map((r) => [r.deviceId, r.status, r.error?.code]);
    assert.deepEqual(told(await recordsOf(s.rest, 'skips')),
      [['n-1', 'completed', undefined], ['away-1', 'canceled', 'DeviceNotOnline'], ['away-2', 'canceled', 'DeviceNotOnline']]);
    const failed = await jobIn(s.rest, 'fails');
    assert.deepEqual(counted(failed), [3, 1, 2]);
    assert.deepEqual(told(await recordsOf(s.rest, 'fails')),
      [['n-1', 'completed', undefined], ['away-1', 'failed', 'DeviceNotOnline'], ['away-2', 'failed', 'DeviceNotOnline']]);
    assert.deepEqual(failed.topFailures.map((f) => [f.code, f.count, f.exampleDeviceId]), [['DeviceNotOnline', 2, 'away-1']]);
  });
});

withHub('the targets of a job', (s) => {
  const ids = Array.from({ length: 990 }, (_, i) => `t-${String(i).padStart(3, '0')}`);
  const unknown = Array.from({ length: 10 }, (_, i) => `nobody-${i}`);
  const late = { startTime: '2020-01-01T00:00:00Z', maxExecutionTimeInSeconds: 60 }; // its window is over: all fail
  before(async () => {
    await makeDevices(s.rest, ids);
    await s.rest.patch('/twins/t-000', { tags: { site: 'north' }, properties: { desired: { interval: 60, old: 1 } } });
  });

  it('a list of 1,000 ids: those that are not there are counted', async () => {
    assert.equal((await s.rest.put('/jobs/v2/list', listJob([...ids, ...unknown]))).status, 200);
    const job = await jobIn(s.rest, 'list');
    assert.deepEqual(counted(job), [990, 990, 0]);
    assert.equal(job.devicesNotFound, 10);
    assert.deepEqual([job.queryCondition, job.policy], ['', { targets: { deviceIds: 1000 } }]);
  });
  it('a job that nobody fails cannot be retried, nor one that runs', async () => {
    assertFault(await s.rest.post('/jobs/v2/list/retry'), 400, 'ArgumentInvalid', /fail/);
    await s.rest.put('/jobs/v2/runs', methodJob('*'));
    await jobIn(s.rest, 'runs', 'running');
    assertFault(await s.rest.post('/jobs/v2/runs/retry'), 405, 'OperationNotAllowedInCurrentState');
    await s.rest.post('/jobs/v2/runs/cancel');
    assertFault(await s.rest.post('/jobs/v2/nobody/retry'), 404, 'JobNotFound');
  });
  it('failedOf: those that failed in an earlier job, when it has ended', async () => {
    await s.rest.put('/jobs/v2/missed', listJob(ids.slice(0, 7), late));
    assert.deepEqual(counted(await jobIn(s.rest, 'missed')), [7, 0, 7]);
    await s.rest.delete('/devices/t-006');
    await s.rest.put('/jobs/v2/once-more', twinJob(undefined, { targets: { failedOf: 'missed' } }));
    const job = await jobIn(s.rest, 'once-more');
    assert.deepEqual([counted(job), job.devicesNotFound], [[6, 6, 0], 1]);
    assertFault(await s.rest.put('/jobs/v2/of-nothing', twinJob(undefined, { targets: { failedOf: 'no-such-job' } })), 404, 'JobNotFound', /no-such-job/);
  });
  it('retry: a child for those that failed, and the parent stays as it is', async () => {
    await s.rest.put('/jobs/v2/parent', twinJob("deviceId IN ['t-001', 't-002']", { pace: { devicesPerSecond: 100 } }, late));
    const parent = await jobIn(s.rest, 'parent'), records = await recordsOf(s.rest, 'parent');
    assert.deepEqual(parent.topFailures.map((f) => [f.code, f.count, f.exampleDeviceId]), [['JobRunPreconditionFailed', 2, records[0].deviceId]]);
    const retried = await s.rest.post('/jobs/v2/parent/retry', { maxExecutionTimeInSeconds: 600 });
    assert.equal(retried.status, 200, retried.text);
    const { jobId, parentJobId, maxExecutionTimeInSeconds, policy } = retried.json;
    assert.deepEqual({ jobId, parentJobId, maxExecutionTimeInSeconds, policy }, {
      jobId: 'parent-r2', parentJobId: 'parent', maxExecutionTimeInSeconds: 600,
      policy: { pace: { devicesPerSecond: 100 }, targets: { failedOf: 'parent' } },
    });
    assert.deepEqual(counted(await jobIn(s.rest, 'parent-r2')), [2, 2, 0]);
    assert.deepEqual((await recordsOf(s.rest, 'parent-r2')).map((r) => r.deviceId), records.map((r) => r.deviceId));
    assert.deepEqual((await s.rest.get('/jobs/v2/parent')).json, parent);
    assert.equal((await s.rest.post('/jobs/v2/parent/retry')).json.jobId, 'parent-r3', 'sent twice it makes two');
    await jobIn(s.rest, 'parent-r3');
  });

  it('preview: who, what and how long, and nothing changes', async () => {
    await s.rest.put('/jobs/v2/others', methodJob("deviceId IN ['t-000', 't-001', 't-500']"));
    await s.rest.put('/jobs/v2/waits', twinJob("deviceId = 't-000'", null, { startTime: '2099-01-01T00:00:00Z' }));
    await jobIn(s.rest, 'others', 'running');
    await jobIn(s.rest, 'waits', 'scheduled');
    const twin = (await s.rest.get('/twins/t-000')).json;
    const list = (await s.rest.get('/jobs/v2/query')).text;
    const body = listJob(['t-000', 't-001', 'nobody'], { updateTwin: { tags: { line: 1 }, properties: { desired: { interval: 30, old: null } } } });
    body.policy.pace = { devicesPerSecond: 0.5 };
    body.policy.guard = { devices: 1 };
    const { status, json } = await s.rest.post('/jobs/v2/preview', body);
    assert.equal(status, 200);
    assert.deepEqual({ ...json, sample: json.sample.sort(), twinPatch: json.twinPatch.find((t) => t.deviceId === 't-000'), guard: undefined }, {
      targets: 2, fleet: 989, connected: 0, devicesNotFound: 1, sample: ['t-000', 't-001'],
      twinPatch: {
        deviceId: 't-000',
        before: { tags: { site: 'north', seen: 1 }, desired: { interval: 60, old: 1 } },
        after: { tags: { site: 'north', seen: 1, line: 1 }, desired: { interval: 30 } },
      },
      guard: undefined,
      expectedDurationInSeconds: 4,
      unfinishedJobs: [
        { jobId: 'waits', type: 'scheduleUpdateTwin', status: 'scheduled', devices: 1, estimate: true },
        { jobId: 'others', type: 'scheduleDeviceMethod', status: 'running', devices: 2 },
      ],
    });
    assert.equal(json.twinPatch.length, 2);
    assert.match(json.guard, /2 devices, the policy allows 1/);
    assert.deepEqual((await s.rest.get('/twins/t-000')).json, twin);
    assert.equal((await s.rest.get('/jobs/v2/query')).text, list);
    assertFault(await s.rest.get('/jobs/v2/preview'), 404, 'JobNotFound');
    assertFault(await s.rest.post('/jobs/v2/preview', twinJob('tags.site =')), 400, 'ArgumentInvalid', /queryCondition/);
  });

  it(`a list has up to ${TARGETS_MAX} ids`, async () => {
    const many = Array.from({ length: TARGETS_MAX }, (_, i) => `m-${i}`);
    many[7] = 't-007';
    assert.equal((await s.rest.put('/jobs/v2/many', listJob(many))).status, 200);
    const job = await jobIn(s.rest, 'many');
    assert.deepEqual([counted(job), job.devicesNotFound, job.policy.targets.deviceIds], [[1, 1, 0], TARGETS_MAX - 1, TARGETS_MAX]);
    many.push('one-too-many');
    assertFault(await s.rest.put('/jobs/v2/too-many', listJob(many)), 400, 'ArgumentInvalid', /policy\.targets\.deviceIds.*100000/);
    assertFault(await s.rest.get('/jobs/v2/too-many'), 404, 'JobNotFound');
  });
  it('a request has up to 16 MiB', async () => {
    const padded = (size) => {
      const text = JSON.stringify(listJob(['t-000']));
      return text + ' '.repeat(size - text.length);
    };
    assert.equal((await s.rest.put('/jobs/v2/large', padded(REQUEST_MAX))).status, 200);
    assertFault(await s.rest.put('/jobs/v2/larger', padded(REQUEST_MAX + 1)), 413, 'MessageTooLarge');
    assertFault(await s.rest.get('/jobs/v2/larger'), 404, 'JobNotFound');
  });
  it('a list is wrong where it says', async () => {
    for (const [targets, text] of [
      [{ deviceIds: [] }, /policy\.targets\.deviceIds/], [{ deviceIds: 'a' }, /policy\.targets\.deviceIds/], [{ deviceIds: ['a', 7] }, /policy\.targets\.deviceIds/],
      [{ deviceIds: ['no spaces'] }, /policy\.targets\.deviceIds/], [{ failedOf: 'no spaces' }, /policy\.targets\.failedOf/], [{}, /policy\.targets/],
      [{ deviceIds: ['a'], failedOf: 'b' }, /policy\.targets/],
    ]) assertFault(await s.rest.put('/jobs/v2/wrong', twinJob(undefined, { targets })), 400, 'ArgumentInvalid', text);
    assertFault(await s.rest.put('/jobs/v2/wrong', twinJob('*', { targets: { deviceIds: ['a'] } })), 400, 'ArgumentInvalid', /exclude each other/);
  });
});
