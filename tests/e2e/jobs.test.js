// Jobs as the tutorial runs them, with the Node JobClient: docs/spec/jobs.md.
'use strict';
const assert = require('node:assert/strict');
const { before, it, test } = require('node:test');
const { allRows, jobIn, makeDevices, recordsOf } = require('./lib/jobs');
const { RawMqtt } = require('./lib/mqtt');
const { TRANSPORTS, jobsOf, newDevice, onMethod, openClient, openTwin, registryOf } = require('./lib/sdk');
const { assertFault, sdkError, withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/;
const NOT_YET = '9999-12-31T23:59:59.9999999Z';
const MEMBERS = ['jobId', 'queryCondition', 'createdTime', 'startTime', 'endTime', 'maxExecutionTimeInSeconds', 'type'];
const counts = (deviceCount, more) => ({ deviceCount, failedCount: 0, succeededCount: 0, runningCount: 0, pendingCount: 0, ...more });
const inHours = (hours) => new Date(Date.now() + hours * 3600e3);
const hasRid = (topic) => /\$rid=([0-9a-f]+)$/.exec(topic)[1];

for (const transport of Object.keys(TRANSPORTS)) {
  withHub(`the jobs tutorial, ${transport}`, (s) => {
    const online = ['dev-1', 'dev-2', 'dev-3'];
    const clients = {}, twins = {}, calls = {};
    let jobs;
    before(async () => {
      jobs = jobsOf(s.hub);
      for (const id of online) {
        const identity = await newDevice(s.hub, id);
        await registryOf(s.hub).updateTwin(id, { tags: { building: '43' } }, '*');
        clients[id] = await openClient(s.hub, identity, transport);
        calls[id] = onMethod(clients[id], 'reboot', (request) => ({ status: id === 'dev-2' ? 404 : 200, payload: { was: request.payload } }));
        twins[id] = await openTwin(clients[id]);
        await twins[id].desired.next();
      }
      await newDevice(s.hub, 'elsewhere');
    });

    it('a twin job reaches the twin and the device', async () => {
      const patch = { etag: '*', tags: { line: 'A' }, properties: { desired: { color: 'red', old: null } } };
      const { jobStatus } = await jobs.scheduleTwinUpdate('paint-red-1', "tags.building = '43'", patch, new Date(), 300);
      assert.deepEqual(jobStatus, { jobId: 'paint-red-1', type: 'scheduleUpdateTwin', status: 'queued' });
      const job = await jobIn(s.rest, 'paint-red-1');
      assert.equal(job.status, 'completed');
      assert.deepEqual(job.deviceJobStatistics, counts(3, { succeededCount: 3 }));
      assert.deepEqual(job.updateTwin, patch, 'echoed as sent');
      for (const id of online) {
        const heard = await twins[id].desired.next();
        assert.deepEqual(heard, { color: 'red', old: null, $version: heard.$version });
        const twin = (await s.rest.get(`/twins/${id}`)).json;
        assert.deepEqual(twin.tags, { building: '43', line: 'A' });
        assert.equal(twin.properties.desired.color, 'red');
      }
      assert.equal((await s.rest.get('/twins/elsewhere')).json.version, 2, 'who does not match is left alone');
    });

    it('its records say completed, one per device', async () => {
      const records = await recordsOf(s.rest, 'paint-red-1');
      assert.deepEqual(records.map((r) => r.deviceId), online);
      for (const r of records) {
        assert.equal(r.jobType, 'scheduleUpdateTwin');
        assert.equal(r.status, 'completed');
        assert.ok([{}, { deviceMethodResponse: null }].some((o) => JSON.stringify(o) === JSON.stringify(r.outcome)));
        assert.equal(Date.parse(r.endTimeUtc) - Date.parse(r.startTimeUtc), 300e3);
        for (const name of ['startTimeUtc', 'endTimeUtc', 'createdDateTimeUtc', 'lastUpdatedDateTimeUtc']) assert.match(r[name], TIME);
        assert.equal(r.error, undefined);
      }
    });

    it('a method job calls each device once and keeps what it said', async () => {
      const method = { methodName: 'reboot', payload: { delay: 5 }, responseTimeoutInSeconds: 30 };
      const { jobStatus } = await jobs.scheduleDeviceMethod('reboot-1', "deviceId IN ['dev-1','dev-2','dev-3','dev-3','nobody']", method, new Date(), 300);
      assert.deepEqual(jobStatus, { jobId: 'reboot-1', type: 'scheduleDeviceMethod', status: 'queued' });
      const job = await jobIn(s.rest, 'reboot-1');
      assert.equal(job.status, 'completed');
      assert.deepEqual(job.deviceJobStatistics, counts(3, { succeededCount: 3 }));
      for (const id of online) {
        assert.deepEqual((await calls[id].next()).payload, { delay: 5 });
        assert.equal(calls[id].items.length, 0);
      }
      const records = await recordsOf(s.rest, 'reboot-1');
      assert.deepEqual(records.map((r) => [r.deviceId, r.status, r.outcome.deviceMethodResponse.status]),
        [['dev-1', 'completed', 200], ['dev-2', 'completed', 404], ['dev-3', 'completed', 200]], 'any answer is an answer');
      assert.deepEqual(records[0].outcome, { deviceMethodResponse: { status: 200, payload: { was: { delay: 5 } } } });
    });

    it('getJob and createQuery read it back', async () => {
      const { jobStatus } = await jobs.getJob('reboot-1');
      assert.equal(jobStatus.status, 'completed');
      const query = jobs.createQuery('scheduleDeviceMethod', 'completed', 10);
      const { result } = await query.next();
      assert.deepEqual(result.map((j) => j.jobId), ['reboot-1']);
      assert.equal(query.hasMoreResults, false);
      const all = await jobs.createQuery().next();
      assert.deepEqual(all.result.map((j) => j.jobId), ['reboot-1', 'paint-red-1'], 'newest first');
    });

    it('the devices leave', () => Promise.all(online.map((id) => clients[id].close())));
  });
}

withHub('the life of a job', (s) => {
  let jobs;
  before(async () => {
    jobs = jobsOf(s.hub);
    await makeDevices(s.rest, ['a', 'b']);
  });
  const twinJob = (more) => ({ type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { etag: '*', tags: { x: 1 } }, ...more });

  it('scheduled: read with zero counts and an endTime that is not yet', async () => {
    const start = inHours(1);
    const { jobStatus } = await jobs.scheduleDeviceMethod('night', '*', { methodName: 'm' }, start, 120);
    assert.equal(jobStatus.status, 'queued');
    const job = await jobIn(s.rest, 'night', 'scheduled');
    assert.deepEqual(Object.keys(job), [...MEMBERS, 'cloudToDeviceMethod', 'status', 'deviceJobStatistics']);
    const { createdTime, startTime, ...rest } = job;
    assert.equal(Date.parse(startTime), start.getTime());
    assert.match(createdTime, TIME);
    assert.deepEqual(rest, {
      jobId: 'night', queryCondition: '*', endTime: NOT_YET,
      maxExecutionTimeInSeconds: 120, type: 'scheduleDeviceMethod', status: 'scheduled', deviceJobStatistics: counts(0),
      cloudToDeviceMethod: { methodName: 'm', payload: null, responseTimeoutInSeconds: 30 },
    });
    assert.deepEqual(await recordsOf(s.rest, 'night'), [], 'no rows before the start');
  });
  it('cancel of a scheduled job: cancelled at once, no device is touched', async () => {
    const { jobStatus } = await jobs.cancelJob('night');
    assert.equal(jobStatus.jobId, 'night');
    assert.equal(jobStatus.status, 'cancelled');
    const job = await jobIn(s.rest, 'night');
    assert.equal(job.status, 'cancelled');
    assert.notEqual(job.endTime, NOT_YET);
    assert.ok(Date.parse(job.endTime) < Date.parse(job.startTime), 'the time of the change');
    assert.ok((await recordsOf(s.rest, 'night')).every((r) => r.status === 'canceled'));
  });
  it('cancel right behind the PUT', async () => {
    await jobs.scheduleTwinUpdate('regret', '*', { etag: '*', tags: { regret: 1 } }, inHours(1), 120);
    assert.equal((await jobs.cancelJob('regret')).jobStatus.status, 'cancelled');
    for (const id of ['a', 'b']) assert.equal((await s.rest.get(`/twins/${id}`)).json.tags, undefined);
  });
  it('cancel of a final job is refused', async () => {
    assertFault(await s.rest.post('/jobs/v2/night/cancel'), 405, 'OperationNotAllowedInCurrentState');
  });
  it('a job that nobody matches completes at once with zero counts', async () => {
    await s.rest.put('/jobs/v2/nobody', twinJob({ queryCondition: "deviceId = 'nobody'" }));
    const job = await jobIn(s.rest, 'nobody');
    assert.equal(job.status, 'completed');
    assert.deepEqual(job.deviceJobStatistics, counts(0));
    assert.notEqual(job.endTime, NOT_YET);
  });
  it('null start is now: startTime equals createdTime to the last digit, the window is an hour', async () => {
    await s.rest.put('/jobs/v2/now', twinJob({ startTime: null, cloudToDeviceMethod: null }));
    const job = await jobIn(s.rest, 'now');
    assert.equal(job.startTime, job.createdTime);
    assert.equal(job.maxExecutionTimeInSeconds, 3600);
  });
  it('a start in a second happens then', async () => {
    const startTime = new Date(Date.now() + 1500).toISOString();
    await s.rest.put('/jobs/v2/soon', twinJob({ startTime }));
    const job = await jobIn(s.rest, 'soon');
    assert.equal(job.status, 'completed');
    assert.ok(Date.parse(job.endTime) >= Date.parse(startTime), 'not before its time');
  });
  it('a past start runs at once; the window counts from it', async () => {
    const startTime = new Date(Date.now() - 10e3).toISOString();
    await s.rest.put('/jobs/v2/late', twinJob({ startTime }));
    assert.equal((await jobIn(s.rest, 'late')).deviceJobStatistics.succeededCount, 2);
  });
  it('a window that is over already: completed, all failed', async () => {
    const startTime = new Date(Date.now() - 100e3).toISOString();
    await s.rest.put('/jobs/v2/over', twinJob({ startTime, maxExecutionTimeInSeconds: 10, updateTwin: { tags: { over: 1 } } }));
    const job = await jobIn(s.rest, 'over');
    assert.equal(job.status, 'completed');
    assert.deepEqual(job.deviceJobStatistics, counts(2, { failedCount: 2 }));
    for (const r of await recordsOf(s.rest, 'over')) {
      assert.equal(r.status, 'failed');
      assert.deepEqual(r.error, {
        code: 'JobRunPreconditionFailed',
        description: 'The job did not start within specified period: either device did not come online or invalid endTime specified.',
      });
      assert.deepEqual(r.outcome, {});
    }
    assert.equal((await s.rest.get('/twins/a')).json.tags.over, undefined);
  });
  test('every way to write a time', async (t) => {
    const forms = { zone: '2050-05-01T10:00:00+02:00', digits: '2050-05-01T08:00:00.1234567Z', none: '2050-05-01T08:00:00', plain: '2050-05-01T08:00:00Z' };
    const stored = { zone: '2050-05-01T08:00:00Z', digits: '2050-05-01T08:00:00.1234567Z', none: '2050-05-01T08:00:00Z', plain: '2050-05-01T08:00:00Z' };
    for (const [name, startTime] of Object.entries(forms)) {
      await t.test(startTime, async () => {
        await s.rest.put(`/jobs/v2/time-${name}`, twinJob({ startTime }));
        assert.equal((await s.rest.get(`/jobs/v2/time-${name}`)).json.startTime, stored[name]);
      });
    }
  });
  it('a failed device does not fail the job', async () => {
    await s.rest.patch('/twins/a', { tags: { big: 'x'.repeat(4000), bigger: 'x'.repeat(4000) } });
    await s.rest.put('/jobs/v2/partly', twinJob({ updateTwin: { tags: { more: 'x'.repeat(1000) } } }));
    const job = await jobIn(s.rest, 'partly');
    assert.equal(job.status, 'completed');
    assert.deepEqual(job.deviceJobStatistics, counts(2, { failedCount: 1, succeededCount: 1 }));
    const [a, b] = (await recordsOf(s.rest, 'partly')).sort((x, y) => (x.deviceId < y.deviceId ? -1 : 1));
    assert.deepEqual([a.deviceId, a.status, a.error.code, b.deviceId, b.status], ['a', 'failed', 'ArgumentInvalid', 'b', 'completed']);
    assert.equal((await s.rest.get('/twins/a')).json.tags.more, undefined);
  });
  it('the target set is fixed at the start', async () => {
    const startTime = new Date(Date.now() + 1000).toISOString();
    await s.rest.put('/jobs/v2/fixed', twinJob({ startTime, queryCondition: "tags.group1 = 'in'" }));
    await s.rest.patch('/twins/b', { tags: { group1: 'in' } });
    const job = await jobIn(s.rest, 'fixed');
    assert.deepEqual(job.deviceJobStatistics, counts(1, { succeededCount: 1 }), 'who matches then is in, not who matched at the PUT');
  });
  it('1500 devices in chunks, and the records add up', async () => {
    const ids = Array.from({ length: 1500 }, (_, i) => `fleet-${String(i).padStart(4, '0')}`);
    await makeDevices(s.rest, ids);
    await s.rest.put('/jobs/v2/fleet', twinJob({ queryCondition: 'is_defined(deviceId)', updateTwin: { tags: { fleet: 7 } } }));
    const seen = await until(async () => {
      const { deviceJobStatistics: d, status } = (await s.rest.get('/jobs/v2/fleet')).json;
      assert.equal(d.deviceCount, d.failedCount + d.succeededCount + d.runningCount + d.pendingCount, 'at any moment');
      return status === 'completed' && d;
    }, 'the job completes');
    assert.equal(seen.deviceCount, 1502);
    const rows = await allRows(s.rest, "SELECT deviceId FROM devices WHERE tags.fleet = 7");
    assert.equal(rows.length, seen.succeededCount);
    assert.equal((await recordsOf(s.rest, 'fleet')).length, 1502);
  });
});

withHub('method jobs and devices that come and go', (s) => {
  const devices = {};
  before(async () => {
    for (const id of ['here', 'late', 'never', 'deaf', 'off', 'mute']) devices[id] = await newDevice(s.hub, id);
    await s.rest.put('/devices/off', { status: 'disabled', authentication: { type: 'sas' } }, { headers: { 'If-Match': '*' } });
  });
  const methodJob = (id, condition, more, method) => s.rest.put(`/jobs/v2/${id}`, {
    type: 'scheduleDeviceMethod', queryCondition: condition,
    cloudToDeviceMethod: { methodName: 'm', payload: 1, responseTimeoutInSeconds: 5, ...method }, ...more,
  });
  const record = async (id, device) => (await recordsOf(s.rest, id)).find((r) => r.deviceId === device);
  async function join(id) {
    const client = await RawMqtt.connect(s.hub, devices[id], { clean: true });
    await client.subscribe('$iothub/methods/POST/#');
    return client;
  }
  async function answerOne(client, payload = '"done"') {
    const { topic } = await client.message();
    await client.publish(`$iothub/methods/res/200/?$rid=${hasRid(topic)}`, payload);
  }

  it('who is offline waits in pending and is called when it comes in time', async () => {
    const here = await join('here');
    await methodJob('come', "deviceId IN ['here','late']", { maxExecutionTimeInSeconds: 300 });
    await answerOne(here);
    await until(async () => (await record('come', 'here')).status === 'completed', 'the first is done');
    const job = (await s.rest.get('/jobs/v2/come')).json;
    assert.equal(job.status, 'running');
    assert.equal(job.endTime, NOT_YET);
    assert.deepEqual(job.deviceJobStatistics, counts(2, { succeededCount: 1, pendingCount: 1 }));
    const waiting = await record('come', 'late');
    assert.equal(waiting.status, 'pending');
    assert.equal(waiting.outcome, undefined);
    const late = await join('late');
    await answerOne(late);
    assert.deepEqual((await jobIn(s.rest, 'come')).deviceJobStatistics, counts(2, { succeededCount: 2 }));
    await here.bye();
    await late.bye();
  });

  it('who never comes is failed when the window ends, like the disabled and the deaf', async () => {
    const deaf = await RawMqtt.connect(s.hub, devices.deaf, { clean: true });
    await methodJob('window', "deviceId IN ['never','deaf','off']", { maxExecutionTimeInSeconds: 2 });
    const job = await jobIn(s.rest, 'window');
    assert.equal(job.status, 'completed');
    assert.deepEqual(job.deviceJobStatistics, counts(3, { failedCount: 3 }));
    for (const r of await recordsOf(s.rest, 'window')) {
      assert.equal(r.status, 'failed');
      assert.equal(r.error.code, 'JobRunPreconditionFailed');
      assert.deepEqual(r.outcome, {});
    }
    await deaf.bye();
  });

  it('no answer in time is GatewayTimeout, and there is no second call', async () => {
    const mute = await join('mute');
    await methodJob('mute', "deviceId = 'mute'");
    await mute.message();
    await jobIn(s.rest, 'mute');
    const r = await record('mute', 'mute');
    assert.deepEqual([r.status, r.error.code], ['failed', 'GatewayTimeout']);
    assert.equal(mute.inbox(3).items.length, 0);
    await mute.bye();
  });

  it('an answer that is no JSON fails the record, not the job', async () => {
    const here = await join('here');
    await methodJob('garbage', "deviceId = 'here'");
    await answerOne(here, 'not json');
    const job = await jobIn(s.rest, 'garbage');
    assert.deepEqual([job.status, job.deviceJobStatistics.failedCount], ['completed', 1]);
    await here.bye();
  });

  it('a device deleted while it is waited for fails its record', async () => {
    await newDevice(s.hub, 'doomed');
    await methodJob('doom', "deviceId = 'doomed'", { maxExecutionTimeInSeconds: 300 });
    await jobIn(s.rest, 'doom', 'running');
    await s.rest.delete('/devices/doomed');
    const job = await jobIn(s.rest, 'doom');
    assert.deepEqual(job.deviceJobStatistics, counts(1, { failedCount: 1 }));
    const r = await record('doom', 'doomed');
    assert.deepEqual([r.deviceId, r.status, r.error.code], ['doomed', 'failed', 'DeviceNotFound']);
  });

  it('jobs reach one device in the order in which they started', async () => {
    for (const [id, payload] of [['first', 1], ['second', 2], ['third', 3]]) {
      await methodJob(id, "deviceId = 'late'", { maxExecutionTimeInSeconds: 300 }, { payload });
      await jobIn(s.rest, id, 'running');
    }
    const late = await join('late');
    const heard = [];
    for (let i = 0; i < 3; i++) {
      const { topic, payload } = await late.message();
      heard.push(Number(payload));
      await late.publish(`$iothub/methods/res/200/?$rid=${hasRid(topic)}`, '1');
    }
    assert.deepEqual(heard, [1, 2, 3]);
    for (const id of ['first', 'second', 'third']) await jobIn(s.rest, id);
    await late.bye();
  });

  it('three jobs at once on one device all end', async () => {
    const here = await join('here');
    const ids = ['p1', 'p2', 'p3'];
    const made = await Promise.all(ids.map((id) => methodJob(id, "deviceId = 'here'", { maxExecutionTimeInSeconds: 15 })));
    assert.deepEqual(made.map((m) => m.status), [200, 200, 200]);
    for (let i = 0; i < 3; i++) await answerOne(here);
    for (const id of ids) assert.equal((await jobIn(s.rest, id)).deviceJobStatistics.succeededCount, 1);
    await here.bye();
  });
});

withHub('the per-device form of 2016-09-30-preview', (s) => {
  let device;
  const version = '2016-09-30-preview';
  before(async () => {
    device = await newDevice(s.hub, 'd');
    await newDevice(s.hub, 'e');
  });
  const bodies = [
    ['a cloudToDeviceMethod', 'old-1', { methodName: 'reboot', payload: { a: 1 }, responseTimeoutInSeconds: 30 }],
    ['a v2 body without a condition', 'old-2', {
      type: 'scheduleDeviceMethod', cloudToDeviceMethod: { methodName: 'reboot', payload: { a: 1 } }, startTime: null, maxExecutionTimeInSeconds: 60,
    }],
  ];
  for (const [rule, id, body] of bodies) {
    it(`PUT takes ${rule} and becomes a job on that device`, async () => {
      const answer = await s.rest.put(`/jobs/v2/d/methods/${id}`, body, { version });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.jobId, id);
      const client = await RawMqtt.connect(s.hub, device, { clean: true });
      await client.subscribe('$iothub/methods/POST/#');
      const { topic, payload } = await client.message();
      assert.match(topic, /POST\/reboot\//);
      assert.equal(payload, '{"a":1}');
      await client.publish(`$iothub/methods/res/200/?$rid=${hasRid(topic)}`, '1');
      await jobIn(s.rest, id);
      const read = await s.rest.get(`/jobs/v2/d/methods/${id}`, { version });
      assert.equal(read.status, 200);
      assert.deepEqual(read.json, (await s.rest.get(`/jobs/v2/${id}`)).json);
      assert.deepEqual(read.json.deviceJobStatistics, counts(1, { succeededCount: 1 }));
      await client.bye();
    });
  }
});

withHub('what PUT /jobs/v2 refuses', (s) => {
  before(() => makeDevices(s.rest, ['d']));
  const twin = { type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { etag: '*', tags: { a: 1 } }, startTime: '2050-01-01T00:00:00Z' };
  const method = { type: 'scheduleDeviceMethod', queryCondition: '*', cloudToDeviceMethod: { methodName: 'm' }, startTime: '2050-01-01T00:00:00Z' };
  const cases = [
    ['no JSON', '{', 'IotHubFormatError'],
    ['an array', '[]', 'IotHubFormatError'],
    ['no type', { ...twin, type: undefined }, 'GenericBadRequest'],
    ['the type word of old documentation', { ...twin, type: 'scheduleTwinUpdate' }, 'GenericBadRequest'],
    ['a type of other jobs', { ...twin, type: 'export' }, 'GenericBadRequest'],
    ['no condition', { ...twin, queryCondition: undefined }, 'ArgumentNull'],
    ['a null condition', { ...twin, queryCondition: null }, 'ArgumentNull'],
    ['a blank condition', { ...twin, queryCondition: '  ' }, undefined],
    ['a condition that is no text', { ...twin, queryCondition: 7 }, 'ArgumentInvalid'],
    ['a whole query as condition', { ...twin, queryCondition: 'SELECT * FROM devices' }, 'ArgumentInvalid'],
    ['a condition that ends early', { ...twin, queryCondition: 'status = ' }, 'ArgumentInvalid'],
    ['a condition of 8193 characters', { ...twin, queryCondition: `deviceId = '${'x'.repeat(8200)}'` }, 'ArgumentInvalid'],
    ['the records of jobs', { ...twin, queryCondition: "FROM devices.jobs WHERE jobId = 'j'" }, 'ArgumentInvalid'],
    ['another id in the body', { ...twin, jobId: 'other' }, 'ArgumentInvalid'],
    ['no updateTwin', { ...twin, updateTwin: null }, undefined],
    ['desired outside of properties', { ...twin, updateTwin: { desired: { a: 1 } } }, 'ArgumentInvalid'],
    ['a forbidden key', { ...twin, updateTwin: { tags: { 'a.b': 1 } } }, 'ArgumentInvalid'],
    ['a patch that is too long', { ...twin, updateTwin: { tags: { a: 'x'.repeat(4097) } } }, 'ArgumentInvalid'],
    ['tags that are no object', { ...twin, updateTwin: { tags: 7 } }, 'ArgumentInvalid'],
    ['no cloudToDeviceMethod', { ...method, cloudToDeviceMethod: undefined }, undefined],
    ['no method name', { ...method, cloudToDeviceMethod: { payload: 1 } }, undefined],
    ['a response timeout of 4 s', { ...method, cloudToDeviceMethod: { methodName: 'm', responseTimeoutInSeconds: 4 } }, 'ArgumentInvalid'],
    ['a connect timeout of 301 s', { ...method, cloudToDeviceMethod: { methodName: 'm', connectTimeoutInSeconds: 301 } }, 'ArgumentInvalid'],
    ['a start that is no date', { ...twin, startTime: 'tomorrow' }, 'ArgumentInvalid'],
    ['a start on the 30th of February', { ...twin, startTime: '2050-02-30T00:00:00Z' }, 'ArgumentInvalid'],
    ['a negative window', { ...twin, maxExecutionTimeInSeconds: -1 }, 'ArgumentInvalid'],
    ['a window that is text', { ...twin, maxExecutionTimeInSeconds: '60' }, 'ArgumentInvalid'],
  ];
  for (const [rule, body, name] of cases) {
    it(`${rule}: 400, and there is no job`, async () => {
      const answer = await s.rest.put('/jobs/v2/wrong', body);
      assertFault(answer, 400, name || answer.headers['iothub-errorcode']);
      assertFault(await s.rest.get('/jobs/v2/wrong'), 404, 'JobNotFound');
    });
  }
  it('a method payload over 128 KB', async () => {
    const answer = await s.rest.put('/jobs/v2/wrong', { ...method, cloudToDeviceMethod: { methodName: 'm', payload: 'x'.repeat(128 * 1024) } });
    assert.ok([400, 413].includes(answer.status), answer.text);
    assert.equal((await s.rest.get('/jobs/v2/wrong')).status, 404);
  });
  it('a real etag, with the text that the service uses', async () => {
    const answer = await s.rest.put('/jobs/v2/wrong', { ...twin, updateTwin: { etag: 'AAAAAAAAAAE=', tags: { a: 1 } } });
    assertFault(answer, 400, 'ArgumentInvalid', /Missing or invalid etag for job type ScheduleUpdateTwin. ScheduleUpdateTwin job type is a force update, which only accepts '\*' as the Etag/);
  });
  test('ids', async (t) => {
    for (const [id, status] of [['a'.repeat(64), 200], ['a'.repeat(65), 400], ['A-z_0.9:x', 200], ['a b', 400], ['a+b', 400], ['a%2Fb', 400], ['\u00e9', 400]]) {
      await t.test(`${id.slice(0, 20)} (${id.length}): ${status}`, async () => {
        assert.equal((await s.rest.put(`/jobs/v2/${encodeURI(id).replace('%25', '%')}`, twin)).status, status);
      });
    }
  });
  test('lenient where real clients are', async (t) => {
    const sent = [
      ['C#: nulls and a device id', { ...twin, cloudToDeviceMethod: null, updateTwin: { deviceId: 'd', etag: null, version: null, tags: { k: 'v' } } }],
      ['Node: empty sections', { ...twin, updateTwin: { etag: '*', tags: {}, properties: { desired: {}, reported: {} } } }],
      ['CLI: nothing but an etag', { ...twin, updateTwin: { etag: '*' } }],
      ['a quoted etag', { ...twin, updateTwin: { etag: '"*"', tags: { a: 1 } } }],
      ['an empty etag', { ...twin, updateTwin: { etag: '', tags: { a: 1 } } }],
      ['type in another case', { ...twin, type: 'ScheduleUpdateTwin' }],
      ['window 0', { ...twin, maxExecutionTimeInSeconds: 0 }],
      ['an unknown member', { ...twin, maxExecutionTimeSeconds: 5 }],
      ['key words in any case', { ...twin, queryCondition: "DeviceId in ['d']" }],
    ];
    for (const [i, [rule, body]] of sent.entries()) {
      await t.test(rule, async () => {
        const answer = await s.rest.put(`/jobs/v2/lenient-${i}`, body);
        assert.equal(answer.status, 200, answer.text);
        assert.equal((await s.rest.get(`/jobs/v2/lenient-${i}`)).json.maxExecutionTimeInSeconds, 3600);
      });
    }
    await t.test('Node: a job id that is a number', async () => {
      assert.equal((await s.rest.put('/jobs/v2/17', { ...twin, jobId: 17 })).status, 200);
    });
  });
  it('an id in use is 409, also for an equal body and a final job', async () => {
    const done = { ...twin, startTime: null };
    await s.rest.put('/jobs/v2/once', done);
    await jobIn(s.rest, 'once');
    assertFault(await s.rest.put('/jobs/v2/once', done), 409, 'JobAlreadyExists');
  });
  it('an unknown job is 404 for GET and cancel', async () => {
    assertFault(await s.rest.get('/jobs/v2/none'), 404, 'JobNotFound');
    assertFault(await s.rest.post('/jobs/v2/none/cancel', {}), 404, 'JobNotFound');
    await assert.rejects(jobsOf(s.hub).getJob('none'), (error) => error.response.statusCode === 404);
  });
  it('an unknown word in the list is 400', async () => {
    assert.equal((await s.rest.get('/jobs/v2/query?jobType=nonsense')).status, 400);
    assert.equal((await s.rest.get('/jobs/v2/query?jobStatus=nonsense')).status, 400);
  });
  it('an empty id is an unknown path', async () => {
    assert.ok([404, 405].includes((await s.rest.post('/jobs/v2//cancel')).status));
  });
  it('the SDK turns 409 into its own error', async () => {
    await assert.rejects(jobsOf(s.hub).scheduleTwinUpdate('once', '*', { tags: {} }, new Date(), 60), sdkError('DeviceAlreadyExistsError'));
  });
});

withHub('the list of jobs', (s) => {
  before(async () => {
    for (let i = 0; i < 5; i++) {
      const done = { type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { tags: { i } } };
      await s.rest.put(`/jobs/v2/done-${i}`, done);
      await jobIn(s.rest, `done-${i}`);
    }
    await s.rest.put('/jobs/v2/later', {
      type: 'scheduleDeviceMethod', queryCondition: '*', cloudToDeviceMethod: { methodName: 'm' }, startTime: '2050-01-01T00:00:00Z',
    });
    await jobIn(s.rest, 'later', 'scheduled');
  });
  const list = (query = '', headers) => s.rest.get(`/jobs/v2/query${query}`, { headers });
  const ids = (answer) => answer.json.map((j) => j.jobId);

  it('is an array of whole jobs, newest first', async () => {
    const answer = await list();
    assert.equal(answer.headers['x-ms-item-type'], 'JobResponse');
    assert.equal(answer.headers['x-ms-continuation'], undefined);
    assert.deepEqual(ids(answer), ['later', 'done-4', 'done-3', 'done-2', 'done-1', 'done-0']);
    assert.deepEqual(answer.json[0], (await s.rest.get('/jobs/v2/later')).json);
  });
  it('filters by type and status in any case', async () => {
    assert.deepEqual(ids(await list('?jobType=ScheduleDeviceMethod')), ['later']);
    assert.equal((await list('?jobStatus=COMPLETED')).json.length, 5);
    assert.deepEqual(ids(await list('?jobStatus=scheduled&jobType=scheduleDeviceMethod')), ['later']);
    const none = await list('?jobStatus=failed');
    assert.deepEqual([none.text, none.headers['x-ms-item-type']], ['[]', 'JobResponse']);
  });
  it('pages with a token, until there is none', async () => {
    const seen = [];
    let token;
    do {
      const answer = await list('', { 'x-ms-max-item-count': '4', ...(token ? { 'x-ms-continuation': token } : {}) });
      seen.push(ids(answer));
      token = answer.headers['x-ms-continuation'];
    } while (token !== undefined);
    assert.deepEqual(seen, [['later', 'done-4', 'done-3', 'done-2'], ['done-1', 'done-0']]);
  });
  it('a token that is none is 400', async () => {
    assert.equal((await list('', { 'x-ms-continuation': 'nonsense' })).status, 400);
  });
});

withHub('devices.jobs', (s) => {
  before(async () => {
    for (let i = 0; i < 7; i++) await s.rest.put(`/devices/d${i}`, {}); // records come in the order in which devices were made
    for (const id of ['j1', 'j2']) {
      await s.rest.put(`/jobs/v2/${id}`, { type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { tags: { id } } });
      await jobIn(s.rest, id);
    }
    await s.rest.put('/jobs/v2/j3', {
      type: 'scheduleDeviceMethod', queryCondition: "deviceId IN ['d1','d2']", cloudToDeviceMethod: { methodName: 'm' }, maxExecutionTimeInSeconds: 1,
    });
    await jobIn(s.rest, 'j3');
  });
  const rows = async (condition) => (await allRows(s.rest, `SELECT * FROM devices.jobs${condition ? ` WHERE ${condition}` : ''}`)).map((r) => `${r.jobId}/${r.deviceId}`);

  it('SELECT * has every record', async () => {
    const answer = await s.rest.query('SELECT * FROM devices.jobs');
    assert.equal(answer.headers['x-ms-item-type'], 'DeviceJob');
    assert.equal(answer.json.length, 16);
  });
  const filters = [
    ["devices.jobs.jobId = 'j3'", ['j3/d1', 'j3/d2']],
    ["jobId = 'j3'", ['j3/d1', 'j3/d2']],
    ["devices.jobs.deviceId = 'd2'", ['j1/d2', 'j2/d2', 'j3/d2']],
    ["devices.jobs.status = 'failed'", ['j3/d1', 'j3/d2']],
    ["devices.jobs.status = 'completed' AND devices.jobs.deviceId = 'd0'", ['j1/d0', 'j2/d0']],
    ["devices.jobs.status = 'Completed'", []],
    ["devices.jobs.jobType = 'scheduleUpdateTwin' AND devices.jobs.deviceId = 'd1'", ['j1/d1', 'j2/d1']],
    ["devices.jobs.error.code = 'JobRunPreconditionFailed' AND deviceId = 'd1'", ['j3/d1']],
    ["devices.jobs.createdDateTimeUtc < '2024-01-01'", []],
    ["devices.jobs.createdTimeUtc > '2024-01-01' AND devices.jobs.deviceId = 'd6'", ['j1/d6', 'j2/d6']],
    ["tags.environment = 'prod'", []],
  ];
  for (const [condition, expected] of filters) {
    it(condition, async () => assert.deepEqual(await rows(condition), expected));
  }
  it('pages', async () => {
    const sizes = [];
    let token;
    do {
      const answer = await s.rest.query('SELECT * FROM devices.jobs', { max: 6, token });
      sizes.push(answer.json.length);
      token = answer.headers['x-ms-continuation'];
    } while (token !== undefined);
    assert.deepEqual(sizes, [6, 6, 4]);
  });
  it('projections are refused', async () => assertFault(await s.rest.query('SELECT deviceId FROM devices.jobs'), 400, 'ArgumentInvalid'));
});
