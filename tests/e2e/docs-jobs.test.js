// The examples of docs/jobs.md, taken from the page and run as they stand there.
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, it } = require('node:test');
const { NoRetry } = require('azure-iot-common');
const { MUSTER } = require('./lib/hub');
const { newDevice, onMethod, openClient } = require('./lib/sdk');
const { withHub } = require('./lib/suite');

const PAGE = fs.readFileSync(path.join(__dirname, '../../docs/jobs.md'), 'utf8');
const COMMAND = /^(hub|muster job|printf|echo) /;

// Indented blocks that are commands, and the function that they use.
const blocks = [...PAGE.matchAll(/(?:^ {4}.*\n)+/gm)].map(([block]) => block.replace(/^ {4}/gm, ''));
const helper = blocks.find((block) => block.startsWith('hub() {'));
const examples = blocks.filter((block) => COMMAND.test(block));

withHub('docs/jobs.md', (s) => {
  let dir, client;
  before(async () => {
    dir = path.dirname(s.hub.dir);
    fs.symlinkSync(s.hub.dir, path.join(dir, 'hub'));
    fs.mkdirSync(path.join(dir, 'bin'));
    fs.symlinkSync(MUSTER, path.join(dir, 'bin/muster'));
    const identity = await newDevice(s.hub, 'north-1');
    await newDevice(s.hub, 'north-2');
    for (const id of ['north-1', 'north-2']) await s.rest.patch(`/twins/${id}`, { tags: { site: 'north', line: 1 } });
    client = await openClient(s.hub, identity, 'mqtt');
    client.setRetryPolicy(new NoRetry()); // its device is deleted below: the SDK would try for four minutes
    onMethod(client, 'reboot', () => new Promise(() => {})); // the job goes on while the page talks of it
  });
  after(() => client.close());

  // Every line has to succeed. `heard` gets what was printed so far.
  const run = (block, heard = () => {}) => new Promise((resolve, reject) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', `${helper}\n${block}`], {
      cwd: dir,
      env: { ...process.env, PATH: `${path.join(dir, 'bin')}:${process.env.PATH}`, HUB: `https://${s.hub.host}`, AUTH: s.rest.token() },
    });
    let out = '', complaints = '';
    child.stdout.on('data', (chunk) => heard(out += chunk));
    child.stderr.on('data', (chunk) => (complaints += chunk));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`code ${code}: ${block}\n${out}\n${complaints}`))));
  });
  const said = {
    'v2/preview': (out) => assert.equal(JSON.parse(out).targets, 2),
    'reboot-north -X PUT': (out) => assert.equal(JSON.parse(out).status, 'queued'),
    'interval-30': (out) => assert.match(out, /2 of 2 devices succeeded/),
    'reboot-north -X PATCH': (out) => assert.match(out, /"maxExecutionTimeInSeconds":3600[^]*"pace":\{"devicesPerSecond":0.5\}[^]*job reboot-north changed/),
    events: (out) => assert.match(out, /event: state\ndata: .*"event":"created"[^]*"event":"cancelled"/),
    'retry -X POST': (out) => assert.equal(JSON.parse(out).jobId, 'reboot-north-r2'),
    'job retry': (out) => assert.match(out, /job reboot-north-r3 completed/),
  };

  it('has a function for its examples, and examples', () => {
    assert.ok(helper);
    assert.ok(examples.length >= 7, `${examples.length}`);
    const calls = (text) => text.match(/^ *(hub \/|muster job )/gm).length;
    assert.equal(calls(examples.join('')), calls(PAGE.replace(/^(?! {4}).*$/gm, '')), 'no call of the page is left out');
  });
  for (const block of examples) {
    const title = block.split('\n')[0];
    it(title, async () => {
      const stream = block.includes('/events');
      let ended = !stream;
      const out = await run(block, async (text) => {
        if (ended || !/"event":"running"/.test(text)) return;
        ended = true;
        await s.rest.delete('/devices/north-1'); // so that one has failed
        await s.rest.post('/jobs/v2/reboot-north/cancel');
      });
      const names = Object.keys(said).filter((name) => block.includes(name));
      assert.ok(names.length > 0, 'each example has something to say');
      names.forEach((name) => said[name](out));
    });
  }
});
