// docs/openapi.yaml is true: it has every route of the program and no other, its examples fit its schemas,
// and every operation, driven with them against a hub, answers what it says.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, describe, it } = require('node:test');
const { Certificates } = require('./lib/certs');
const { byId, checkAnswer, doc, fill, operations, resolve, root, valid } = require('./lib/openapi');
const { clientOf, moduleOf, onMethod } = require('./lib/sdk');
const { watchEvents, watchJob } = require('./lib/stream');
const { withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

describe('the document', () => {
  const shape = (text) => text.replace(/\{\w*\}/g, '{}');

  it('has every route of the program, and no other', () => {
    const source = fs.readFileSync(path.join(root, 'src/front/routes.c'), 'utf8');
    const routes = [...source.matchAll(/\{\s*HTTP_METHOD_(\w+),\s*"([^"]+)"/g)].map(([, method, at]) => `${method} ${at}`);
    assert.ok(routes.length > 30);
    assert.deepEqual([...new Set(operations.map((o) => shape(o.name)))].sort(), [...new Set(routes.map(shape))].sort());
  });

  it('knows which of them Azure has not', () => {
    const source = fs.readFileSync(path.join(root, 'src/front/routes.c'), 'utf8');
    const ours = source.slice(source.indexOf('struct route ours[]'));
    const routes = [...ours.matchAll(/\{\s*HTTP_METHOD_(\w+),\s*"([^"]+)"/g)].map(([, method, at]) => shape(`${method} ${at}`));
    assert.deepEqual(operations.filter((o) => o.ours === true).map((o) => shape(o.name)).sort(), routes.sort());
  });

  it('names each operation once, with its parameters', () => {
    assert.equal(new Set(operations.map((o) => o.id)).size, operations.length);
    for (const operation of operations) {
      const names = [...operation.template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const inPath = operation.parameters.filter((p) => p.in === 'path').map((p) => p.name);
      assert.deepEqual(inPath.sort(), names.sort(), operation.name);
      assert.equal(operation.parameters.some((p) => p.name === 'api-version'), !operation.open, operation.name);
      assert.ok(operation.op.summary && operation.op.tags.length === 1, operation.name);
      assert.ok(doc.tags.some(({ name }) => name === operation.op.tags[0]), operation.name);
    }
  });

  it('has only references that lead somewhere', () => {
    const look = (node) => {
      if (!node || typeof node !== 'object') return;
      if (typeof node.$ref === 'string') assert.ok(resolve(node), node.$ref);
      Object.values(node).forEach(look);
    };
    look(doc);
  });

  it('has examples that fit', () => {
    const fit = (media, what) => {
      const examples = [media.example, ...Object.values(media.examples || {}).map((e) => e.value)].filter((e) => e !== undefined);
      for (const example of examples) assert.equal(valid(media.schema, example), null, what);
    };
    for (const operation of operations) {
      if (operation.json) {
        assert.ok(operation.json.example, `${operation.name} has no example`);
        fit(operation.json, operation.name);
      }
      for (const parameter of operation.parameters)
        if (parameter.example !== undefined) assert.equal(valid(parameter.schema, parameter.example), null, parameter.name);
      for (const response of Object.values(operation.op.responses))
        Object.values(resolve(response).content || {}).forEach((media) => fit(media, operation.name));
    }
  });
});

const transfers = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-transfers-'));
after(() => fs.rmSync(transfers, { recursive: true }));
withHub('every operation answers what the document says', (s) => {
  const driven = new Set();
  let device, module;

  // One call with the document's examples, but for what is given; fails unless the answer is one of the document.
  async function call(id, { names, body, query = {}, headers, status, binary } = {}) {
    const operation = byId[id];
    assert.ok(operation, `there is no operation ${id}`);
    const search = new URLSearchParams(query).toString();
    const sent = body !== undefined ? body : operation.json ? operation.json.example : binary;
    const target = fill(operation, names) + (search ? `?${search}` : '');
    const answer = await s.rest.call(operation.method, target, sent, { headers, version: operation.open ? null : undefined });
    checkAnswer(operation, answer);
    assert.equal(answer.status, status || Number(Object.keys(operation.op.responses)[0]), `${operation.name}: ${answer.text}`);
    if (answer.status < 300) driven.add(id);
    return answer;
  }
  // Some calls in a row, each a test of its own.
  const drive = (id, what = {}) => it(`${id}${what.note ? `: ${what.note}` : ''}`, () => call(id, typeof what === 'function' ? what() : what));

  // ---- registry ----
  drive('putDevice');
  drive('putDevice', { note: 'a second time', status: 409 });
  drive('putDevice', { note: 'replaced', headers: { 'If-Match': '*' } });
  drive('putDevice', { note: 'another version', headers: { 'If-Match': '"MQ=="' }, status: 412 });
  drive('putDevice', { note: 'of IoT Edge', names: { id: 'edge1' }, body: { capabilities: { iotEdge: true } } });
  drive('putDevice', { note: 'with thumbprints', names: { id: 'x1' },
    body: { authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: 'A'.repeat(40) } } } });
  drive('getDevice');
  drive('getDevice', { note: 'of IoT Edge', names: { id: 'edge1' } });
  drive('getDevice', { note: 'unknown', names: { id: 'nobody' }, status: 404 });
  drive('listDevices');
  drive('listDevices', { note: 'one', query: { top: '1' } });
  drive('updateRegistry', { body: [{ id: 'dev2', importMode: 'create', tags: { site: 'north' } }] });
  drive('updateRegistry', { note: 'in part', body: [{ id: 'dev2', importMode: 'create' }, { id: 'dev3', importMode: 'create' }], status: 400 });
  drive('regenerateKeys', { body: { policyKey: 'both', devices: [{ id: 'dev2' }] } });
  drive('regenerateKeys', { note: 'in part', body: { policyKey: 'secondaryKey', devices: [{ id: 'dev2' }, { id: 'nobody' }] }, status: 207 });
  drive('regenerateKeys', { note: 'none', body: { policyKey: 'primaryKey', devices: [{ id: 'nobody' }] }, status: 400 });
  drive('regenerateKeys', { note: 'no such key', body: { policyKey: 'third', devices: [{ id: 'dev2' }] }, status: 400 });
  drive('updateRegistry', { note: 'no list', body: {}, status: 400 });
  drive('updateRegistry', { note: 'over 100', body: Array.from({ length: 101 }, (_, i) => ({ id: `n${i}` })), status: 413 });
  drive('putModule');
  drive('putModule', { note: 'a second time', status: 409 });
  drive('getModule');
  drive('listModules');
  drive('listModules', { note: 'of IoT Edge', names: { id: 'edge1' } });
  drive('getDeviceStatistics');
  drive('getServiceStatistics');

  // ---- twins ----
  drive('getTwin');
  drive('updateTwin');
  drive('updateTwin', { note: 'another version', headers: { 'If-Match': '"AAAAAAAAAGM="' }, status: 412 });
  drive('updateTwin', { note: 'over a limit', body: { tags: { a: 'x'.repeat(4097) } }, status: 400 });
  drive('replaceTwin');
  drive('getModuleTwin');
  drive('updateModuleTwin');
  drive('replaceModuleTwin');

  // ---- methods ----
  it('a device and a module connect', async () => {
    const identity = (await call('getDevice')).json;
    device = clientOf(s.hub, { deviceId: 'dev1', key: identity.authentication.symmetricKey.primaryKey });
    module = moduleOf(s.hub, (await call('getModule')).json);
    await device.open();
    await module.open();
    onMethod(device, 'reboot', () => ({ status: 200, payload: { ok: true } }));
    module.onMethod('reboot', (request, response) => response.send(200, { ok: true }));
    await device.sendEvent(new (require('azure-iot-common').Message)('{"temperature":21}'));
  });
  const patient = { methodName: 'reboot', payload: { delay: 5 }, responseTimeoutInSeconds: 30, connectTimeoutInSeconds: 30 };
  drive('invokeMethod', { body: patient });

  // ---- digital twins and message routes ----
  it('a device with a component', () => onMethod(device, 'thermostat1*reboot', () => ({ status: 200, payload: { ok: true } })));
  drive('getDigitalTwin');
  drive('updateDigitalTwin');
  drive('updateDigitalTwin', { note: 'another version', headers: { 'If-Match': '"AAAAAAAAAGM="' }, status: 412 });
  drive('updateDigitalTwin', { note: 'no patch', body: {}, status: 400 });
  drive('invokeCommand', { query: { connectTimeoutInSeconds: '30' } });
  drive('invokeComponentCommand', { query: { connectTimeoutInSeconds: '30' } });
  drive('putRoute');
  drive('putRoute', { note: 'that does not compile', body: { source: 'DeviceMessages', condition: 'a > 1' }, status: 400 });
  drive('getRoute');
  drive('listRoutes');
  drive('testRoute');
  drive('testRoute', { note: 'that does not compile', body: { route: { source: 'DeviceMessages', condition: '(' } } });
  drive('removeRoute');
  drive('invokeModuleMethod', { body: patient });
  drive('invokeMethod', { note: 'offline', names: { id: 'dev2' }, status: 404 });
  drive('invokeMethod', { note: 'wrong', body: { methodName: 'reboot', responseTimeoutInSeconds: 1 }, status: 400 });
  it('twins of what is connected', async () => {
    await call('getTwin');
    await call('getDevice');
  });

  // ---- queries ----
  drive('query');
  drive('query', { note: 'a page', body: { query: 'SELECT * FROM devices' }, headers: { 'x-ms-max-item-count': '1' } });
  drive('query', { note: 'modules', body: { query: 'SELECT * FROM devices.modules' } });
  drive('query', { note: 'a projection', body: { query: 'SELECT deviceId FROM devices' } });
  drive('query', { note: 'no query', body: { query: 'SELECT' }, status: 400 });
  it('each item of a query for twins is a Twin', async () => {
    for (const from of ['devices', 'devices.modules'])
      for (const twin of (await call('query', { body: { query: `SELECT * FROM ${from}` } })).json)
        assert.equal(valid({ $ref: '#/components/schemas/Twin' }, twin), null);
  });

  // ---- jobs ----
  drive('previewJob', { note: 'with a pace', body: { type: 'scheduleUpdateTwin', queryCondition: '*', policy: { pace: { devicesPerSecond: 1 }, guard: { devices: 1 } }, updateTwin: { tags: { a: 1 } } } });
  drive('previewJob');
  drive('createJob');
  drive('createJob', { note: 'a second time', status: 409 });
  drive('createJob', { note: 'of no type', names: { id: 'job9' }, body: { type: 'export' }, status: 400 });
  drive('getJob');
  drive('changeJob');
  drive('pauseJob');
  drive('getJob', { note: 'while it rests' });
  drive('resumeJob');
  drive('cancelJob');
  drive('cancelJob', { note: 'a second time', status: 405 });
  drive('createDeviceJob');
  drive('getDeviceJob');
  it('watchJob, and a job that fails for a device', async () => {
    await call('createJob', { names: { id: 'failed1' }, body: {
      type: 'scheduleDeviceMethod', queryCondition: "deviceId = 'dev2'", policy: { offline: 'fail' }, maxExecutionTimeInSeconds: 60,
      cloudToDeviceMethod: { methodName: 'reboot', responseTimeoutInSeconds: 5 } } });
    const stream = await watchJob(s.rest, 'failed1');
    assert.equal(stream.status, 200);
    assert.match(stream.headers['content-type'], /^text\/event-stream/);
    await stream.rest();
    driven.add('watchJob');
    await call('getJob', { names: { id: 'failed1' } });
    await call('watchJob', { names: { id: 'failed1' }, headers: { 'Last-Event-ID': stream.id }, status: 204 });
  });
  drive('watchJob', { note: 'unknown', names: { id: 'nothing' }, status: 404 });
  drive('retryJob', { names: { id: 'failed1' } });
  drive('retryJob', { note: 'of one that waits', names: { id: 'job2' }, status: 405 });
  drive('queryJobs');
  drive('queryJobs', { note: 'some', query: { jobType: 'scheduleUpdateTwin', jobStatus: 'cancelled' }, headers: { 'x-ms-max-item-count': '1' } });
  drive('query', { note: 'records of jobs', body: { query: 'SELECT * FROM devices.jobs' } });

  // ---- import and export ----
  it('createTransfer and the others, until it has ended', async () => {
    const { jobId } = (await call('createTransfer', { body: { type: 'export', outputBlobContainerUri: transfers } })).json;
    await until(async () => (await call('getTransfer', { names: { id: jobId } })).json.status === 'completed', 'the export ends');
    await call('createTransfer', { body: { type: 'import', inputBlobContainerUri: transfers, outputBlobContainerUri: transfers } });
    await call('listTransfers');
    await call('cancelTransfer', { names: { id: jobId } });
  });
  drive('createTransfer', { note: 'to a folder that is not allowed', status: 400 });
  drive('getTransfer', { note: 'unknown', status: 404 });
  drive('cancelTransfer', { note: 'unknown', status: 404 });

  // ---- messages of devices ----
  const lock = (answer) => answer.headers.etag.replaceAll('"', '');
  it('messages of devices and modules, and for them', async () => {
    await call('sendEvent', { binary: 'x' });
    await call('sendModuleEvent', { binary: 'x' });
    await call('receiveModuleMessage', { status: 204 });
    await call('receiveMessage', { status: 204 });
    await call('completeModuleMessage', { status: 412 });
    await call('abandonModuleMessage', { status: 412 });
    ['completeModuleMessage', 'abandonModuleMessage'].forEach((id) => driven.add(id)); // services send to devices only
    await device.close();
    await call('sendMessage', { binary: 'x' });
    await call('abandonMessage', { names: { lockToken: lock(await call('receiveMessage')) } });
    await call('completeMessage', { names: { lockToken: lock(await call('receiveMessage')) } });
  });

  // ---- files of devices ----
  it('a file goes up, comes down, and services are told', async () => {
    const begun = (await call('beginUpload')).json;
    const query = Object.fromEntries(new URLSearchParams(begun.sasToken.slice(1)));
    const names = { id: 'dev1', name: 'pictures/today.jpg' };
    await call('putBlob', { names, query, binary: 'x', headers: { 'x-ms-blob-type': 'BlockBlob' } });
    await call('putBlob', { names, query, binary: 'x', status: 400 });
    await call('putBlob', { names, binary: 'x', headers: { 'x-ms-blob-type': 'BlockBlob' }, status: 403 });
    await call('getBlob', { names });
    await call('getBlob', { names, headers: { Range: 'bytes=0-0' }, status: 206 });
    await call('getBlob', { names, headers: { Range: 'bytes=9-' }, status: 416 });
    await call('getBlob', { names: { id: 'dev1', name: 'none' }, status: 404 });
    await call('endUpload', { body: { correlationId: begun.correlationId, isSuccess: true } });
    await call('endUpload', { body: { correlationId: begun.correlationId, isSuccess: true }, status: 400 });
    const { correlationId } = (await call('beginUpload')).json;
    await call('endUploadById', { names: { correlationId }, body: { isSuccess: false } });
    const token = async () => (await call('receiveFileNotification')).headers.etag.slice(1, -1);
    await call('abandonFileNotification', { names: { lockToken: await token() } });
    const lockToken = await token();
    await call('completeFileNotification', { names: { lockToken } });
    await call('completeFileNotification', { names: { lockToken }, status: 412 });
    await call('receiveFileNotification', { status: 204 });
  });

  // ---- configurations ----
  drive('putConfiguration');
  drive('putConfiguration', { note: 'a second time', status: 409 });
  drive('putConfiguration', { note: 'changed', body: { priority: 11 }, headers: { 'If-Match': '*' } });
  drive('putConfiguration', { note: 'another version', body: {}, headers: { 'If-Match': '"MQ=="' }, status: 412 });
  drive('putConfiguration', { note: 'unknown', names: { id: 'nobody' }, headers: { 'If-Match': '*' }, status: 404 });
  drive('putConfiguration', { note: 'without content', names: { id: 'nobody' }, body: {}, status: 400 });
  drive('getConfiguration');
  drive('listConfigurations');
  drive('listConfigurations', { note: 'one', query: { top: '1' } });
  drive('testConfigurationQueries');
  drive('testConfigurationQueries', { note: 'nothing wrong', body: { targetCondition: '*' } });
  drive('applyConfigurationContent');
  drive('applyConfigurationContent', { note: 'of no device', names: { id: 'nobody' }, status: 404 });
  drive('deleteConfiguration', { note: 'another version', headers: { 'If-Match': '"MQ=="' }, status: 412 });
  drive('deleteConfiguration');
  drive('deleteConfiguration', { note: 'again', status: 404 });

  // ---- events ----
  drive('readEvents');
  drive('readEvents', { note: 'of a device, from a place', query: { position: '0.0.0.0', device: 'dev1', limit: '1' } });
  drive('readEvents', { note: 'from nowhere', query: { position: 'x' }, status: 400 });
  drive('listPartitions');
  it('watchEvents', async () => {
    const stream = await watchEvents(s.rest, { query: 'from=earliest' });
    assert.equal(stream.status, 200);
    const { data } = await stream.next();
    assert.equal(valid({ $ref: '#/components/schemas/Event' }, data), null);
    stream.close();
    driven.add('watchEvents');
  });

  // ---- messages ----
  drive('sendMessage', { names: { id: 'dev2' }, binary: 'hello', headers: { 'iothub-ack': 'full', 'iothub-app-colour': 'red' } });
  drive('sendMessage', { note: 'over 64 KB', names: { id: 'dev2' }, binary: 'x'.repeat(65537), status: 413 });
  drive('sendMessage', { note: 'with a header that is wrong', names: { id: 'dev2' }, binary: '', headers: { 'iothub-ack': 'maybe' }, status: 400 });
  drive('receiveFeedback', { note: 'nothing', status: 204 });
  drive('purgeMessages', { names: { id: 'dev2' } });
  it('receiveFeedback, abandonFeedback, completeFeedback', async () => {
    const token = async () => {
      for (;;) {
        const answer = await s.rest.get('/messages/serviceBound/feedback');
        checkAnswer(byId.receiveFeedback, answer);
        if (answer.status === 200) return answer.headers.etag.slice(1, -1);
      }
    };
    const lockToken = await token(); // of what was purged
    driven.add('receiveFeedback');
    await call('abandonFeedback', { names: { lockToken } });
    await call('completeFeedback', { names: { lockToken: await token() } });
    await call('completeFeedback', { names: { lockToken }, status: 412 });
  });

  // ---- policies, quotas, operation ----
  drive('createPolicy');
  drive('createPolicy', { note: 'a second time', status: 409 });
  drive('createPolicy', { note: 'without rights', names: { name: 'b' }, body: { rights: '' }, status: 400 });
  drive('listPolicies');
  drive('getPolicy');
  drive('rotatePolicy');
  drive('removePolicy');
  drive('removePolicy', { note: 'the last owner', names: { name: 'iothubowner' }, status: 409 });
  drive('addCertificate', { note: 'that is none', names: { name: 'b' }, body: { certificate: 'x' }, status: 400 });
  drive('addCertificate');
  drive('addCertificate', { note: 'a second time', status: 409 });
  drive('listCertificates');
  drive('getCertificate');
  drive('verifyCertificate', { note: 'without a code', status: 400 });
  it('verifyCertificate', async () => {
    const certs = new Certificates();
    const ca = certs.authority('ca');
    await call('addCertificate', { names: { name: 'own' }, body: { certificate: ca.own } });
    const { verificationCode } = (await call('generateVerificationCode', { names: { name: 'own' } })).json;
    const proof = certs.make(verificationCode, { issuer: ca });
    await call('verifyCertificate', { names: { name: 'own' }, body: { certificate: proof.own } });
    certs.remove();
  });
  drive('removeCertificate');
  drive('removeCertificate', { note: 'again', status: 404 });
  drive('getQuotas');
  drive('setQuotas');
  drive('setQuotas', { note: 'none again', body: { profile: 'none' } });
  drive('setQuotas', { note: 'unknown', body: { profile: 'S9' }, status: 400 });
  drive('getHealth');
  drive('getMetrics');
  it('getDocument', async () => {
    const { text } = await call('getDocument');
    assert.ok(text === fs.readFileSync(path.join(root, 'docs/openapi.yaml'), 'utf8'), 'the hub tells another document');
  });

  // ---- and away ----
  it('a module leaves', async () => {
    await module.close();
  });
  drive('deleteModule', { note: 'another version', headers: { 'If-Match': '"MQ=="' }, status: 412 });
  drive('deleteModule');
  drive('deleteModule', { note: 'again', status: 404 });
  drive('deleteDevice');
  drive('deleteDevice', { note: 'again', status: 404 });

  it('no operation was left out', () => {
    assert.deepEqual(operations.map((o) => o.id).filter((id) => !driven.has(id)), []);
  });
}, { args: ['--transfer-dir', transfers] });
