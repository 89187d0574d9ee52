// Files that devices upload: docs/spec/device-http-amqp.md A.4 and C.4.
'use strict';
const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { before, it } = require('node:test');
const { sas } = require('./lib/sas');
const { newDevice } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');
const { content, upload } = require('./lib/upload');

const MIB = 1 << 20;
const blob = { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2021-04-10', 'Content-Type': 'application/octet-stream' };
const md5 = (bytes) => createHash('md5').update(bytes).digest('base64');

// What a device says with its own key.
const asDevice = (s, { deviceId, key }) => ({
  auth: sas({ sr: `${s.hub.host}/devices/${deviceId}`, key }),
});
const begin = (s, device, blobName) => s.rest.post(`/devices/${device.deviceId}/files`, { blobName }, asDevice(s, device));
const end = (s, device, correlationId, isSuccess = true, more = {}) =>
  s.rest.post(`/devices/${device.deviceId}/files/notifications`, { correlationId, isSuccess, ...more }, asDevice(s, device));
// As SDKs put it together.
const pathOf = ({ containerName, blobName, sasToken }, more = '') =>
  `/${containerName}/${blobName.split('/').map(encodeURIComponent).join('/')}${sasToken}${more}`;
const put = (s, address, bytes, headers = {}, more = '') =>
  s.rest.put(pathOf(address, more), Buffer.from(bytes), { headers: { ...blob, ...headers }, auth: null, version: null });
const fileOf = (s, device, name) => path.join(s.hub.dir, 'files', 'uploads', device.deviceId, name);
const read = (s, device, name) => fs.readFileSync(fileOf(s, device, name));

async function begun(s, device, name) {
  const answer = await begin(s, device, name);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

function assertStorageFault(answer, status, code, text = /./) {
  const what = `${answer.status} ${answer.text}`;
  assert.equal(answer.status, status, what);
  assert.equal(answer.headers['x-ms-error-code'], code, what);
  assert.match(answer.headers['content-type'], /^application\/xml/);
  assert.match(answer.text, new RegExp(`<Error><Code>${code}</Code><Message>`));
  assert.match(answer.text, text);
}

async function notices(s) {
  const found = [];
  for (;;) {
    const answer = await s.rest.get('/messages/serviceBound/filenotifications');
    if (answer.status === 204) return found;
    assert.equal(answer.status, 200, answer.text);
    found.push(answer.json);
    const done = await s.rest.delete(`/messages/serviceBound/filenotifications/${answer.headers.etag.replaceAll('"', '')}`);
    assert.equal(done.status, 204, done.text);
  }
}

withHub('files with the Node SDK', (s) => {
  let device;
  before(async () => {
    device = await newDevice(s.hub, 'camera');
  });
  // 5 MiB go in blocks, what is small in one request.
  for (const [transport, name, size] of [['mqtt', 'small.txt', 11], ['http', 'pictures/a b.jpg', 300000], ['mqtt', 'large.bin', 9 * MIB + 1]])
    it(`uploads ${size} bytes beside ${transport}`, async () => {
      const done = await upload(s.hub, s.hub.deviceConnectionString('camera', device.key), transport, name, size);
      assert.ok(done.ok, done.text + s.hub.tail());
      assert.ok(read(s, device, name).equals(content(size)));
      const [notice, ...more] = await notices(s);
      assert.deepEqual(more, []);
      assert.equal(notice.deviceId, 'camera');
      assert.equal(notice.blobName, `camera/${name}`);
      assert.equal(notice.blobSizeInBytes, size);
      assert.match(notice.enqueuedTimeUtc, /Z$/);
    });
});

withHub('files', (s) => {
  let device, other;
  before(async () => {
    device = await newDevice(s.hub, 'd1');
    other = await newDevice(s.hub, 'd2');
  });

  it('begins with an address', async () => {
    const made = await begun(s, device, 'f.txt');
    assert.deepEqual(Object.keys(made), ['correlationId', 'hostName', 'containerName', 'blobName', 'sasToken']);
    assert.deepEqual([made.hostName, made.containerName, made.blobName], [s.hub.host, 'uploads', 'd1/f.txt']);
    assert.match(made.sasToken, /^\?/);
    assert.equal((await end(s, device, made.correlationId, false)).status, 204);
  });
  it('takes a file, whole, with its marks', async () => {
    const made = await begun(s, device, 'whole.txt');
    const answer = await put(s, made, 'hello', { 'Content-MD5': md5('hello') });
    assert.equal(answer.status, 201, answer.text);
    assert.match(answer.headers.etag, /^"0x[0-9A-F]+"$/);
    assert.ok(Date.parse(answer.headers['last-modified']) > 0);
    assert.equal(answer.headers['content-md5'], md5('hello'));
    assert.equal(answer.headers['x-ms-version'], '2021-04-10');
    assert.match(answer.headers['x-ms-request-id'], /^[0-9a-f-]{36}$/);
    assert.equal(read(s, device, 'whole.txt').toString(), 'hello');
    assert.equal((await end(s, device, made.correlationId)).status, 204);
    const [notice] = await notices(s);
    const link = new URL(notice.blobUri);
    const got = await s.rest.get(link.pathname + link.search, { auth: null, version: null });
    assert.deepEqual([got.status, got.text], [200, 'hello'], 'whoever has the notice may read it');
  });
  it('joins blocks in the order of the list', async () => {
    const made = await begun(s, device, 'blocks.txt');
    const ids = ['one', 'two', 'six'].map((id) => Buffer.from(id).toString('base64'));
    for (const id of [ids[1], ids[0], ids[2]]) {
      const answer = await put(s, made, Buffer.from(id, 'base64'), {}, `&comp=block&blockid=${encodeURIComponent(id)}`);
      assert.equal(answer.status, 201, answer.text);
    }
    assert.equal(fs.existsSync(fileOf(s, device, 'blocks.txt')), false, 'nobody sees it before');
    const list = `<?xml version="1.0" encoding="UTF-8"?><BlockList>${ids.map((id) => `<Latest>${id}</Latest>`).join('')}</BlockList>`;
    const answer = await put(s, made, list, {}, '&comp=blocklist');
    assert.equal(answer.status, 201, answer.text);
    assert.equal(read(s, device, 'blocks.txt').toString(), 'onetwosix');
    assertStorageFault(await put(s, made, list, {}, '&comp=blocklist'), 400, 'InvalidBlockList', /sent/);
    await end(s, device, made.correlationId);
    await notices(s);
  });
  it('refuses what the address does not allow, before it takes a body', async () => {
    const mine = await begun(s, device, 'mine.txt'), theirs = await begun(s, other, 'theirs.txt');
    const old = new Date(Date.now() - 1000).toISOString();
    const table = [
      ['no signature', { ...mine, sasToken: '?' }],
      ["another device's file", { ...mine, blobName: theirs.blobName }],
      ['another name', { ...mine, blobName: 'd1/yours.txt' }],
      ['a changed signature', { ...mine, sasToken: mine.sasToken.replace(/sig=./, 'sig=_') }],
      ['a later end', { ...mine, sasToken: mine.sasToken.replace(/se=20../, 'se=2999') }],
      ['an end that is over', { ...mine, sasToken: mine.sasToken.replace(/se=[^&]+/, `se=${encodeURIComponent(old)}`) }],
    ];
    for (const [rule, address] of table) {
      const answer = await put(s, address, 'x');
      assert.equal(answer.status, 403, rule);
      assertStorageFault(answer, 403, 'AuthenticationFailed');
    }
    const got = await s.rest.get(pathOf(mine), { auth: null, version: null });
    assert.equal(got.status, 403, 'an address to write to does not read');
    assert.equal(fs.existsSync(fileOf(s, device, 'mine.txt')), false);
    for (const [who, made] of [[device, mine], [other, theirs]]) await end(s, who, made.correlationId, false);
  });
  it('says what is wrong with a request', async () => {
    const made = await begun(s, device, 'odd.txt');
    const table = [
      ['no type', 'x', { 'x-ms-blob-type': '' }, '', 400, 'MissingRequiredHeader', /BlockBlob/],
      ['another type', 'x', { 'x-ms-blob-type': 'PageBlob' }, '', 400, 'MissingRequiredHeader', /BlockBlob/],
      ['another sum', 'x', { 'Content-MD5': md5('y') }, '', 400, 'Md5Mismatch', /MD5/],
      ['no sum', 'x', { 'Content-MD5': 'short' }, '', 400, 'InvalidHeaderValue', /16 bytes/],
      ['a block without an id', 'x', {}, '&comp=block', 400, 'InvalidQueryParameterValue', /blockid/],
      ['an unknown part', 'x', {}, '&comp=page', 400, 'InvalidQueryParameterValue', /comp/],
      ['a list that is none', 'x', {}, '&comp=blocklist', 400, 'InvalidXmlDocument', /./],
    ];
    for (const [, bytes, headers, more, status, code, text] of table)
      assertStorageFault(await put(s, made, bytes, headers, more), status, code, text);
    assert.equal(fs.existsSync(fileOf(s, device, 'odd.txt')), false);
    await end(s, device, made.correlationId, false);
  });
  it('refuses names with what to change', async () => {
    const table = [undefined, '', '../x', 'a//b', '/a', 'a/', 'a\u0001', 'x'.repeat(1025), 7, null];
    for (const name of table) assertFault(await begin(s, device, name), 400, 'ArgumentInvalid', /name|blobName/i);
    assertFault(await s.rest.post('/devices/d1/files', undefined, asDevice(s, device)), 400, 'ArgumentNull');
    assertFault(await s.rest.post('/devices/d1/files', '{', asDevice(s, device)), 400, 'IotHubFormatError');
  });
  it('keeps strange names apart from the folder', async () => {
    const names = ['a b', '%2e%2e', '.hidden', 'back\\slash', 'ä/ö', 'q?r#s&t=u'];
    for (const name of names) {
      const made = await begun(s, device, name);
      const answer = await put(s, made, name);
      assert.equal(answer.status, 201, `${name}: ${answer.text}`);
      const got = await s.rest.get(pathOf({ ...made, sasToken: '' }), { version: null });
      assert.deepEqual([got.status, got.text], [200, name], 'a service with its token reads it');
      await end(s, device, made.correlationId);
    }
    assert.deepEqual((await notices(s)).map((notice) => notice.blobName), names.map((name) => `d1/${name}`));
  });
  it('has at most ten open uploads of a device', async () => {
    const open = [];
    for (let i = 0; i < 10; i++) open.push(await begun(s, device, `n${i}`));
    assertFault(await begin(s, device, 'n10'), 403, 'DeviceMaximumActiveFileUploadLimitExceeded');
    await begun(s, other, 'n0').then((made) => end(s, other, made.correlationId, false));
    await end(s, device, open[0].correlationId, false);
    open[0] = await begun(s, device, 'n10');
    for (const made of open) assert.equal((await end(s, device, made.correlationId, false)).status, 204);
  });
  it('ends once, and only for its device', async () => {
    const made = await begun(s, device, 'once');
    await put(s, made, 'x');
    assert.equal((await end(s, other, made.correlationId)).status, 400);
    const inPath = `/devices/d1/files/notifications/${encodeURIComponent(made.correlationId)}`;
    const body = { isSuccess: true, statusCode: 200, statusDescription: 'ok' };
    assert.equal((await s.rest.post(inPath, body, asDevice(s, device))).status, 204, 'the form of Node and Go');
    assert.equal((await s.rest.post(inPath, body, asDevice(s, device))).status, 400);
    assert.equal((await end(s, device, 'CORR==/x')).status, 400);
    assert.equal((await end(s, device, made.correlationId, 'yes')).status, 400);
    assert.equal((await notices(s)).length, 1);
    const none = await begun(s, device, 'never-written');
    assertFault(await end(s, device, none.correlationId), 400, 'InvalidStorageEndpointOrBlob', /nothing was written/);
    assert.equal((await end(s, device, none.correlationId, false)).status, 204);
  });
  it('is for the device itself', async () => {
    for (const [rule, answer] of [
      ['a service', await s.rest.post('/devices/d1/files', { blobName: 'x' }, { auth: sas({ sr: s.hub.host, key: s.hub.policyKey('service'), skn: 'service' }) })],
      ['another device', await s.rest.post('/devices/d1/files', { blobName: 'x' }, asDevice(s, other))],
      ['nobody', await s.rest.post('/devices/d1/files', { blobName: 'x' }, { auth: null })],
    ]) assert.equal(answer.status, 401, `${rule}: ${answer.text}`);
  });
  it('gives a part of a file', async () => {
    const made = await begun(s, device, 'part');
    const bytes = content(300000);
    await put(s, made, bytes);
    await end(s, device, made.correlationId);
    await notices(s);
    const where = pathOf({ ...made, sasToken: '' });
    const part = await s.rest.get(where, { version: null, headers: { Range: 'bytes=10-19' } });
    assert.deepEqual([part.status, part.text, part.headers['content-range']], [206, bytes.subarray(10, 20).toString(), 'bytes 10-19/300000']);
    assert.equal((await s.rest.get(where, { version: null, headers: { Range: 'bytes=300000-' } })).status, 416);
    const head = await s.rest.call('HEAD', where, undefined, { version: null });
    assert.deepEqual([head.status, head.headers['content-length']], [200, '300000']);
    assert.equal((await s.rest.get(where, { version: null })).text.length, 300000);
  });
});

withHub('files and restarts', (s) => {
  let device;
  before(async () => {
    device = await newDevice(s.hub, 'd1');
  });
  it('keeps what was acknowledged, and open uploads, through kill -9', async () => {
    const done = await begun(s, device, 'done'), half = await begun(s, device, 'half');
    const bytes = content(3 * MIB);
    assert.equal((await put(s, done, bytes)).status, 201);
    // Of this one only a part is sent: the hub is killed when it has some of it.
    const https = require('node:https');
    await new Promise((resolve) => {
      const request = https.request({ host: s.hub.host, method: 'PUT', path: pathOf(half), ca: s.hub.ca,
        headers: { ...blob, 'Content-Length': 9 * MIB } });
      request.on('error', resolve);
      request.write(content(4 * MIB), () => s.hub.kill9());
    });
    await s.hub.kill9();
    await s.hub.start();
    assert.ok(read(s, device, 'done').equals(bytes));
    assert.equal(fs.existsSync(fileOf(s, device, 'half')), false, 'half a file is none');
    assert.deepEqual(fs.readdirSync(path.join(s.hub.dir, 'files', '.new')), [], 'nothing is left of it');
    assert.equal((await put(s, half, 'now')).status, 201, 'the address is good until it expires');
    for (const made of [done, half]) assert.equal((await end(s, device, made.correlationId)).status, 204);
    assert.deepEqual((await notices(s)).map((notice) => notice.blobName), ['d1/done', 'd1/half']);
  });
  it('keeps a notice until it is completed', async () => {
    const made = await begun(s, device, 'told');
    await put(s, made, 'x');
    await end(s, device, made.correlationId);
    const first = await s.rest.get('/messages/serviceBound/filenotifications');
    const lock = first.headers.etag.replaceAll('"', '');
    assert.equal((await s.rest.post(`/messages/serviceBound/filenotifications/${lock}/abandon`)).status, 204);
    await s.hub.restart();
    assert.deepEqual((await notices(s)).map((notice) => notice.blobName), ['d1/told']);
  });
});

withHub('files of a hub with little room', (s) => {
  let device;
  before(async () => {
    device = await newDevice(s.hub, 'd1');
  });
  it('refuses a file that is too large, and one for which there is no room', async () => {
    const made = await begun(s, device, 'large');
    assertStorageFault(await put(s, made, content(MIB + 1)), 413, 'RequestBodyTooLarge', /at most/);
    for (const name of ['a', 'b']) {
      const one = await begun(s, device, name);
      assert.equal((await put(s, one, content(MIB))).status, 201);
      await end(s, device, one.correlationId);
    }
    const full = await put(s, made, content(1000));
    assertStorageFault(full, 507, 'InsufficientStorage', /room for files/);
    assert.equal(fs.existsSync(fileOf(s, device, 'large')), false);
    const again = await begun(s, device, 'a');
    assert.equal((await put(s, again, 'less')).status, 507, 'a new file is whole before it takes the place of the old one');
    assert.deepEqual(await notices(s), [], 'this hub tells nobody');
  });
}, { args: ['--file-mib', '1', '--files-mib', '2', '--no-file-notifications'] });

withHub('a hub that takes no files', (s) => {
  it('says so', async () => {
    const device = await newDevice(s.hub, 'd1');
    const answer = await begin(s, device, 'f');
    assert.equal(answer.status, 400);
    assert.match(answer.text, /takes no files/);
  });
}, { args: ['--file-mib', '0'] });
