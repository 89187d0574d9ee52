// Import and export jobs of the registry: /jobs/create and what belongs to it, by the Node SDK, over a
// folder and over a server that takes blobs as Azure's storage does.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { Registry } = require('azure-iothub');
const { Certificates } = require('./lib/certs');
const { Hub, trust } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { assertFault } = require('./lib/suite');
const { until } = require('./lib/wait');

// GET and PUT of blobs below /store/, for who has the signature; over HTTPS with {cert, key}.
class Blobs {
  constructor(tls) {
    this.scheme = tls ? 'https' : 'http';
    this.blobs = new Map();
    this.seen = [];
    const answer = (request, response) => {
      const url = new URL(request.url, 'http://x');
      this.seen.push(`${request.method} ${request.url}`);
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        if (url.pathname.startsWith('/moved/')) return response.writeHead(302, { location: '/store/x/devices.txt?sig=1' }).end();
        if (url.searchParams.get('sig') !== '1') return response.writeHead(403).end('no such secret');
        if (request.method === 'PUT' && request.headers['x-ms-blob-type'] === 'BlockBlob') {
          this.blobs.set(url.pathname, Buffer.concat(chunks).toString());
          return response.writeHead(201).end();
        }
        if (url.pathname.includes('slow')) return this.hold = response;
        const blob = this.blobs.get(url.pathname);
        return response.writeHead(blob === undefined ? 404 : 200).end(blob);
      });
    };
    this.server = tls ? https.createServer(tls, answer) : http.createServer(answer);
  }
  listen() {
    return new Promise((done) => this.server.listen(0, '127.0.0.1', () => done((this.origin = `${this.scheme}://127.0.0.1:${this.server.address().port}`))));
  }
}

describe('import and export jobs', () => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-transfer-'));
  const allowed = path.join(scratch, 'allowed'), inside = path.join(allowed, 'inside'), outside = path.join(scratch, 'outside');
  for (const dir of [allowed, inside, outside]) fs.mkdirSync(dir);
  fs.symlinkSync(outside, path.join(allowed, 'way-out'));
  const blobs = new Blobs();
  let hub, rest, registry;
  before(async () => {
    const origin = await blobs.listen();
    hub = new Hub({ args: ['--transfer-dir', allowed, '--transfer-url', `${origin}/store/`] });
    trust(await hub.start());
    rest = new Rest(hub);
    registry = Registry.fromConnectionString(hub.connectionString());
    for (const id of ['a', 'b']) await rest.put(`/devices/${id}`, { deviceId: id });
    await rest.patch('/twins/a', { tags: { site: 'north' }, properties: { desired: { x: 1 } } });
  });
  after(async () => {
    rest.close();
    await hub.finish();
    blobs.server.closeAllConnections();
    blobs.server.close();
    fs.rmSync(scratch, { recursive: true });
  });
  const ended = (id) => until(async () => {
    const { json } = await rest.get(`/jobs/${id}`);
    return ['completed', 'failed', 'cancelled'].includes(json.status) && json;
  }, `job ${id} ends`);
  const create = async (body) => {
    const answer = await rest.post('/jobs/create', body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const bodyOf = (answer) => answer.responseBody || answer;
  const linesOf = (text) => text.trimEnd().split('\n').map(JSON.parse);
  const read = (...names) => fs.readFileSync(path.join(...names), 'utf8');
  const write = (name, ...records) => fs.writeFileSync(path.join(allowed, name), records.map((r) => `${typeof r === 'string' ? r : JSON.stringify(r)}\n`).join(''));

  it('export into a folder, by the SDK', async () => {
    const job = bodyOf(await registry.exportDevicesToBlob(`file://${inside}`, false));
    assert.deepEqual([job.type, job.status, job.progress, job.excludeKeysInExport], ['export', 'enqueued', 0, false]);
    assert.match(job.jobId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const done = await ended(job.jobId);
    assert.deepEqual([done.status, done.progress], ['completed', 100]);
    assert.match(done.endTimeUtc, /^\d{4}-.*Z$/);
    const at = path.join(inside, 'devices.txt');
    assert.equal(fs.statSync(at).mode & 0o777, 0o600);
    assert.deepEqual(fs.readdirSync(inside), ['devices.txt']);
    const [a] = linesOf(read(at));
    assert.deepEqual([a.id, a.tags, a.properties.desired.x, a.properties.desired.$version], ['a', { site: 'north' }, 1, 2]);
    const { authentication } = (await rest.get('/devices/a')).json;
    assert.deepEqual(a.authentication.symmetricKey, authentication.symmetricKey);
    const told = bodyOf(await registry.getJob(job.jobId));
    assert.equal(told.status, 'completed');
    const elsewhere = await rest.get(`/jobs/v2/${job.jobId}`);
    assert.deepEqual([elsewhere.status, elsewhere.json], [200, { jobId: job.jobId, type: 'unknown', status: 'unknown' }], 'as Azure says of it');
    const list = bodyOf(await registry.listJobs());
    assert.equal(list[0].jobId, job.jobId);
  });
  it('export to a blob, without keys', async () => {
    const job = bodyOf(await registry.exportDevicesToBlob(`${blobs.origin}/store/box?sv=2020&sig=1`, true));
    assert.equal((await ended(job.jobId)).status, 'completed');
    const [a, b] = linesOf(blobs.blobs.get('/store/box/devices.txt'));
    assert.deepEqual([a.id, b.id, a.authentication.symmetricKey], ['a', 'b', { primaryKey: null, secondaryKey: null }]);
  });
  it('import from a folder, by the SDK: what is refused is in importErrors.log', async () => {
    write('devices.txt', { id: 'new', importMode: 'create', tags: { n: 1 } }, { id: 'a', importMode: 'create' }, 'no JSON',
      { id: 'b', importMode: 'delete' }, { id: 'nobody', importMode: 'update' }, { id: 'new', importMode: 'updateTwin', tags: { m: 2 } });
    const job = bodyOf(await registry.importDevicesFromBlob(allowed, `file://${inside}`));
    assert.deepEqual([job.type, job.inputBlobContainerUri], ['import', allowed]);
    const done = await ended(job.jobId);
    assert.deepEqual([done.status, done.inputBlobContainerUri], ['completed', undefined]);
    assert.deepEqual((await rest.get('/twins/new')).json.tags, { n: 1, m: 2 });
    assert.equal((await rest.get('/devices/b')).status, 404);
    assert.deepEqual(linesOf(read(inside, 'importErrors.log')).map((e) => [e.deviceId, e.errorCode, e.errorStatus]).sort(), [
      ['', 400006, 'IotHubFormatError'], ['a', 409001, 'DeviceAlreadyExists'], ['nobody', 404001, 'DeviceNotFound']]);
  });
  it('import from a blob what was exported there', async () => {
    blobs.blobs.set('/store/box/some.txt', Array.from({ length: 350 }, (_, i) => JSON.stringify({ id: `blob-${i}` })).join('\n'));
    const job = await create({ type: 'import', inputBlobContainerUri: `${blobs.origin}/store/box?sig=1`, inputBlobName: 'some.txt', outputBlobContainerUri: inside });
    assert.equal((await ended(job.jobId)).status, 'completed');
    assert.equal((await rest.get('/devices/blob-349')).status, 200);
  });

  it('configurations go with it where they are asked for', async () => {
    const content = { deviceContent: { 'properties.desired.c': 5 } };
    const body = (id, more) => ({ id, schemaVersion: '1.0', labels: { l: '1' }, content, targetCondition: "tags.site = 'north'", priority: 3, metrics: { queries: { q: 'SELECT * FROM devices' } }, ...more });
    await registry.addConfiguration(body('c1'));
    await registry.addConfiguration(body('c2'));
    const made = await create({ type: 'export', outputBlobContainerUri: inside, includeConfigurations: true });
    assert.equal(made.includeConfigurations, true);
    assert.equal((await ended(made.jobId)).status, 'completed');
    const [c1] = linesOf(read(inside, 'configurations.txt'));
    assert.deepEqual(c1, { ...body('c1'), etag: 'MQ==' });
    await registry.removeConfiguration('c1');
    write('none.txt', '');
    write('some.txt', ...linesOf(read(inside, 'configurations.txt')).map((line) => ({ ...line, priority: 9 })), '', body('Bad'), '{"id"', { ...body('c2'), content: { deviceContent: {} } });
    const job = await create({ type: 'import', inputBlobContainerUri: allowed, inputBlobName: 'none.txt', outputBlobContainerUri: inside, includeConfigurations: true, configurationsBlobName: 'some.txt' });
    const done = await ended(job.jobId);
    assert.equal(done.status, 'completed', done.failureReason);
    assert.deepEqual((await rest.get('/configurations')).json.map(({ id, priority }) => [id, priority]), [['c1', 9], ['c2', 9]]);
    assert.deepEqual(linesOf(read(inside, 'importErrors.log')).map((e) => [e.configurationId, e.errorStatus]),
      [['Bad', 'ArgumentInvalid'], ['', 'IotHubFormatError'], ['c2', 'CannotModifyImmutableConfigurationContent']]);
    for (const id of ['c1', 'c2']) await registry.removeConfiguration(id);
  });

  it('one at a time; cancel ends it soon', async () => {
    const { jobId } = await create({ type: 'import', inputBlobContainerUri: `${blobs.origin}/store/slow?sig=1`, outputBlobContainerUri: inside });
    await until(() => blobs.hold, 'the blob is asked for');
    assert.equal((await rest.get(`/jobs/${jobId}`)).json.status, 'running');
    assertFault(await rest.post('/jobs/create', { type: 'export', outputBlobContainerUri: inside }), 403, 'JobQuotaExceeded');
    await registry.cancelJob(jobId);
    assert.equal((await ended(jobId)).status, 'cancelled');
    assert.equal((await rest.delete(`/jobs/${jobId}`)).status, 204, 'once more changes nothing');
    assert.equal((await rest.get(`/jobs/${jobId}`)).json.status, 'cancelled');
  });
  it('a server that refuses makes a job fail, and its signature is told nobody', async () => {
    for (const [uri, reason] of [['/store/box?sig=wrong', /answers 403/], ['/store/none?sig=1', /answers 404/]]) {
      const { jobId } = await create({ type: 'import', inputBlobContainerUri: blobs.origin + uri, outputBlobContainerUri: inside });
      const job = await ended(jobId);
      assert.deepEqual([job.status, reason.test(job.failureReason)], ['failed', true], job.failureReason);
    }
    assert.ok(!hub.log.includes('sig='), 'not in the log either');
  });
  it('a hub goes nowhere but where its operator allows', async () => {
    const before = blobs.seen.length;
    for (const uri of [outside, `file://${outside}`, '/', '/etc', `${allowed}/../outside`, `${allowed}/way-out`, `${allowed}/none`, path.join(allowed, 'devices.txt'), allowed + '2',
      'relative', 'ftp://127.0.0.1/store/', 'http://169.254.169.254/latest', blobs.origin, `${blobs.origin}/`, `${blobs.origin}/storehouse?sig=1`, `${blobs.origin}/moved/x`,
      `${blobs.origin}/store/../other?sig=1`, `${blobs.origin}/store/%2e%2e/other?sig=1`, `${blobs.origin}/store/..%2fother?sig=1`, `${blobs.origin}/store/x#y`,
      blobs.origin.replace('http://', 'http://user@') + '/store/x', blobs.origin.replace('http', 'https') + '/store/x', 'http://127.0.0.1:1/store/x', `${allowed}\0/x`])
      for (const body of [{ type: 'export', outputBlobContainerUri: uri }, { type: 'import', inputBlobContainerUri: uri, outputBlobContainerUri: inside }])
        assertFault(await rest.post('/jobs/create', body), 400, 'BlobContainerValidationError');
    for (const name of ['../x', 'a/b', '.hidden', '..', '\0', 'x'.repeat(129)])
      assertFault(await rest.post('/jobs/create', { type: 'export', outputBlobContainerUri: inside, outputBlobName: name }), 400, 'ArgumentInvalid');
    assert.equal(blobs.seen.length, before, 'not even asked');
    assert.deepEqual(fs.readdirSync(outside), []);
  });
  it('a link in the folder is not followed', async () => {
    fs.symlinkSync('/etc/hostname', path.join(allowed, 'link.txt'));
    const { jobId } = await create({ type: 'import', inputBlobContainerUri: allowed, inputBlobName: 'link.txt', outputBlobContainerUri: inside });
    assert.equal((await ended(jobId)).status, 'failed');
    fs.symlinkSync(path.join(outside, 'target'), path.join(allowed, 'out.txt'));
    const made = await create({ type: 'export', outputBlobContainerUri: allowed, outputBlobName: 'out.txt' });
    assert.equal((await ended(made.jobId)).status, 'completed');
    assert.deepEqual(fs.readdirSync(outside), [], 'the link is replaced');
  });
  for (const [rule, body, status, name] of [
    ['no JSON object', [], 400, 'IotHubFormatError'],
    ['no type', {}, 400, 'GenericBadRequest'],
    ['another type', { type: 'backup' }, 400, 'GenericBadRequest'],
    ['no container', { type: 'export' }, 400, 'ArgumentNull'],
    ['nothing to import', { type: 'import', outputBlobContainerUri: '/x' }, 400, 'ArgumentNull'],
    ['a container that is no text', { type: 'export', outputBlobContainerUri: 1 }, 400, 'ArgumentInvalid'],
    ['two blobs of one name', { type: 'export', outputBlobContainerUri: '/x', includeConfigurations: true, configurationsBlobName: 'devices.txt' }, 400, 'ArgumentInvalid'],
    ['a way out in the name of a blob', { type: 'export', outputBlobContainerUri: '/x', includeConfigurations: true, configurationsBlobName: '../x' }, 400, 'ArgumentInvalid'],
  ])
    it(`${rule}: ${status} ${name}`, async () => assertFault(await rest.post('/jobs/create', body), status, name));
  it('a job that is not there', async () => {
    assertFault(await rest.get('/jobs/nothing'), 404, 'JobNotFound');
    assertFault(await rest.delete('/jobs/nothing'), 404, 'JobNotFound');
  });
  it('jobs of before a start are there after it, that of a crash with a text that says so', async () => {
    const { json: was } = await rest.get('/jobs');
    blobs.hold = undefined;
    const { jobId } = await create({ type: 'import', inputBlobContainerUri: `${blobs.origin}/store/slow?sig=1`, outputBlobContainerUri: `${blobs.origin}/store/box?sig=1` });
    await until(() => blobs.hold, 'the blob is asked for');
    await hub.kill9();
    await hub.start();
    const { json: [lost, ...others] } = await rest.get('/jobs');
    assert.deepEqual(others, was);
    assert.deepEqual([lost.jobId, lost.status, lost.outputBlobContainerUri], [jobId, 'failed', `${blobs.origin}/store/box`]);
    assert.match(lost.failureReason, /The hub ended while the job ran: create it again/);
    assert.equal(bodyOf(await registry.getJob(jobId)).status, 'failed');
    await registry.cancelJob(jobId);
    assert.equal((await rest.get(`/jobs/${jobId}`)).json.status, 'failed', 'a cancel changes nothing');
    blobs.hold = undefined;
    const next = await create({ type: 'import', inputBlobContainerUri: `${blobs.origin}/store/slow?sig=1`, outputBlobContainerUri: inside });
    await until(() => blobs.hold, 'the blob is asked for');
    await hub.stop();
    await hub.start();
    assert.match((await rest.get(`/jobs/${next.jobId}`)).json.failureReason, /The hub was stopped while the job ran/);
  });
  it('what an address holds behind its ? is neither kept nor told', async () => {
    const job = await create({ type: 'export', outputBlobContainerUri: `${blobs.origin}/store/box?sv=2020&sig=1` });
    assert.equal(job.outputBlobContainerUri, `${blobs.origin}/store/box`);
    await ended(job.jobId);
    assert.ok(!(await rest.get('/jobs')).text.includes('sig='));
    for (const name of fs.readdirSync(hub.dir).filter((name) => name.startsWith('muster.db')))
      assert.ok(!fs.readFileSync(path.join(hub.dir, name), 'latin1').includes('sig='), name);
  });
  it('without --transfer-dir and --transfer-url there is no way', async () => {
    const { json: was } = await rest.get('/jobs');
    await hub.restart({ args: [] });
    for (const uri of [inside, `${blobs.origin}/store/box?sig=1`])
      assertFault(await rest.post('/jobs/create', { type: 'export', outputBlobContainerUri: uri }), 400, 'BlobContainerValidationError', /--transfer-(dir|url)/);
    assert.deepEqual((await rest.get('/jobs')).json, was, 'jobs of before can be seen');
  });
});

// --transfer-ca is the one CA that counts then: without it the system's do.
describe('containers over HTTPS', () => {
  const certs = new Certificates();
  const root = certs.authority('Storage root'), other = certs.authority('Storage root');
  const forHost = { extensions: ['subjectAltName=IP:127.0.0.1', 'extendedKeyUsage=serverAuth'] };
  const good = new Blobs(certs.make('storage', { issuer: root, ...forHost }));
  const bad = {
    'of another CA of that name': new Blobs(certs.make('storage', { issuer: other, ...forHost })),
    'of nobody': new Blobs(certs.make('storage', forHost)),
    'for another host': new Blobs(certs.make('storage', { issuer: root, extensions: ['subjectAltName=DNS:storage.test', 'extendedKeyUsage=serverAuth'] })),
    'that has expired': new Blobs(certs.make('storage', { issuer: root, to: '20210101000000Z', ...forHost })),
  };
  const servers = [good, ...Object.values(bad)];
  let hub, rest;
  before(async () => {
    const allowed = [];
    for (const server of servers) allowed.push('--transfer-url', `${await server.listen()}/store/`);
    hub = new Hub({ args: ['--transfer-ca', root.certFile, ...allowed] });
    trust(await hub.start());
    rest = new Rest(hub);
    for (const id of ['a', 'b']) await rest.put(`/devices/${id}`, {});
  });
  after(async () => {
    rest.close();
    await hub.finish();
    for (const { server } of servers) {
      server.closeAllConnections();
      server.close();
    }
    certs.remove();
  });
  const job = async (body) => {
    const answer = await rest.post('/jobs/create', body);
    assert.equal(answer.status, 200, answer.text);
    return until(async () => {
      const { json } = await rest.get(`/jobs/${answer.json.jobId}`);
      return ['completed', 'failed'].includes(json.status) && json;
    }, 'the job ends');
  };
  const box = ({ origin }) => `${origin}/store/box?sv=2020&sig=1`;

  it('take an export, and give it back to an import', async () => {
    const out = await job({ type: 'export', outputBlobContainerUri: box(good), excludeKeysInExport: false });
    assert.equal(out.status, 'completed', out.failureReason);
    const lines = good.blobs.get('/store/box/devices.txt').trimEnd().split('\n').map(JSON.parse);
    assert.deepEqual(lines.map((line) => line.id), ['a', 'b']);
    const { json: was } = await rest.get('/devices/b');
    await rest.delete('/devices/b');
    const back = await job({ type: 'import', inputBlobContainerUri: box(good), outputBlobContainerUri: box(good) });
    assert.equal(back.status, 'completed', back.failureReason);
    assert.deepEqual((await rest.get('/devices/b')).json.authentication, was.authentication, 'with its keys');
  });
  for (const [whose, server] of Object.entries(bad)) {
    it(`are sent nothing when they show a certificate ${whose}`, async () => {
      const out = await job({ type: 'export', outputBlobContainerUri: box(server) });
      assert.equal(out.status, 'failed');
      assert.match(out.failureReason, /certificate|SSL|issuer|host/i);
      assert.deepEqual(server.seen, []);
      assert.ok(!`${out.failureReason}${hub.log}`.includes('sig='), 'nor is the signature told');
    });
  }
});
