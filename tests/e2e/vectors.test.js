// Every query vector against the real POST /devices/query. The data is put straight into the store
// (tests/hub/put_vectors.c), since much of it no operator can bring about over the API.
'use strict';
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { Hub, MUSTER, trust } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { RawMqtt } = require('./lib/mqtt');
const { assertFault } = require('./lib/suite');

const FILE = path.join(__dirname, '../data/query-vectors.json');
const vectors = JSON.parse(fs.readFileSync(FILE, 'utf8'));
const loader = path.join(path.dirname(path.resolve(MUSTER)), 'tests/hub/put_vectors');

describe('query vectors', { skip: !fs.existsSync(loader) && 'the build has no tests' }, () => {
  let hub, rest;
  const connected = [];
  before(async () => {
    hub = new Hub({ args: ['--job-history-days', '36500'] }); // their jobs are of 2023
    await hub.start();
    trust(hub);
    await hub.stop();
    const keys = new Map(execFileSync(loader, [hub.dir, FILE], { encoding: 'utf8' }).trim().split('\n')
      .map((line) => line.split(' ')));
    await hub.start();
    rest = new Rest(hub);
    for (const { deviceId, connectionState } of vectors.twins) {
      if (connectionState !== 'Connected') continue;
      connected.push(await RawMqtt.connect(hub, { deviceId, key: keys.get(deviceId) }, { clean: true }));
    }
  });
  after(async () => {
    await Promise.all(connected.map((client) => client.bye()));
    if (rest) rest.close();
    if (hub) await hub.finish();
  });

  const nameOf = (row) => (row.jobId ? `${row.jobId}/${row.deviceId}`
    : row.moduleId ? `${row.deviceId}/${row.moduleId}` : row.deviceId);
  const sorted = (rows) => rows.map((row) => JSON.stringify(row)).sort();
  for (const vector of vectors.cases) {
    it(`${vector.id} ${vector.query.slice(0, 100)}`, async () => {
      const answer = await rest.query(vector.query);
      if (vector.error) {
        assertFault(answer, vector.error.status, answer.headers['iothub-errorcode']);
        return;
      }
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers['x-ms-item-type'], vector.itemType);
      assert.equal(answer.headers['x-ms-continuation'], undefined);
      const whole = vector.itemType !== 'Raw';
      assert.deepEqual(sorted(whole ? answer.json.map(nameOf) : answer.json), sorted(vector.expect));
    });
  }

  // What a job or a configuration would name.
  for (const { id, condition, expect } of vectors.conditions.filter((c) => c.expect)) {
    it(`${id} the condition ${condition}`, async () => {
      const from = /^from /i.test(condition) ? condition : `FROM devices WHERE ${condition}`;
      const answer = await rest.query(`SELECT * ${from}`);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(answer.json.map(nameOf).sort(), [...expect].sort());
    });
  }
});
