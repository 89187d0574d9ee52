// EXPLAIN as a prefix of a query: how it is answered, not what it answers (src/front/explain.h).
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { assertFault, withHub } = require('./lib/suite');

withHub('EXPLAIN', (s) => {
  before(async () => {
    for (const id of ['a', 'b', 'c']) await s.rest.put(`/devices/${id}`, {});
    await s.rest.patch('/twins/a', { tags: { site: 'north' } });
    await s.rest.patch('/twins/b', { tags: { site: 'south' } });
  });
  const explain = async (query) => {
    const answer = await s.rest.query(`EXPLAIN ${query}`, { max: 1 });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-ms-item-type'], 'Raw');
    assert.equal(answer.headers['x-ms-continuation'], undefined);
    assert.equal(answer.json.length, 1);
    return answer.json[0];
  };

  it('shows what is read, and every verdict', async () => {
    const row = await explain("SELECT * FROM devices WHERE tags.site = 'north'");
    assert.deepEqual(row.reads, ['tags']);
    assert.equal(row.collection, 'devices');
    assert.equal(row.candidates, 3);
    assert.deepEqual(row.verdicts, { true: 1, false: 1, undefined: 1 });
  });
  it('reads no more than the devices that the condition names', async () => {
    const row = await explain("SELECT * FROM devices WHERE deviceId IN ['b', 'nobody']");
    assert.equal(row.way, 'ids');
    assert.equal(row.candidates, 1);
  });
  it('is not cut short by TOP', async () => {
    assert.equal((await explain('SELECT TOP 1 deviceId FROM devices')).verdicts.true, 3);
  });
  it('knows modules and jobs', async () => {
    assert.equal((await explain('SELECT * FROM devices.modules')).candidates, 0);
    assert.equal((await explain("SELECT * FROM devices.jobs WHERE jobId = 'x'")).way, 'jobs by id');
  });
  it('refuses what the query itself would be refused for', async () => {
    assertFault(await s.rest.query('EXPLAIN SELECT * FROM nowhere'), 400, 'ArgumentInvalid');
    assertFault(await s.rest.query('EXPLAIN'), 400, 'ArgumentInvalid');
  });
});
