// A twin that was read stays in memory (src/store/recent.h): whoever was told of a write never gets what was before.
'use strict';
const assert = require('node:assert/strict');
const { it } = require('node:test');
const { newDevice, openClient, openTwin } = require('./lib/sdk');
const { withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

const metric = async (s, name) =>
  Number(new RegExp(`^muster_${name} (\\d+)`, 'm').exec((await s.rest.get('/metrics', { version: null })).text)[1]);

withHub('a GET of a twin right after a write', (s) => {
  // Read until it comes from memory.
  const remembered = (id) => until(async () => {
    const before = await metric(s, 'store_twins_recalled_total');
    const answer = await s.rest.get(`/twins/${id}`);
    return (await metric(s, 'store_twins_recalled_total')) > before ? answer : undefined;
  }, 'a twin in memory');
  const ok = (answer) => {
    assert.ok(answer.status < 300, `${answer.status} ${answer.text}`);
    return answer;
  };
  const ended = (job) => until(async () => ['completed', 'failed'].includes((await s.rest.get(`/jobs/v2/${job}`)).json.status) || undefined, 'the job ends');

  const writes = [
    ['PATCH', (id) => s.rest.patch(`/twins/${id}`, { tags: { n: 1 } }), (twin) => twin.tags.n === 1],
    ['PUT', (id) => s.rest.put(`/twins/${id}`, { tags: { m: 1 }, properties: { desired: { p: 1 } } }),
      (twin) => twin.tags.m === 1 && twin.properties.desired.p === 1],
    ['a bulk update of twins', (id) => s.rest.post('/devices', [{ id, importMode: 'updateTwin', tags: { b: 1 } }]), (twin) => twin.tags.b === 1],
    ['a status', (id) => s.rest.put(`/devices/${id}`, { deviceId: id, status: 'disabled', statusReason: 'why' }, { headers: { 'If-Match': '*' } }),
      (twin) => twin.status === 'disabled' && twin.statusReason === 'why'],
    ['content applied', (id) => s.rest.post(`/devices/${id}/applyConfigurationContent`, { deviceContent: { 'properties.desired.c': 1 } }),
      (twin) => twin.properties.desired.c === 1],
    ['a digital twin', (id) => s.rest.patch(`/digitaltwins/${id}`, [{ op: 'add', path: '/d', value: 1 }]), (twin) => twin.properties.desired.d === 1],
    ['deletion and a new device of that name', async (id) => {
      ok(await s.rest.delete(`/devices/${id}`, { headers: { 'If-Match': '*' } }));
      assert.equal((await s.rest.get(`/twins/${id}`)).status, 404);
      return s.rest.put(`/devices/${id}`, { deviceId: id });
    }, (twin) => twin.tags?.first === undefined],
  ];
  for (const [rule, write, seen] of writes)
    it(rule, async () => {
      const id = rule.replaceAll(' ', '-');
      await newDevice(s.hub, id);
      ok(await s.rest.patch(`/twins/${id}`, { tags: { first: true } }));
      await remembered(id);
      ok(await write(id));
      const twin = ok(await s.rest.get(`/twins/${id}`)).json;
      assert.ok(seen(twin), JSON.stringify(twin));
      const again = (await remembered(id)).json;
      assert.deepEqual({ ...again, lastActivityTime: '' }, { ...twin, lastActivityTime: '' }, 'from memory as from disk');
    });

  it('a job', async () => {
    await newDevice(s.hub, 'job');
    await remembered('job');
    ok(await s.rest.put('/jobs/v2/j1', { jobId: 'j1', type: 'scheduleUpdateTwin', queryCondition: "deviceId = 'job'",
      updateTwin: { etag: '*', properties: { desired: { j: 1 } } }, maxExecutionTimeInSeconds: 60 }));
    await ended('j1');
    assert.equal((await s.rest.get('/twins/job')).json.properties.desired.j, 1);
  });
  it('a report, and presence, which is no write', async () => {
    const made = await newDevice(s.hub, 'report');
    assert.equal((await remembered('report')).json.connectionState, 'Disconnected');
    const client = await openClient(s.hub, made);
    assert.equal((await remembered('report')).json.connectionState, 'Connected');
    const { report } = await openTwin(client);
    await report({ r: 1 });
    assert.equal((await s.rest.get('/twins/report')).json.properties.reported.r, 1);
    await client.close();
  });
  it('a module, and its device', async () => {
    await newDevice(s.hub, 'with');
    ok(await s.rest.put('/devices/with/modules/m', { deviceId: 'with', moduleId: 'm' }));
    await remembered('with/modules/m');
    ok(await s.rest.patch('/twins/with/modules/m', { tags: { n: 1 } }));
    assert.equal((await s.rest.get('/twins/with/modules/m')).json.tags.n, 1);
    await remembered('with/modules/m');
    ok(await s.rest.delete('/devices/with', { headers: { 'If-Match': '*' } }));
    assert.equal((await s.rest.get('/twins/with/modules/m')).status, 404);
  });
});
