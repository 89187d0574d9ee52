// A simulated fleet: `muster sim` as a child process.
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { MUSTER, REPORT } = require('./hub');
const { within } = require('./wait');

// Resolves when the fleet is ready. `scenario` is an object that goes in through standard input.
// stop() is Ctrl-C and gives stdout with the summary; `ended` is its end when it ends by itself.
async function startSim(hub, args, scenario) {
  const all = ['sim', '--data', hub.dir, ...(scenario ? ['--scenario', '-'] : []), ...args];
  const child = spawn(MUSTER, all, { stdio: [scenario ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  const fleet = { stdout: '', stderr: '', child };
  if (scenario) child.stdin.end(JSON.stringify(scenario));
  fleet.ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  child.stderr.on('data', (chunk) => (fleet.stderr += chunk));
  const ready = new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      fleet.stdout += chunk;
      if (/ready/.test(fleet.stdout)) resolve();
    });
    fleet.ended.then((end) => reject(new Error(`the fleet ended: ${JSON.stringify(end)}\n${fleet.stderr}`)));
  });
  await within(ready, 'the fleet is ready');
  fleet.ends = async () => {
    const end = await within(fleet.ended, 'the fleet ends');
    assert.deepEqual(end, { code: 0, signal: null }, fleet.stderr);
    assert.doesNotMatch(fleet.stderr, REPORT);
    return fleet.stdout;
  };
  fleet.stop = () => {
    child.kill('SIGINT');
    return fleet.ends();
  };
  // With --json: the last line.
  fleet.summary = async () => JSON.parse((await fleet.stop()).trim().split('\n').at(-1));
  return fleet;
}

module.exports = { startSim };
