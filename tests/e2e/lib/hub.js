// A real hub in a folder of its own: start, stop, kill, start again.
//
// start() waits for the hub's ready line, not for time. finish() is the end of every test file: it
// fails when the hub died by itself, left with a bad code or printed a sanitizer's report.
'use strict';
const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');

const MUSTER = process.env.MUSTER || path.join(__dirname, '../../../build/muster');
const HOST = 'myhub.hub.test';
const START_MS = 60000;
const STOP_MS = 60000; // a sanitizer build on a busy machine; the 5 s rule has a test of its own
const REPORT = /(Address|Leak|Memory|Thread|UndefinedBehavior)Sanitizer|runtime error:|assertion.*failed/i;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

class Hub {
  constructor({ dir, host = HOST, args = [] } = {}) {
    this.scratch = dir ? null : fs.mkdtempSync(path.join(os.tmpdir(), 'muster-e2e-'));
    this.dir = dir || path.join(this.scratch, 'data');
    this.host = host;
    this.args = args;
    this.log = '';
    this.child = null;
    this.exited = null; // promise of {code, signal} of the process at hand
  }

  // Run `muster serve`; resolves with the hub at its ready line, rejects when it ends before.
  start({ args = this.args, env = {} } = {}) {
    assert.equal(this.child, null, 'the hub runs already');
    const child = spawn(MUSTER, ['serve', '--data', this.dir, '--host', this.host, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.child = child;
    this.expected = false;
    this.begin = this.log.length;
    running.add(child);
    this.exited = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        running.delete(child);
        this.child = null;
        this.last = { code, signal };
        resolve(this.last);
      });
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`the hub printed no ready line in ${START_MS} ms:\n${this.said()}`));
      }, START_MS);
      const heard = (chunk) => {
        this.log += chunk;
        if (/\bready\b/i.test(this.said())) {
          clearTimeout(timer);
          resolve(this);
        }
      };
      child.on('error', reject);
      child.stdout.on('data', heard);
      child.stderr.on('data', heard);
      this.exited.then(({ code, signal }) => {
        clearTimeout(timer);
        const error = new Error(`the hub ended early, code ${code}, signal ${signal}:\n${this.said()}`);
        reject(Object.assign(error, { code, signal, output: this.said() }));
      });
    });
  }

  // What the process at hand, or the last one, has printed.
  said() {
    return this.log.slice(this.begin);
  }

  async stop(signal = 'SIGTERM') {
    if (!this.child) return this.last;
    this.expected = true;
    this.child.kill(signal);
    const timer = setTimeout(() => this.child && this.child.kill('SIGKILL'), STOP_MS);
    const end = await this.exited;
    clearTimeout(timer);
    return end;
  }

  // The end that a power cut makes.
  kill9() {
    return this.stop('SIGKILL');
  }

  async restart(options) {
    const end = await this.stop();
    assert.deepEqual(end, { code: 0, signal: null }, `a stop on request is no failure:\n${this.said()}`);
    return this.start(options);
  }

  // For `after`: stop, and fail for everything that went wrong unseen.
  async finish() {
    try {
      const died = !this.child && this.last && !this.expected;
      assert.ok(!died, `the hub died during the test: ${JSON.stringify(this.last)}\n${this.tail()}`);
      if (this.child) {
        const end = await this.stop();
        assert.deepEqual(end, { code: 0, signal: null }, `the hub did not stop well:\n${this.tail()}`);
      }
      assert.ok(!REPORT.test(this.log), `a sanitizer or an assertion spoke up:\n${this.tail(20000)}`);
    } finally {
      if (this.child) this.child.kill('SIGKILL');
      if (process.env.MUSTER_E2E_LOG) console.error(this.log);
      if (this.scratch) fs.rmSync(this.scratch, { recursive: true, force: true });
    }
  }

  tail(size = 4000) {
    return this.log.slice(-size);
  }

  get caFile() {
    return path.join(this.dir, 'ca.pem');
  }

  get ca() {
    return fs.readFileSync(this.caFile, 'utf8');
  }

  // The service connection string of a policy, from the program itself.
  connectionString(policy = 'iothubowner') {
    this.strings = this.strings || {};
    if (!this.strings[policy]) {
      const args = ['connection-string', '--data', this.dir, '--policy', policy];
      this.strings[policy] = execFileSync(MUSTER, args, { encoding: 'utf8' }).trim();
    }
    return this.strings[policy];
  }

  policyKey(policy = 'iothubowner') {
    return /SharedAccessKey=([^;]+)/.exec(this.connectionString(policy))[1];
  }

  deviceConnectionString(deviceId, key) {
    return `HostName=${this.host};DeviceId=${deviceId};SharedAccessKey=${key}`;
  }
}

// Run the program to its end: {code, stdout, stderr}. For subcommands and for starts that must fail.
function muster(args, { env = {}, timeout = START_MS, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(MUSTER, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...options,
    });
    running.add(child);
    const out = { stdout: '', stderr: '' };
    child.stdout?.on('data', (chunk) => (out.stdout += chunk));
    child.stderr.on('data', (chunk) => (out.stderr += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, signal, ...out });
    });
  });
}

// Service SDK clients make TLS agents of their own and have no option for a CA. What
// NODE_EXTRA_CA_CERTS does at start is done here for a CA that was made later.
const createSecureContext = tls.createSecureContext;
const trusted = [];
tls.createSecureContext = (options = {}) =>
  createSecureContext(options.ca || !trusted.length ? options : { ...options, ca: trusted });

function trust(hub) {
  trusted.splice(0, trusted.length, hub.ca);
  return hub;
}

async function startHub(options) {
  return trust(await new Hub(options).start());
}

module.exports = { HOST, Hub, MUSTER, REPORT, muster, startHub, trust };
