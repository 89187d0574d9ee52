// POST /devices/query: docs/spec/query-language.md, and the vectors in tests/data.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, it, test } = require('node:test');
const { RawMqtt } = require('./lib/mqtt');
const { registryOf } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');

const vectors = JSON.parse(fs.readFileSync(path.join(__dirname, '../data/query-vectors.json'), 'utf8'));

// What no operator can bring about over the API; vectors.test.js loads it into the store and runs
// every case.
const NOT_OVER_THE_API = new Set([
  'q004', 'q206', 'q207', 'q209', 'q210', 'q211', 'q213', 'q214', 'q215', // records of given jobs
  'q167', 'q053', 'q057', 'q058', 'q059', 'q063', 'q160', 'q225', // given scopes, times, versions, etags, counts
  'q146', 'q147', // configurations
  'q142', 'q144', 'q118', // keys or nulls that the API refuses
]);

// Arrays may not hold null over the API.
const loadable = (value) => {
  if (Array.isArray(value)) return value.filter((x) => x !== null).map(loadable);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value)
    .filter(([key]) => !key.startsWith('$') && !/[. ]/.test(key)).map(([key, x]) => [key, loadable(x)]));
};

withHub('the vectors', (s) => {
  const connected = [];
  before(async () => {
    for (const twin of vectors.twins) {
      const { deviceId } = twin;
      const body = { capabilities: twin.capabilities, statusReason: twin.statusReason };
      const { primaryKey: key } = (await s.rest.put(`/devices/${deviceId}`, body)).json.authentication.symmetricKey;
      const changed = await s.rest.patch(`/twins/${deviceId}`,
        { tags: loadable(twin.tags || {}), properties: { desired: loadable(twin.properties.desired) } });
      assert.equal(changed.status, 200, changed.text);
      const username = `${s.hub.host}/${deviceId}/?api-version=2021-04-12${twin.modelId ? `&model-id=${encodeURIComponent(twin.modelId)}` : ''}`;
      const client = await RawMqtt.connect(s.hub, { deviceId, key }, { username, clean: true });
      await client.subscribe('$iothub/twin/res/#');
      await client.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', JSON.stringify(loadable(twin.properties.reported)));
      assert.match((await client.message()).topic, /res\/204/);
      if (twin.connectionState === 'Connected') connected.push(client);
      else await client.bye();
      if (twin.status === 'disabled') {
        await s.rest.put(`/devices/${deviceId}`, { ...body, status: 'disabled' }, { headers: { 'If-Match': '*' } });
      }
    }
  });
  after(() => Promise.all(connected.map((client) => client.bye())));

  // System modules are there already, since their device is one of IoT Edge.
  before(async () => {
    for (const twin of vectors.modules) {
      const path = `${twin.deviceId}/modules/${encodeURIComponent(twin.moduleId)}`;
      await s.rest.put(`/devices/${path}`, {});
      const { primaryKey: key } = (await s.rest.get(`/devices/${path}`)).json.authentication.symmetricKey;
      const changed = await s.rest.patch(`/twins/${path}`,
        { tags: loadable(twin.tags || {}), properties: { desired: loadable(twin.properties.desired) } });
      assert.equal(changed.status, 200, changed.text);
      const client = await RawMqtt.connect(s.hub, { deviceId: twin.deviceId, moduleId: twin.moduleId, key }, { clean: true });
      await client.subscribe('$iothub/twin/res/#');
      await client.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', JSON.stringify(loadable(twin.properties.reported)));
      assert.match((await client.message()).topic, /res\/204/);
      if (twin.connectionState === 'Connected') connected.push(client);
      else await client.bye();
    }
  });

  const names = (rows) => rows.map((row) => (row.moduleId ? `${row.deviceId}/${row.moduleId}` : row.deviceId)).sort();
  const twinPath = (row) => `/twins/${row.deviceId}${row.moduleId ? `/modules/${row.moduleId}` : ''}`;
  for (const vector of vectors.cases.filter(({ id }) => !NOT_OVER_THE_API.has(id))) {
    it(`${vector.id} ${vector.query.slice(0, 100)}`, async () => {
      const answer = await s.rest.query(vector.query);
      if (vector.error) {
        assertFault(answer, vector.error.status, answer.headers['iothub-errorcode']);
        assert.ok([vector.error.name, 'ArgumentNull'].includes(answer.headers['iothub-errorcode']));
        return;
      }
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers['x-ms-item-type'], vector.itemType);
      if (vector.itemType === 'Twin') {
        assert.deepEqual(names(answer.json), [...vector.expect].sort());
        for (const row of answer.json) assert.deepEqual(row, (await s.rest.get(twinPath(row))).json, 'a full twin');
      } else {
        const sorted = (rows) => rows.map((row) => JSON.stringify(row)).sort();
        assert.deepEqual(sorted(answer.json), sorted(vector.expect));
      }
    });
  }

  for (const page of vectors.paging) {
    it(`paging ${page.id}: ${page.query.slice(0, 60)} by ${page.pageSize}`, async () => {
      const sizes = [], tokens = [];
      const seen = new Set();
      let token;
      do {
        const answer = await s.rest.query(page.query, { max: page.pageSize, token });
        assert.equal(answer.status, 200, answer.text);
        assert.ok(answer.headers['x-ms-item-type']);
        token = answer.headers['x-ms-continuation'];
        assert.notEqual(token, '', 'never empty: Node would loop');
        sizes.push(answer.json.length);
        tokens.push(token !== undefined);
        for (const row of answer.json) seen.add(row.deviceId);
      } while (token !== undefined && sizes.length < 50);
      assert.deepEqual(sizes, page.pages);
      assert.deepEqual(tokens, page.tokenPresent);
      assert.equal(seen.size, page.pages.reduce((a, b) => a + b, 0), 'nobody twice');
    });
  }

  it('the Node SDK reads twins page by page', async () => {
    const query = registryOf(s.hub).createQuery('SELECT * FROM devices', 5);
    const ids = [];
    while (query.hasMoreResults) {
      const { result } = await query.nextAsTwin();
      ids.push(...result.map((twin) => twin.deviceId));
    }
    assert.deepEqual(ids.sort(), names(vectors.twins));
  });

  it('operators', async () => {
    const cases = [
      ['tags.floor = 1', ['dev-01']],
      ['tags.floor != 1', ['dev-03']],
      ['tags.half < 1', ['dev-08']],
      ['tags.half >= 0.5', ['dev-08']],
      ['tags.neg > -4 AND tags.neg <= -3', ['dev-08']],
      ["deviceId IN ['dev-01', 'nobody']", ['dev-01']],
      ["NOT (status = 'enabled')", ['dev-03']],
      ["IS_DEFINED(tags.[[group]])", ['dev-07']],
      ["NOT IS_DEFINED(tags.location) AND IS_DEFINED(tags.roles)", ['edge-05']],
    ];
    for (const [condition, expected] of cases) {
      const answer = await s.rest.query(`SELECT * FROM devices WHERE ${condition}`);
      assert.equal(answer.status, 200, `${condition}: ${answer.text}`);
      assert.deepEqual(names(answer.json), expected, condition);
    }
  });
});

withHub('a query', (s) => {
  before(async () => {
    for (let i = 0; i < 230; i++) await s.rest.put(`/devices/d${i}`, {});
  });
  const all = 'SELECT * FROM devices';

  it('gives 100 items without a size, and never more', async () => {
    for (const max of [undefined, 100, 1000]) {
      const answer = await s.rest.query(all, { max });
      assert.equal(answer.json.length, 100);
      assert.ok(answer.headers['x-ms-continuation']);
    }
  });
  it('takes the default for a size that is none', async () => {
    for (const max of ['0', '-5', 'many']) assert.equal((await s.rest.query(all, { max })).json.length, 100, max);
  });
  it('reads every device once over all pages', async () => {
    const ids = [];
    let token;
    do {
      const answer = await s.rest.query('SELECT deviceId FROM devices', { max: 70, token });
      assert.equal(answer.headers['x-ms-item-type'], 'Raw');
      ids.push(...answer.json.map((row) => row.deviceId));
      token = answer.headers['x-ms-continuation'];
    } while (token !== undefined);
    assert.equal(new Set(ids).size, 230);
    assert.equal(ids.length, 230);
  });
  it('sees every write that was answered before it', async () => {
    for (let i = 0; i < 20; i++) {
      await s.rest.patch('/twins/d7', { tags: { step: i } });
      const answer = await s.rest.query(`SELECT deviceId FROM devices WHERE tags.step = ${i}`);
      assert.deepEqual(answer.json, [{ deviceId: 'd7' }]);
    }
  });
  it('does not mind devices that come and go between pages', async () => {
    const first = await s.rest.query(all, { max: 100 });
    await s.rest.delete('/devices/d3');
    await s.rest.put('/devices/new', {});
    const ids = first.json.map((d) => d.deviceId);
    let token = first.headers['x-ms-continuation'];
    while (token !== undefined) {
      const answer = await s.rest.query(all, { max: 100, token });
      ids.push(...answer.json.map((d) => d.deviceId));
      token = answer.headers['x-ms-continuation'];
    }
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(ids.length, 231, 'the one that was read, and the one that came');
  });
  test('is refused', async (t) => {
    const cases = [
      ['no JSON', '{', ['IotHubFormatError']],
      ['no query', {}, ['ArgumentNull']],
      ['a null query', { query: null }, ['ArgumentNull']],
      ['a query that is no text', { query: 7 }, ['ArgumentInvalid', 'ArgumentNull']],
      ['an empty query', { query: '' }, ['ArgumentInvalid', 'ArgumentNull']],
      ['8193 characters', { query: `SELECT * FROM devices WHERE deviceId = '${'x'.repeat(8192)}'` }, ['ArgumentInvalid']],
      ['brackets without end', { query: `SELECT * FROM devices WHERE ${'('.repeat(4000)}` }, ['ArgumentInvalid']],
      ['NOT without end', { query: `SELECT * FROM devices WHERE ${'NOT '.repeat(2000)}true` }, ['ArgumentInvalid']],
      ['a syntax error', { query: 'SELECT * FORM devices' }, ['ArgumentInvalid']],
      ['an unknown collection', { query: 'SELECT * FROM pets' }, ['ArgumentInvalid']],
    ];
    for (const [rule, body, names] of cases) {
      await t.test(rule, async () => {
        const answer = await s.rest.post('/devices/query', body);
        assert.ok(names.includes(answer.headers['iothub-errorcode']), answer.text);
        assertFault(answer, 400, answer.headers['iothub-errorcode']);
      });
    }
    await t.test('a token that is none', async () => {
      assert.equal((await s.rest.query(all, { token: 'bm9uc2Vuc2U=' })).status, 400);
    });
    await t.test('a token of another query', async () => {
      const { headers } = await s.rest.query(all, { max: 5 });
      const answer = await s.rest.query("SELECT * FROM devices WHERE status = 'enabled'", { max: 5, token: headers['x-ms-continuation'] });
      assert.equal(answer.status, 400);
    });
  });
  it('is no obstacle to a device of that name', async () => {
    assert.equal((await s.rest.put('/devices/query', {})).status, 200);
    assert.equal((await s.rest.get('/devices/query')).json.deviceId, 'query');
  });
});
