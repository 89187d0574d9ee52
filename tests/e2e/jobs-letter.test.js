// The letter of docs/spec/jobs.md where the wire matters: order of checks, exact texts, paging, records.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { allRows, jobIn, makeDevices, recordsOf } = require('./lib/jobs');
const { Rest } = require('./lib/http');
const { RawMqtt } = require('./lib/mqtt');
const { jobsOf, newDevice, onMethod, openClient } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

const NOT_YET = '9999-12-31T23:59:59.9999999Z';
const twinJob = (more) => ({ type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { etag: '*', tags: { a: 1 } }, ...more });
const methodJob = (more) => ({
  type: 'scheduleDeviceMethod', queryCondition: '*', maxExecutionTimeInSeconds: 300,
  cloudToDeviceMethod: { methodName: 'm', responseTimeoutInSeconds: 5 }, ...more,
});
const later = '2050-01-01T00:00:00Z';
const JOB_WORDS = ['type', 'createdTime', 'startTime', 'endTime', 'failureReason', 'statusMessage'];
const RECORD_WORDS = ['jobType', 'createdDateTimeUtc', 'startTimeUtc', 'endTimeUtc', 'lastUpdatedDateTimeUtc', 'error', 'outcome'];

withHub('2.7: checks at creation, on the wire', (s) => {
  it('the right is looked at before the body', async () => {
    const answer = await s.rest.put('/jobs/v2/x', '{ this is no JSON', { auth: null });
    assertFault(answer, 401, answer.headers['iothub-errorcode']);
    const device = new Rest(s.hub, 'device');
    assert.equal((await device.put('/jobs/v2/x', '{ this is no JSON')).status, 401);
    device.close();
  });
  it('JSON before its members, the type before the condition, the condition before the body', async () => {
    assertFault(await s.rest.put('/jobs/v2/x', '[{"type":"no"}]'), 400, 'IotHubFormatError');
    assertFault(await s.rest.put('/jobs/v2/x', { type: 'no', queryCondition: '(' }), 400, 'GenericBadRequest', /^BadRequest$/);
    assertFault(await s.rest.put('/jobs/v2/x', twinJob({ queryCondition: '(', updateTwin: 1 })), 400, 'ArgumentInvalid', /queryCondition/);
  });
  it('the body before the id in use, the id in use before a further job', async () => {
    await s.rest.put('/jobs/v2/taken', twinJob({ startTime: later }));
    assertFault(await s.rest.put('/jobs/v2/taken', twinJob({ updateTwin: { tags: 1 } })), 400, 'ArgumentInvalid');
    assertFault(await s.rest.put('/jobs/v2/taken', twinJob({ startTime: later })), 409, 'JobAlreadyExists');
  });
  it('3: a job on modules is accepted, and with none to be found it is complete', async () => {
    const answer = await s.rest.put('/jobs/v2/modules', methodJob({ queryCondition: "FROM devices.modules WHERE moduleId = 'm'" }));
    assert.deepEqual(answer.json, { jobId: 'modules', type: 'scheduleDeviceMethod', status: 'queued' });
    const { deviceJobStatistics } = await jobIn(s.rest, 'modules', 'completed');
    assert.equal(deviceJobStatistics.deviceCount, 0);
  });
});

withHub('11: the limit of active jobs', (s) => {
  it('refuses the second at creation with 429004; a scheduled one does not count; the end of the first makes room', async () => {
    await makeDevices(s.rest, ['d']);
    await s.rest.put('/jobs/v2/later', twinJob({ startTime: later }));
    await jobIn(s.rest, 'later', 'scheduled');
    assert.equal((await s.rest.put('/jobs/v2/first', methodJob())).status, 200);
    const refused = await s.rest.put('/jobs/v2/second', methodJob());
    assertFault(refused, 429, 'ThrottlingMaxActiveJobCountExceeded');
    assertFault(await s.rest.get('/jobs/v2/second'), 404, 'JobNotFound');
    await assert.rejects(jobsOf(s.hub).scheduleDeviceMethod('second', '*', { methodName: 'm' }, new Date(), 60), (e) => e.response.statusCode === 429);
    await s.rest.post('/jobs/v2/first/cancel');
    assert.equal((await s.rest.put('/jobs/v2/second', methodJob())).status, 200);
  });
}, { args: ['--active-jobs-max', '1'] });

withHub('2.2, 6, 10: answers, to the letter', (s) => {
  before(() => makeDevices(s.rest, ['d']));
  it('PUT answers the 65 bytes of the documentation', async () => {
    const answer = await s.rest.put('/jobs/v2/job01', methodJob({ startTime: later }));
    assert.equal(answer.text, '{"jobId":"job01","type":"scheduleDeviceMethod","status":"queued"}');
    assert.equal(answer.headers['content-length'], '65');
    assert.match(answer.headers['content-type'], /^application\/json; charset=utf-8$/i);
    assert.match(answer.headers['x-ms-request-id'], /^[0-9a-f-]{36}$/i);
  });
  it('a job can be read at once', async () => {
    for (let i = 0; i < 20; i++) {
      await s.rest.put(`/jobs/v2/at-once-${i}`, twinJob());
      assert.equal((await s.rest.get(`/jobs/v2/at-once-${i}`)).status, 200);
    }
  });
  it('queued, running or completed is what an immediate job shows, scheduled never', async () => {
    await s.rest.put('/jobs/v2/words', twinJob());
    await until(async () => {
      const { status } = (await s.rest.get('/jobs/v2/words')).json;
      assert.ok(['queued', 'running', 'completed'].includes(status), status);
      return status === 'completed';
    }, 'it completes');
  });
  it('queryCondition and the body come back exactly as sent', async () => {
    const condition = "  DeviceId  in [ 'd' ]  and  status = 'enabled' ";
    const updateTwin = { etag: '*', properties: { desired: { b: [1, { c: 2 }], a: 'ä' } } };
    const made = await s.rest.put('/jobs/v2/echo', twinJob({ queryCondition: condition, updateTwin }));
    assert.equal(made.status, 200, made.text);
    const { json } = await s.rest.get('/jobs/v2/echo');
    assert.equal(json.queryCondition, condition);
    assert.deepEqual(json.updateTwin, updateTwin);
    assert.equal(json.cloudToDeviceMethod, undefined);
  });
  it('cancel takes no body, null, {} and text', async () => {
    for (const [i, body] of [undefined, 'null', '{}', 'whatever'].entries()) {
      await s.rest.put(`/jobs/v2/cancel-${i}`, twinJob({ startTime: later }));
      const answer = await s.rest.post(`/jobs/v2/cancel-${i}/cancel`, body);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.status, 'cancelled');
    }
  });
  it('a cancelled job stays readable, keeps its id, and can be cancelled only once', async () => {
    assert.equal((await s.rest.get('/jobs/v2/cancel-0')).json.status, 'cancelled');
    assertFault(await s.rest.put('/jobs/v2/cancel-0', twinJob()), 409, 'JobAlreadyExists');
    const again = await s.rest.post('/jobs/v2/cancel-0/cancel');
    assertFault(again, 405, 'OperationNotAllowedInCurrentState');
    assert.equal(again.json.Message, "ErrorCode:OperationNotAllowedInCurrentState;Job cannot be cancelled in 'Cancelled' status.");
  });
  it('cancel of a running job: open records become canceled, the call in flight finishes and counts', async () => {
    const device = await newDevice(s.hub, 'busy');
    const client = await RawMqtt.connect(s.hub, device, { clean: true });
    await client.subscribe('$iothub/methods/POST/#');
    await s.rest.put('/jobs/v2/stop', methodJob({ queryCondition: "deviceId IN ['d','busy']" }));
    const { topic } = await client.message();
    const { json } = await s.rest.post('/jobs/v2/stop/cancel');
    assert.equal(json.status, 'cancelled');
    await client.publish(`$iothub/methods/res/200/?$rid=${/\$rid=([0-9a-f]+)$/.exec(topic)[1]}`, '1');
    await until(async () => (await s.rest.get('/jobs/v2/stop')).json.deviceJobStatistics.runningCount === 0, 'the answer counts');
    const records = await recordsOf(s.rest, 'stop');
    assert.deepEqual(records.map((r) => [r.deviceId, r.status]).sort(), [['busy', 'completed'], ['d', 'canceled']]);
    assert.deepEqual(records.find((r) => r.deviceId === 'd').outcome, {});
    assert.deepEqual((await s.rest.get('/jobs/v2/stop')).json.deviceJobStatistics,
      { deviceCount: 2, failedCount: 1, succeededCount: 1, runningCount: 0, pendingCount: 0 });
    await client.bye();
  });
  it('jobs and records never mix their names for the same thing', async () => {
    const job = await jobIn(s.rest, 'echo');
    const [record] = await recordsOf(s.rest, 'echo');
    for (const name of RECORD_WORDS) assert.ok(!(name in job), `a job has no ${name}`);
    for (const name of JOB_WORDS) assert.ok(!(name in record), `a record has no ${name}`);
    assert.ok(!('cloudToDeviceMethod' in record), 'Java would misread it');
  });
  it('deviceId and parentJobId are not shown for a job', async () => {
    const job = (await s.rest.get('/jobs/v2/echo')).json;
    assert.ok(!('deviceId' in job) && !('parentJobId' in job) && !('failureReason' in job));
  });
  it('endTime is the real one when final, until then that of the year 9999', async () => {
    assert.equal((await s.rest.get('/jobs/v2/job01')).json.endTime, NOT_YET);
    const done = await jobIn(s.rest, 'echo');
    assert.ok(Date.parse(done.endTime) - Date.parse(done.createdTime) < 60000, done.endTime);
    const [record] = await recordsOf(s.rest, 'echo');
    assert.equal(Date.parse(record.endTimeUtc) - Date.parse(record.startTimeUtc), 3600e3, 'the planned end of the window');
  });
});

withHub('13: what the SDKs\' own tests demand', (s) => {
  it('Java: 3 jobs in parallel on one device, window 15 s, response timeout 120 s', async () => {
    const identity = await newDevice(s.hub, 'java');
    const client = await openClient(s.hub, identity, 'mqtt');
    const calls = onMethod(client, 'm', () => ({ status: 200, payload: 'done' }));
    const ids = ['j1', 'j2', 'j3'];
    const made = await Promise.all(ids.map((id) => s.rest.put(`/jobs/v2/${id}`, methodJob({
      queryCondition: "DeviceId IN ['java']", maxExecutionTimeInSeconds: 15,
      cloudToDeviceMethod: { methodName: 'm', responseTimeoutInSeconds: 120, connectTimeoutInSeconds: 5, payload: { a: 1 } } }))));
    assert.deepEqual(made.map((m) => m.status), [200, 200, 200]);
    for (const id of ids) {
      assert.equal((await jobIn(s.rest, id)).status, 'completed');
      const rows = await allRows(s.rest, `SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${id}' AND devices.jobs.jobType = 'scheduleDeviceMethod'`);
      assert.deepEqual(rows.map((r) => [r.status, r.outcome]), [['completed', { deviceMethodResponse: { status: 200, payload: 'done' } }]], 'at once');
      await calls.next();
    }
    await client.close();
  });
  it('Java: cancel a job in three minutes, next to an immediate one', async () => {
    await s.rest.put('/jobs/v2/in180', methodJob({ startTime: new Date(Date.now() + 180e3).toISOString() }));
    await s.rest.put('/jobs/v2/now', twinJob());
    assert.equal((await s.rest.post('/jobs/v2/in180/cancel', '{}')).json.status, 'cancelled');
    assert.equal((await jobIn(s.rest, 'now')).status, 'completed');
  });
  it('CLI: a start in 6 days is scheduled, its cancel answers cancelled, the list has it', async () => {
    await s.rest.put('/jobs/v2/cli', twinJob({ startTime: new Date(Date.now() + 6 * 86400e3).toISOString() }));
    await jobIn(s.rest, 'cli', 'scheduled');
    assert.equal((await s.rest.post('/jobs/v2/cli/cancel')).json.status, 'cancelled');
    assert.ok((await s.rest.get('/jobs/v2/query')).json.some((j) => j.jobId === 'cli'));
  });
  it('Go: a condition that nobody matches, in a minute: made, read, listed, cancelled', async () => {
    await s.rest.put('/jobs/v2/go', twinJob({ queryCondition: "deviceId = 'nobody'", startTime: new Date(Date.now() + 60e3).toISOString() }));
    assert.equal((await s.rest.get('/jobs/v2/go')).status, 200);
    assert.ok((await s.rest.get('/jobs/v2/query')).json.some((j) => j.jobId === 'go'));
    assert.equal((await jobsOf(s.hub).cancelJob('go')).jobStatus.status, 'cancelled');
  });
});

withHub('9: pages of the list', (s) => {
  const COUNT = 230;
  before(async () => {
    for (let i = 0; i < COUNT; i++) {
      const body = i % 2 ? twinJob({ startTime: later }) : methodJob({ startTime: later });
      assert.equal((await s.rest.put(`/jobs/v2/l-${String(i).padStart(3, '0')}`, body)).status, 200);
    }
    await jobIn(s.rest, `l-${COUNT - 1}`, 'scheduled');
  });
  async function pages(query, max) {
    const sizes = [], ids = [];
    for (let token; ;) {
      const answer = await s.rest.get(`/jobs/v2/query${query}`, { headers: { ...(max !== undefined && { 'x-ms-max-item-count': String(max) }), ...(token && { 'x-ms-continuation': token }) } });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers['x-ms-item-type'], 'JobResponse');
      sizes.push(answer.json.length);
      ids.push(...answer.json.map((j) => j.jobId));
      token = answer.headers['x-ms-continuation'];
      if (token === undefined) return { sizes, ids };
    }
  }
  it('100 a page, newest first, each once', async () => {
    const { sizes, ids } = await pages('');
    assert.deepEqual(sizes, [100, 100, 30]);
    assert.deepEqual(ids, Array.from({ length: COUNT }, (_, i) => `l-${String(COUNT - 1 - i).padStart(3, '0')}`));
  });
  for (const [max, sizes] of [[1, null], [99, [99, 99, 32]], [115, [100, 100, 30]], [0, [100, 100, 30]], ['many', [100, 100, 30]]]) {
    it(`a page of ${max}`, async () => {
      const seen = await pages('', max);
      assert.deepEqual(seen.sizes, sizes || Array(COUNT).fill(1));
      assert.equal(new Set(seen.ids).size, COUNT);
    });
  }
  it('filters and pages together', async () => {
    const { sizes, ids } = await pages('?jobType=scheduleupdatetwin&jobStatus=SCHEDULED', 50);
    assert.deepEqual(sizes, [50, 50, 15]);
    assert.ok(ids.every((id) => Number(id.slice(2)) % 2 === 1));
  });
  it('a page that is full to the last job has no token behind it', async () => {
    assert.deepEqual((await pages('?jobType=scheduleUpdateTwin', 23)).sizes, [23, 23, 23, 23, 23]);
  });
  it('a token belongs to its filter', async () => {
    const first = await s.rest.get('/jobs/v2/query', { headers: { 'x-ms-max-item-count': '5' } });
    const token = first.headers['x-ms-continuation'];
    assertFault(await s.rest.get('/jobs/v2/query?jobStatus=scheduled', { headers: { 'x-ms-continuation': token } }), 400, 'ArgumentInvalid');
  });
  it('a job that is made between two pages does not shift them', async () => {
    const first = await s.rest.get('/jobs/v2/query', { headers: { 'x-ms-max-item-count': '5' } });
    await s.rest.put('/jobs/v2/between', twinJob({ startTime: later }));
    const second = await s.rest.get('/jobs/v2/query', { headers: { 'x-ms-max-item-count': '5', 'x-ms-continuation': first.headers['x-ms-continuation'] } });
    assert.deepEqual([...first.json, ...second.json].map((j) => j.jobId), Array.from({ length: 10 }, (_, i) => `l-${COUNT - 1 - i}`));
  });
  it('enqueued is queued: an array, items with createdTime and statistics', async () => {
    const answer = await s.rest.get('/jobs/v2/query?jobStatus=enqueued');
    assert.equal(answer.status, 200);
    assert.ok(Array.isArray(answer.json));
    for (const job of (await s.rest.get('/jobs/v2/query?jobStatus=scheduled')).json) {
      for (const name of ['jobId', 'type', 'createdTime', 'status', 'deviceJobStatistics']) assert.ok(name in job, name);
    }
  });
  it('the SDK walks the pages', async () => {
    const query = jobsOf(s.hub).createQuery('scheduleDeviceMethod', 'scheduled', 60);
    const seen = [];
    /* Without its argument, next() of a promise forgets the token: a bug of the client. */
    for (let page = 0; query.hasMoreResults && page < 3; page++) seen.push(...(await query.next(query.continuationToken)).result.map((j) => j.jobId));
    assert.equal(query.hasMoreResults, false);
    assert.equal(seen.length, COUNT / 2);
  });
});

withHub('8: records that a page of filters finds', (s) => {
  before(async () => {
    await makeDevices(s.rest, Array.from({ length: 130 }, (_, i) => `r${i}`));
    await s.rest.put('/jobs/v2/many', twinJob());
    await jobIn(s.rest, 'many');
    await s.rest.put('/jobs/v2/waits', methodJob({ queryCondition: "deviceId IN ['r1','r2']" }));
    await jobIn(s.rest, 'waits', 'running');
    await s.rest.put('/jobs/v2/off', twinJob({ startTime: later }));
  });
  const count = async (where) => (await allRows(s.rest, `SELECT * FROM devices.jobs WHERE ${where}`)).length;
  const filters = [
    ["devices.jobs.status = 'pending'", 2], ["devices.jobs.status = 'completed'", 130], ["devices.jobs.status = 'Canceled'", 0],
    ["devices.jobs.status = 'scheduled'", 0], ["devices.jobs.jobType = 'scheduleDeviceMethod'", 2], ["devices.jobs.jobId = 'off'", 0],
    ["devices.jobs.jobId = 'many' AND devices.jobs.deviceId = 'r7'", 1], ["devices.jobs.jobId = 'none'", 0],
    ["devices.jobs.deviceId IN ['r1','r2'] AND devices.jobs.status != 'completed'", 2],
  ];
  for (const [where, want] of filters) it(where, async () => assert.equal(await count(where), want));
  it('a page has 100 records at most, and the default is 100', async () => {
    const first = await s.rest.query("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'many'");
    assert.equal(first.json.length, 100);
    assert.equal(first.headers['x-ms-item-type'], 'DeviceJob');
    assert.ok(first.headers['x-ms-continuation']);
  });
  it('what waits has the window, no outcome, no error', async () => {
    const [record] = await allRows(s.rest, "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'waits' AND devices.jobs.deviceId = 'r1'");
    assert.deepEqual(Object.keys(record), ['deviceId', 'jobId', 'jobType', 'status', 'startTimeUtc', 'endTimeUtc', 'createdDateTimeUtc', 'lastUpdatedDateTimeUtc']);
    assert.equal(Date.parse(record.endTimeUtc) - Date.parse(record.startTimeUtc), 300e3);
    assert.ok(record.createdDateTimeUtc >= record.startTimeUtc);
  });
});
