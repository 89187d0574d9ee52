// `muster job` where a policy, a list or a second try is needed: docs/jobs.md.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { before, it } = require('node:test');
const { muster } = require('./lib/hub');
const { jobIn, makeDevices } = require('./lib/jobs');
const { withHub } = require('./lib/suite');

withHub('muster job', (s) => {
  const ids = ['a', 'b', 'c'];
  const file = (name, content) => {
    const at = path.join(s.hub.dir, '..', name);
    fs.writeFileSync(at, typeof content === 'string' ? content : JSON.stringify(content));
    return at;
  };
  const job = (...args) => muster(['job', args[0], '--data', s.hub.dir, ...args.slice(1)]);
  const good = async (...args) => {
    const end = await job(...args);
    assert.equal(end.code, 0, end.stderr);
    return end.stdout;
  };
  before(() => makeDevices(s.rest, ids));

  it('run: a list of devices and a policy, from files', async () => {
    const list = file('ids.txt', 'a\r\nb\r\n\r\nnobody\r\n'), policy = file('policy.json', { pace: { devicesPerSecond: 50 } });
    const stdout = await good('run', '--id', 'listed', '--tags', '{"x":1}', '--targets-file', list, '--policy', policy);
    assert.match(stdout, /2 of 2 devices succeeded/);
    const { json } = await s.rest.get('/jobs/v2/listed');
    assert.deepEqual(json.policy, { pace: { devicesPerSecond: 50 }, targets: { deviceIds: 3 } });
    assert.match(await good('show', 'listed'), /not found +1 ids? of the list\npolicy +\{"pace"/);
  });
  it('run: a list that is a JSON array', async () => {
    await good('run', '--id', 'array', '--tags', '{"x":2}', '--targets-file', file('ids.json', ids), '--no-wait');
    assert.equal((await jobIn(s.rest, 'array')).deviceJobStatistics.succeededCount, 3);
  });
  it('preview: what would happen, and it does not', async () => {
    const args = ['--desired', '{"i":5}', '--where', "deviceId IN ['a', 'b']"];
    const stdout = await good('preview', ...args, '--policy', file('slow.json', { pace: { devicesPerMinute: 1 } }));
    assert.match(stdout, /^twin update for 2 of 3 devices, 0 of them connected now\ndevices {4}[ab], [ab]\ntakes {6}2 min at/);
    assert.match(stdout, /twin of {4}a\n {2}desired {2}\{\}\n {2}becomes {2}\{"i":5\}\n/);
    assert.deepEqual((await s.rest.get('/twins/a')).json.properties.desired.i, undefined);
    assert.equal(JSON.parse(await good('preview', '--json', ...args)).targets, 2);
    const guarded = await job('preview', ...args, '--policy', file('guard.json', { guard: { devices: 1 } }));
    assert.equal(guarded.code, 1, 'the job would be refused');
    assert.match(guarded.stdout, /\nrefused +guard: the job is for 2 devices, the policy allows 1\n/);
  });
  it('retry: the devices that failed, once more', async () => {
    const late = await job('run', '--id', 'late', '--tags', '{"y":1}', '--where', '*', '--start', '2020-01-01T00:00:00Z', '--window', '60');
    assert.equal(late.code, 3, late.stderr);
    assert.match(await good('show', 'late'), /failures +3 x JobRunPreconditionFailed: .* \([abc]\)\n/);
    assert.match(await good('retry', 'late', '--window', '2m'), /job late-r2 completed after .*3 of 3 devices succeeded/);
    const { json } = await s.rest.get('/jobs/v2/late-r2');
    assert.deepEqual([json.parentJobId, json.maxExecutionTimeInSeconds], ['late', 120]);
    assert.match(await good('show', 'late-r2'), /retry of +late\n/);
    assert.equal(await good('retry', 'late', '--no-wait'), 'late-r3\n');
    assert.match(await good('run', '--tags', '{"z":1}', '--failed-of', 'late'), /3 of 3/);
    const none = await job('retry', 'late-r2');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /No device failed in job late-r2/);
  });
  it('pause, change, resume', async () => {
    await good('run', '--id', 'slow', '--tags', '{"s":1}', '--where', '*', '--no-wait', '--policy', file('hour.json', { pace: { devicesPerMinute: 0.02 } }));
    await jobIn(s.rest, 'slow', 'running');
    assert.equal(await good('pause', 'slow'), 'job slow paused\n');
    assert.match(await good('show', 'slow'), /status +paused\n/);
    assert.equal(await good('change', 'slow', '--window', '2h', '--policy', file('fast.json', { pace: null })), 'job slow changed\n');
    const { json } = await s.rest.get('/jobs/v2/slow');
    assert.deepEqual([json.policy, json.maxExecutionTimeInSeconds, json.paused], [undefined, 7200, true]);
    assert.equal(await good('resume', 'slow'), 'job slow resumed\n');
    assert.match(await good('watch', 'slow'), /3 of 3 devices succeeded/);
    const end = await job('change', 'slow', '--window', '60');
    assert.deepEqual([end.code, end.stderr.includes('405')], [1, true]);
  });

  const twin = ['--tags', '{}'];
  for (const [rule, args, code, text] of [
    ['nobody is meant', ['run', ...twin], 2, /which devices\? .*--targets-file/],
    ['two ways to say who', ['run', ...twin, '--where', '*', '--failed-of', 'x'], 2, /exclude each other/],
    ['a file that is not there', ['run', ...twin, '--targets-file', '/nonexistent'], 2, /--targets-file: cannot open '\/nonexistent'/],
    ['a folder in place of a file', ['run', ...twin, '--targets-file', '/tmp'], 2, /--targets-file: '\/tmp' cannot be read/],
    ['a line that is no id', ['run', ...twin, '--targets-file', ['bad.txt', 'a\nb c\n']], 2, /line 2: 'b c' is not a device id/],
    ['a policy that is no JSON', ['preview', ...twin, '--where', '*', '--policy', ['bad.json', '{pace:1}']], 2, /bad\.json' is not JSON/],
    ['a policy that is no object', ['preview', ...twin, '--where', '*', '--policy', ['list.json', '[]']], 2, /must hold a JSON object/],
    ['a policy that the hub does not know', ['run', ...twin, '--where', '*', '--policy', ['typo.json', '{"maxInflight":1}']], 1, /policy\.maxInflight is not known.*400/],
    ['a condition that is none', ['preview', ...twin, '--where', 'tags.site ='], 1, /queryCondition/],
    ['a change of nothing', ['change', 'listed'], 2, /--window or --policy/],
    ['a change of what is fixed', ['change', 'array', '--policy', ['fixed.json', '{"perTag":null}']], 1, /perTag|405/],
    ['a retry of what is not there', ['retry', 'nothing'], 1, /not found.*404/],
    ['a job that failed, which there never was', ['run', ...twin, '--failed-of', 'nothing'], 1, /nothing not found/],
  ])
    it(`${rule}: exit code ${code} and a sentence`, async () => {
      const end = await job(...args.map((arg) => (Array.isArray(arg) ? file(...arg) : arg)));
      assert.equal(end.code, code, end.stderr);
      assert.match(end.stderr, text);
      assert.equal(end.stderr.trim().split('\n').length, 1, end.stderr);
    });
  it('every command has help', async () => {
    for (const command of ['run', 'preview', 'retry', 'watch', 'list', 'show', 'results', 'cancel', 'pause', 'resume', 'change']) {
      const { code, stdout } = await muster(['job', command, '--help']);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^usage: muster job ${command}`));
      assert.ok(stdout.split('\n').every((line) => line.length <= 100), stdout);
    }
  });
});
