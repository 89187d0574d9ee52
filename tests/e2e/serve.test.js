// `muster serve` as an operator meets it: first start, second start, mistakes, the end.
'use strict';
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');
const { after, before, describe, it, test } = require('node:test');
const { HOST, Hub, REPORT, muster, startHub, trust } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { jobIn } = require('./lib/jobs');
const { RawMqtt } = require('./lib/mqtt');
const { newDevice } = require('./lib/sdk');
const { within } = require('./lib/wait');

const scratch = () => fs.mkdtempSync(path.join(os.tmpdir(), 'muster-serve-'));
const serve = (dir, ...args) => muster(['serve', '--data', dir, '--host', HOST, ...args]);
const peer = (options) => new Promise((resolve, reject) => {
  const socket = tls.connect({ host: HOST, port: 443, servername: HOST, rejectUnauthorized: false, ...options }, () => {
    resolve(socket.getPeerCertificate(true));
    socket.destroy();
  });
  socket.on('error', reject);
});

// A start that must fail: says why in a line or two, without a stack, and does not hang.
async function assertRefused(run, text) {
  const { code, signal, stdout, stderr } = await run;
  assert.equal(signal, null, stderr);
  assert.ok(code > 0 && code < 126, `exit code ${code}\n${stderr}`);
  assert.match(stdout + stderr, text);
  assert.doesNotMatch(stdout + stderr, REPORT);
  return code;
}

describe('a first start', () => {
  let hub;
  before(async () => (hub = await startHub()));
  after(() => hub.finish());

  it('makes a folder that only its owner can read', () => {
    assert.equal(fs.statSync(hub.dir).mode & 0o077, 0);
    const files = fs.readdirSync(hub.dir).map((name) => path.join(hub.dir, name)).filter((name) => fs.statSync(name).isFile());
    assert.ok(files.length >= 4);
    for (const file of files) assert.equal((fs.statSync(file).mode & 0o777).toString(8), '600', file);
  });
  it('says on its ready line where it listens', () => {
    const line = hub.log.split('\n').find((l) => /\bready\b/i.test(l));
    assert.match(line, /443/);
    assert.match(line, /8883/);
  });
  it('has five policies with keys of their own', () => {
    const keys = ['iothubowner', 'service', 'device', 'registryRead', 'registryReadWrite'].map((policy) => {
      const text = hub.connectionString(policy);
      assert.match(text, new RegExp(`^HostName=${HOST};SharedAccessKeyName=${policy};SharedAccessKey=[A-Za-z0-9+/]{42,}=*$`));
      return hub.policyKey(policy);
    });
    assert.equal(new Set(keys).size, 5);
  });
  it('says no secret', () => {
    for (const policy of ['iothubowner', 'service', 'device']) assert.ok(!hub.log.includes(hub.policyKey(policy)));
  });
});

describe('connection-string', () => {
  it('fails for a folder that is none, and for a policy that is none', async () => {
    const hub = await startHub();
    await assertRefused(muster(['connection-string', '--data', '/nowhere']), /nowhere/);
    await assertRefused(muster(['connection-string', '--data', hub.dir, '--policy', 'nobody']), /nobody/);
    await hub.finish();
  });
});

describe('help', () => {
  for (const args of [['--help'], ['serve', '--help'], ['connection-string', '--help']]) {
    it(`muster ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await muster(args);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /usage/i);
      assert.ok(stdout.split('\n').every((line) => line.length <= 100));
    });
  }
  test('mistakes are told, with the way to the help', async (t) => {
    for (const args of [[], ['dance'], ['serve', '--nonsense'], ['serve', '--data'], ['serve', '--log-format', 'xml', '--data', '/tmp/x'],
      ['serve', '--data', '/tmp/x', '--https-port', '9443', '--mqtt-port', '9443']]) {
      await t.test(`muster ${args.join(' ')}`, () => assertRefused(muster(args), /help|usage/i));
    }
  });
});

describe('commands that get its folder', () => {
  it('find it whatever its name and ports are, until it ends', async () => {
    const hub = new Hub({ host: 'unknown.to.dns.test', args: ['--https-port', '9443', '--mqtt-port', '9883'] });
    const command = (...args) => muster([...args, '--data', hub.dir]);
    await hub.start();
    assert.equal((await command('device', 'create', 'a')).stdout, 'device a created\n');
    assert.equal((await command('sim', '--devices', '2', '--duration', '1')).code, 0);
    await hub.kill9();
    hub.args = ['--https-port', '9444', '--mqtt-port', '9884', '--address', '127.0.0.1'];
    await hub.start();
    assert.equal((await command('device', 'create', 'b')).stdout, 'device b created\n');
    await hub.stop();
    assert.ok(!fs.existsSync(path.join(hub.dir, 'listening')));
    await assertRefused(command('device', 'list'), /is the hub running/);
    await hub.finish();
  });
});

describe('values of options that cannot be', () => {
  const file = path.join(__dirname, 'serve.test.js');
  for (const [rule, args, text] of [
    ['a host without a name', ['--host', ''], /--host takes a DNS name or an IP address/],
    ['a host with a slash', ['--host', 'a/b'], /not 'a\/b'/],
    ['a folder of transfers that is not there', ['--transfer-dir', '/nowhere'], /--transfer-dir '\/nowhere': No such file/],
    ['a folder of transfers that is a file', ['--transfer-dir', file], /not a folder/],
  ])
    it(rule, async () => assert.equal(await assertRefused(muster(['serve', '--data', scratch(), ...args]), text), 2));
  it('a host that its folder has lost', async () => {
    const dir = scratch();
    fs.writeFileSync(path.join(dir, 'host'), '');
    assert.equal(await assertRefused(muster(['serve', '--data', dir]), /'\S+host' does not hold the hub's name any more: start it with --host NAME/), 5);
  });
});

describe('a second start', () => {
  it('finds everything again', async () => {
    const hub = await startHub();
    const rest = new Rest(hub);
    const made = (await rest.put('/devices/d', {})).json;
    const twin = (await rest.patch('/twins/d', { tags: { a: 1 }, properties: { desired: { b: [1, { c: '\u00e9' }] } } })).json;
    await rest.put('/jobs/v2/j', { type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { tags: { j: 1 } } });
    const job = await jobIn(rest, 'j');
    const owner = hub.connectionString();
    const ca = hub.ca;
    await hub.restart();
    hub.strings = {};
    assert.equal(hub.connectionString(), owner);
    assert.equal(hub.ca, ca, 'devices pin it');
    assert.deepEqual((await rest.get('/devices/d')).json.authentication, made.authentication);
    const again = (await rest.get('/twins/d')).json;
    assert.deepEqual(again.properties, twin.properties);
    assert.deepEqual(again.tags, { a: 1, j: 1 });
    assert.deepEqual((await rest.get('/jobs/v2/j')).json, job);
    rest.close();
    await hub.finish();
  });
  it('with another host makes another certificate of the same authority', async () => {
    const hub = await startHub();
    const first = await peer();
    await hub.stop();
    hub.host = 'other.hub.test';
    await hub.start();
    const second = await peer({ host: 'other.hub.test', servername: 'other.hub.test', ca: hub.ca, rejectUnauthorized: true });
    assert.notEqual(first.fingerprint256, second.fingerprint256);
    assert.equal(first.issuerCertificate.fingerprint256, second.issuerCertificate.fingerprint256);
    await hub.finish();
  });
  it('with a certificate of one\'s own uses that', async () => {
    const dir = scratch();
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => path.join(dir, name));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=own',
      '-addext', `subjectAltName=DNS:${HOST}`, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const hub = await new Hub({ args: ['--tls-cert', cert, '--tls-key', key] }).start();
    assert.equal((await peer()).subject.CN, 'own');
    await hub.finish();
    fs.rmSync(dir, { recursive: true });
  });
});

describe('the usual mistakes', () => {
  it('a second instance on the same folder', async () => {
    const hub = await startHub();
    await assertRefused(serve(hub.dir), /running|in use|locked|instance/i);
    assert.equal((await new Rest(hub).get('/healthz')).status, 200, 'the first one lives on');
    await hub.finish();
  });
  for (const port of [443, 8883]) {
    it(`port ${port} taken`, async () => {
      const taken = net.createServer().listen(port);
      await new Promise((resolve) => taken.once('listening', resolve));
      const dir = scratch();
      await assertRefused(serve(dir), new RegExp(`${port}`));
      await new Promise((resolve) => taken.close(resolve));
      fs.rmSync(dir, { recursive: true });
    });
  }
  it('a folder that cannot be written', async () => {
    const dir = scratch();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', dir]);
    await assertRefused(serve(dir), /writ|read-only/i);
    await assertRefused(serve(path.join(dir, 'below')), /creat|writ|mak|read-only/i);
    execFileSync('umount', [dir]);
  });
  it('a folder that is a file', async () => {
    const file = path.join(scratch(), 'file');
    fs.writeFileSync(file, '');
    await assertRefused(serve(file), /folder|directory/i);
  });
  it('a certificate without its key, a key of another, files that are none', async () => {
    const hub = await startHub();
    await hub.stop();
    const pem = (name) => path.join(hub.dir, name);
    const dir = scratch();
    await assertRefused(serve(dir, '--tls-cert', pem('server.pem')), /tls-key/);
    await assertRefused(serve(dir, '--tls-cert', pem('server.pem'), '--tls-key', pem('ca-key.pem')), /key|match/i);
    await assertRefused(serve(dir, '--tls-cert', '/nowhere.pem', '--tls-key', pem('server-key.pem')), /nowhere/);
    await hub.finish();
  });

  // Stop a hub, damage its folder, and see that it says so instead of running on it.
  async function damaged(harm, text) {
    const hub = await startHub();
    await new Rest(hub).put('/devices/d', {});
    await hub.stop();
    const database = fs.readdirSync(hub.dir).map((name) => path.join(hub.dir, name))
      .find((file) => fs.statSync(file).isFile() && fs.readFileSync(file).subarray(0, 15).toString() === 'SQLite format 3');
    assert.ok(database, 'the main file is SQLite');
    const main = ['muster.db', 'hub.db'].map((name) => path.join(hub.dir, name)).find((file) => fs.existsSync(file)) || database;
    harm(main);
    await assertRefused(serve(hub.dir), text);
    await hub.finish();
  }
  it('a newer schema', () => damaged((file) => {
    // user_version is a big-endian number at offset 60 of the file
    const bytes = fs.readFileSync(file);
    bytes.writeUInt32BE(9999, 60);
    fs.writeFileSync(file, bytes);
  }, /newer|version/i));
  it('a database that is none', () => damaged((file) => fs.writeFileSync(file, 'this is no database, and never was one\n'.repeat(200)), /corrupt|damaged|not a database/i));
  it('a database with a torn page', () => damaged((file) => {
    const bytes = fs.readFileSync(file);
    bytes.fill(0xa5, 100, Math.min(bytes.length, 8192));
    fs.writeFileSync(file, bytes);
  }, /corrupt|damaged|malformed|not a database/i));
});

describe('logs', () => {
  it('--log-format json writes an object a line on stderr', async () => {
    const hub = await startHub({ args: ['--log-format', 'json'] });
    await new Rest(hub).get('/devices');
    await hub.stop();
    const lines = hub.log.split('\n').filter((line) => line.startsWith('{'));
    assert.ok(lines.length > 0);
    for (const line of lines) assert.equal(typeof JSON.parse(line), 'object');
    await hub.finish();
  });
});

describe('the end', () => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    it(`${signal} drains and ends within 5 s, whoever is connected`, async () => {
      const hub = await startHub();
      const rest = new Rest(hub);
      const device = await newDevice(hub, 'd');
      const client = await RawMqtt.connect(hub, device);
      await client.subscribe('$iothub/methods/POST/#');
      const waiting = rest.post('/twins/d/methods', { methodName: 'm', responseTimeoutInSeconds: 300 }).catch((error) => error);
      await client.message();
      const idle = await peer().then(() => net.connect(443, HOST));
      idle.on('error', () => {});
      const begun = Date.now();
      const end = await within(hub.stop(signal), 'the hub ends', 30000);
      const took = Date.now() - begun;
      assert.deepEqual(end, { code: 0, signal: null });
      assert.ok(took < 5000 * (process.env.MUSTER_SLOW || 1), `${took} ms`);
      await client.gone();
      const answer = await waiting;
      assert.ok(answer instanceof Error || answer.status >= 400, 'nobody is told that all went well');
      idle.destroy();
      rest.close();
      await hub.finish();
    });
  }
  it('after kill -9 it starts again', async () => {
    const hub = trust(await new Hub().start());
    const rest = new Rest(hub);
    await rest.put('/devices/d', {});
    for (let i = 0; i < 3; i++) {
      await rest.patch('/twins/d', { tags: { i } });
      await hub.kill9();
      await hub.start();
      assert.equal((await rest.get('/twins/d')).json.tags.i, i);
    }
    rest.close();
    await hub.finish();
  });
});
