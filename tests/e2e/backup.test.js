// A hub's folder as one copy: made while the hub runs, whole or not there, and a hub again.
'use strict';
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { Hub, muster, trust } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { allRows, makeDevices } = require('./lib/jobs');

const DEVICES = 300;

describe('backup and restore', () => {
  let hub, rest, scratch;
  const at = (name) => path.join(scratch, name);

  before(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-backup-'));
    hub = trust(await new Hub().start());
    rest = new Rest(hub);
    await makeDevices(rest, Array.from({ length: DEVICES }, (_, i) => `d${i}`));
  });
  after(async () => {
    rest.close();
    await hub.finish();
    fs.rmSync(scratch, { recursive: true, force: true });
  });

  it('a backup on a disk that cannot be written can be restored, exported, and backed up again', async () => {
    const dir = at('read only?%');
    const mount = (...args) => execFileSync(args[0], args.slice(1));
    assert.equal((await muster(['backup', '--data', hub.dir, '--to', dir])).code, 0);
    mount('mount', '--bind', dir, dir);
    try {
      mount('mount', '-o', 'remount,ro,bind', dir);
      for (const args of [['restore', '--from', dir, '--data', at('restored')], ['backup', '--data', dir, '--to', at('second')],
        ['export', '--data', dir, '--to', at('lines')], ['connection-string', '--data', dir]]) {
        const end = await muster(args);
        assert.equal(end.code, 0, end.stderr);
      }
    } finally {
      mount('umount', dir);
    }
    assert.equal(fs.readFileSync(at('lines'), 'utf8').trimEnd().split('\n').length, DEVICES);
  });
  it('what was answered before a backup of a running hub is in it, and the hub goes on', async () => {
    await rest.patch('/twins/d7', { tags: { before: true } });
    let writes = 0, stop = false;
    const writer = (async () => {
      while (!stop) {
        const { status } = await rest.patch(`/twins/d${writes % DEVICES}`, { tags: { n: writes } });
        assert.equal(status, 200);
        writes++;
      }
    })();
    const made = await muster(['backup', '--data', hub.dir, '--to', at('copy')]);
    stop = true;
    await writer;
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /checked/);
    assert.equal(fs.statSync(at('copy')).mode & 0o777, 0o700, 'it holds keys');
    for (const name of fs.readdirSync(at('copy'))) assert.equal(fs.statSync(path.join(at('copy'), name)).mode & 0o077, 0, name);

    const back = await muster(['restore', '--from', at('copy'), '--data', at('again')]);
    assert.equal(back.code, 0, back.stderr);
    await hub.stop();
    const again = trust(await new Hub({ dir: at('again') }).start());
    const other = new Rest(again);
    assert.equal((await other.get('/twins/d7')).json.tags.before, true);
    assert.equal((await allRows(other, 'SELECT deviceId FROM devices')).length, DEVICES);
    assert.equal(again.policyKey(), hub.policyKey(), 'clients keep their connection strings');
    assert.equal(again.ca, hub.ca, 'and trust the same CA');
    other.close();
    await again.finish();
    await hub.start();
    trust(hub);
  });

  const refusals = [
    ['a folder that is not empty is never overwritten', async () => ['backup', '--data', hub.dir, '--to', hub.dir], 2, /not empty/],
    ['a restore does not touch a hub that is there', async () => ['restore', '--from', hub.dir, '--data', hub.dir], 2, /not empty/],
    ['a folder without a hub has nothing to copy', async () => ['backup', '--data', scratch, '--to', at('none')], 5, /no hub was ever started/],
    ['what an earlier attempt left is named', async () => { fs.mkdirSync(at('x.partial')); return ['backup', '--data', hub.dir, '--to', at('x')]; }, 2, /x\.partial.*remove it/],
    ['a backup of what?', async () => ['backup', '--to', at('y')], 2, /--data DIR is missing/],
    ['a restore of what?', async () => ['restore', '--data', at('y')], 2, /--from FOLDER is missing/],
    ['a word without an option', async () => ['backup', hub.dir], 2, /what is '/],
    ['a folder is needed for each side', async () => ['backup', '--data', hub.dir], 2, /--to FOLDER is missing/],
    ["somebody else's database is no backup", async () => {
      fs.mkdirSync(at('cats'));
      fs.writeFileSync(path.join(at('cats'), 'muster.db'), 'not a database at all, though long enough to be looked at'.repeat(40));
      return ['restore', '--from', at('cats'), '--data', at('from-cats')];
    }, 5, /not a database|not a Muster/],
    ['a damaged copy is not restored', async () => {
      assert.equal((await muster(['backup', '--data', hub.dir, '--to', at('good')])).code, 0);
      const file = path.join(at('good'), 'muster.db');
      const fd = fs.openSync(file, 'r+');
      const { size } = fs.fstatSync(fd);
      for (let page = 8; page < size / 4096; page++) fs.writeSync(fd, Buffer.alloc(2048, 0xa5), 0, 2048, page * 4096);
      fs.closeSync(fd);
      return ['restore', '--from', at('good'), '--data', at('from-damaged')];
    }, 5, /damaged/],
  ];
  for (const [rule, args, code, text] of refusals)
    it(rule, async () => {
      const asked = await args();
      const end = await muster(asked);
      assert.equal(end.code, code, end.stderr);
      assert.match(end.stderr, text);
      const to = asked[asked.indexOf(asked[0] === 'backup' ? '--to' : '--data') + 1];
      if (!/not empty|usage/.test(end.stderr)) assert.ok(!fs.existsSync(to), 'nothing half-done is left under the name');
      if (!/remove it/.test(end.stderr) && to) assert.ok(!fs.existsSync(`${to}.partial`), 'nor beside it');
    });
});
