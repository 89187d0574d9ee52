// `muster export` and `muster import`: the whole registry as JSON lines, from one hub into another.
'use strict';
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { Hub, muster, trust } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { until } = require('./lib/wait');

const CONFIGURATION = { id: 'c1', schemaVersion: null, labels: { a: 'b' }, content: { deviceContent: { 'properties.desired.set': 1 } },
  targetCondition: 'tags.i = 0', priority: 7, metrics: { queries: { n: 'SELECT * FROM devices' } } };

describe('muster export and import', () => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-export-'));
  const all = path.join(scratch, 'all.jsonl');
  const hub = new Hub();
  let rest;
  const use = async () => { // this hub's data, over its REST
    await hub.start();
    trust(hub);
    rest = new Rest(hub);
  };
  const empty = async () => { // the same name with nothing in it
    rest.close();
    await hub.stop();
    fs.rmSync(hub.dir, { recursive: true });
    hub.strings = {};
    await use();
  };
  const bare = (twin) => { // without what begins anew
    const { tags, properties: { desired, reported } } = twin;
    for (const section of [desired, reported]) ['$metadata', '$version'].forEach((name) => delete section[name]);
    return { tags, desired, reported };
  };
  const stateOf = async (ids) => {
    const state = {};
    for (const id of ids) {
      const { authentication, status, statusReason, capabilities, deviceScope, parentScopes } = (await rest.get(`/devices/${id}`)).json;
      state[id] = { authentication, status, statusReason, capabilities, deviceScope, parentScopes,
        ...bare((await rest.get(`/twins/${id.replace('/', '/modules/')}`)).json) };
    }
    return state;
  };
  const file = (name, ...lines) => {
    const at = path.join(scratch, name);
    fs.writeFileSync(at, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)) + '\n').join(''));
    return at;
  };
  const linesOf = (at) => fs.readFileSync(at, 'utf8').trimEnd().split('\n').map(JSON.parse);
  const take = (from, ...args) => muster(['import', '--data', hub.dir, '--from', from, ...args]);
  const ids = ['plain', 'off', 'x509', 'ca', 'edge', 'leaf', 'many-0', 'many-249'];
  let was;

  before(async () => {
    await use();
    const thumbprint = 'AB'.repeat(32);
    const records = [
      { id: 'plain', tags: { site: 'süd', n: { deep: [1, { a: 'b' }] } }, properties: { desired: { x: 1 }, reported: { y: { z: 2.5 } } } },
      { id: 'off', status: 'disabled', statusReason: 'not paid' },
      { id: 'x509', authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: thumbprint } } },
      { id: 'ca', authentication: { type: 'certificateAuthority' } },
      { id: 'edge', capabilities: { iotEdge: true } },
    ];
    assert.equal((await rest.post('/devices', records)).status, 200);
    const { deviceScope } = (await rest.get('/devices/edge')).json;
    await rest.put('/devices/leaf', { deviceId: 'leaf', deviceScope });
    assert.equal((await rest.put('/devices/plain/modules/m1', { deviceId: 'plain', moduleId: 'm1' })).status, 200);
    assert.equal((await rest.patch('/twins/plain/modules/m1', { properties: { desired: { m: 1 } } })).status, 200);
    assert.equal((await rest.patch('/twins/edge/modules/$edgeAgent', { properties: { desired: { plan: 'a' } } })).status, 200);
    for (let from = 0; from < 250; from += 50)
      await rest.post('/devices', Array.from({ length: 50 }, (_, i) => ({ id: `many-${from + i}`, tags: { i: from + i } })));
    await rest.put('/configurations/c1', CONFIGURATION);
    await until(async () => (await rest.get('/twins/many-0')).json.properties.desired.set, 'it is applied');
    was = await stateOf(ids);
  });
  after(async () => {
    rest.close();
    await hub.finish();
    fs.rmSync(scratch, { recursive: true });
  });

  it('export: devices, then modules, in a file for its owner only', async () => {
    const end = await muster(['export', '--data', hub.dir, '--to', all]);
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stdout, /holds 259 devices and modules, 1 configurations\n$/);
    assert.equal(fs.statSync(all).mode & 0o777, 0o600);
    assert.deepEqual(fs.readdirSync(scratch), ['all.jsonl'], 'no other name is left');
    const lines = linesOf(all);
    assert.deepEqual(lines.pop(), { ...CONFIGURATION, etag: 'MQ==' });
    assert.equal(lines.length, 259);
    assert.deepEqual(lines.slice(-3).map((line) => `${line.id}/${line.moduleId}`).sort(), ['edge/$edgeAgent', 'edge/$edgeHub', 'plain/m1']);
    const plain = lines.find((line) => line.id === 'plain' && !line.moduleId);
    assert.deepEqual([plain.tags, plain.properties], [was.plain.tags, { desired: { x: 1 }, reported: { y: { z: 2.5 } } }]);
    assert.equal(plain.authentication.symmetricKey.primaryKey, was.plain.authentication.symmetricKey.primaryKey);
  });
  it('export to standard output, without keys, with metadata', async () => {
    const { code, stdout } = await muster(['export', '--data', hub.dir, '--no-keys', '--metadata']);
    assert.equal(code, 0);
    const [first] = stdout.split('\n').map((line) => line && JSON.parse(line));
    assert.deepEqual(first.authentication.symmetricKey, { primaryKey: null, secondaryKey: null });
    assert.equal(first.properties.desired.$version, 1);
    assert.ok(!stdout.includes(was.off.authentication.symmetricKey.primaryKey));
  });
  it('export over REST: the same lines', async () => {
    const args = ['export', '--connection-string', hub.connectionString(), '--ca', path.join(hub.dir, 'ca.pem'),];
    for (const more of [[], ['--no-keys', '--metadata']]) {
      const far = await muster([...args, ...more]);
      assert.equal(far.code, 0, far.stderr);
      const near = await muster(['export', '--data', hub.dir, ...more]);
      const sorted = ({ stdout }) => stdout.trimEnd().split('\n').map(JSON.parse).sort((a, b) => ((a.id + a.moduleId) < (b.id + b.moduleId) ? -1 : 1));
      assert.deepEqual(sorted(far), sorted(near));
      assert.equal(JSON.parse(far.stdout.slice(0, far.stdout.indexOf('\n'))).id, 'edge', 'edge devices come first');
    }
    assert.equal((await muster([...args, '--data', hub.dir])).code, 2);
    const reader = await muster(args.map((arg) => (arg === hub.connectionString() ? hub.connectionString('device') : arg)));
    assert.deepEqual([reader.code, /401|IotHubUnauthorizedAccess|refuse|right|denied/i.test(reader.stderr)], [1, true], reader.stderr);
  });
  it('export leaves alone what it cannot replace', async () => {
    for (const [to, code, text] of [[path.join(scratch, 'no/such/folder'), 5, /cannot make/], ['/dev/full/x', 5, /cannot make/]]) {
      const end = await muster(['export', '--data', hub.dir, '--to', to]);
      assert.deepEqual([end.code, text.test(end.stderr)], [code, true], end.stderr);
    }
    assert.equal((await muster(['export', '--data', path.join(scratch, 'nothing')])).code, 5);
  });

  it('export replaces a file, and nothing else', async () => {
    const pipe = path.join(scratch, 'pipe'), link = path.join(scratch, 'link');
    execFileSync('mkfifo', [pipe]);
    fs.symlinkSync('/dev/stdout', link);
    for (const to of [pipe, link]) {
      const before = fs.lstatSync(to), end = await muster(['export', '--data', hub.dir, '--to', to]);
      assert.equal(end.code, 2, end.stderr);
      assert.match(end.stderr, /no plain file/);
      assert.deepEqual([fs.lstatSync(to).mode, fs.lstatSync(to).ino, fs.existsSync(`${to}.partial`)], [before.mode, before.ino, false]);
    }
  });
  it('import into an empty hub: keys, states, twins, modules, edge devices with their children', async () => {
    await empty();
    const end = await take(all);
    assert.equal(end.code, 0, end.stderr);
    assert.equal(end.stdout, '260 of 260 lines done\n');
    assert.deepEqual(await stateOf(ids), was);
    await until(async () => (await rest.get('/twins/many-0')).json.configurations?.c1?.status === 'Applied', 'the configuration owns what it has set');
    const module = (await rest.get('/twins/plain/modules/m1')).json;
    assert.equal(module.properties.desired.m, 1);
    assert.equal((await rest.get('/twins/edge/modules/$edgeAgent')).json.properties.desired.plan, 'a');
    assert.deepEqual((await rest.get('/statistics/devices')).json, { totalDeviceCount: 256, enabledDeviceCount: 255, disabledDeviceCount: 1 });
  });
  it('import once more: identities are replaced, twins stay', async () => {
    await rest.patch('/twins/plain', { tags: { site: 'changed' } });
    await rest.put('/devices/off', { deviceId: 'off', status: 'enabled' });
    const end = await take(all);
    assert.equal(end.code, 0, end.stderr);
    assert.equal((await rest.get('/twins/plain')).json.tags.site, 'changed');
    assert.equal((await rest.get('/devices/off')).json.status, 'disabled');
  });
  it('import of a configuration: made, changed, never another content', async () => {
    const modes = async (line, ...args) => (await take(file('configuration.jsonl', line), ...args)).code;
    assert.equal(await modes({ ...CONFIGURATION, priority: 8 }), 0);
    assert.equal((await rest.get('/configurations/c1')).json.priority, 8);
    assert.equal(await modes(CONFIGURATION, '--mode', 'create'), 3);
    assert.equal(await modes({ ...CONFIGURATION, content: { deviceContent: {} } }), 3);
    assert.equal(await modes({ ...CONFIGURATION, id: 'c2' }, '--mode', 'update'), 3);
    assert.equal(await modes({ ...CONFIGURATION, id: 'c2' }, '--mode', 'updateTwin'), 0);
    assert.equal((await rest.get('/configurations')).json.length, 1);
    assert.equal(await modes(CONFIGURATION, '--mode', 'delete'), 0);
    assert.deepEqual((await rest.get('/configurations')).json, []);
  });
  it('import: --mode for lines that say nothing, importMode for those that do', async () => {
    const from = file('twins.jsonl', { id: 'plain', tags: { site: 'again' } }, { id: 'extra', importMode: 'create' }, { id: 'plain', tags: { twice: 1 } });
    const end = await take(from, '--mode', 'updatetwin');
    assert.equal(end.code, 0, end.stderr);
    const { tags } = (await rest.get('/twins/plain')).json;
    assert.deepEqual([tags.site, tags.twice], ['again', 1], 'an identity may come twice, the later line counts');
    assert.equal((await rest.get('/devices/extra')).status, 200);
    assert.equal((await take(file('gone.jsonl', { id: 'extra' }), '--mode', 'delete')).code, 0);
    assert.equal((await rest.get('/devices/extra')).status, 404);
  });
  it('import: what is wrong with a line is told with its number, and spoils no other', async () => {
    const from = file('bad.jsonl', { id: 'good-1' }, '', '{"id":', { id: 'not valid' }, '[]', { id: 'good-2', tags: { 'a b': 1 } }, { id: 'good-3' });
    const end = await take(from);
    assert.equal(end.code, 3, end.stderr);
    assert.equal(end.stdout, '2 of 6 lines done\n');
    const told = end.stderr.trimEnd().split('\n').sort();
    assert.equal(told.length, 4, end.stderr);
    assert.match(told[0], /^muster import: line 3: not JSON: /);
    assert.match(told[1], /^muster import: line 4: not valid: id and moduleId must be/);
    assert.match(told[2], /^muster import: line 5: a line must be an object with an id/);
    assert.match(told[3], /^muster import: line 6: good-2: /);
    assert.equal((await rest.get('/devices/good-3')).status, 200);
    assert.equal((await rest.get('/devices/good-2')).status, 404);
  });
  for (const [rule, args, code, text] of [
    ['a file that is not there', ['--from', '/nonexistent'], 1, /cannot read '\/nonexistent'/],
    ['a mode that is none', ['--from', '-', '--mode', 'upsert'], 2, /createOrUpdate, create/],
    ['no file', [], 2, /--from FILE/],
    ['a file that is one line without end', ['--from', '/dev/zero'], 1, /line 1 has more than 1048576 bytes/],
  ])
    it(`import of ${rule}: exit code ${code}`, async () => {
      const end = await muster(['import', '--data', hub.dir, ...args]);
      assert.equal(end.code, code, end.stderr);
      assert.match(end.stderr, text);
    });
});
