// Which error when: the rows of docs/spec/quotas-errors-auth.md 9 that are more than one operation's business
// (errors.test.js walks operations). What needs a device in a certain mood stands in methods.test.js (502, 504).
'use strict';
const assert = require('node:assert/strict');
const { it } = require('node:test');
const { assertFault, assertMethodFault, withHub } = require('./lib/suite');

const job = (more) => ({ type: 'scheduleUpdateTwin', queryCondition: "deviceId = 'd'", updateTwin: { etag: '*', tags: { a: 1 } }, ...more });
const later = { startTime: '2099-01-01T00:00:00Z' };

withHub('which error when', (s) => {
  it('a device and a module', async () => {
    await s.rest.put('/devices/d', {});
    await s.rest.put('/devices/d/modules/m', {});
    await s.rest.put('/devices/off', { status: 'disabled' });
    await s.rest.put('/jobs/v2/j', job(later));
  });

  const rows = [
    // [situation, request, status, name, text?]
    ['an id that is none', (r) => r.put('/devices/a%20b', {}), 400, 'ArgumentInvalid'],
    ['an id that is none, to be read', (r) => r.get('/devices/a%20b'), 400, 'ArgumentInvalid'],
    ['another id in the body', (r) => r.put('/devices/x', { deviceId: 'y' }), 400, 'ArgumentInvalid'],
    ['a member of a wrong type', (r) => r.put('/devices/x', { status: 1 }), 400, 'ArgumentInvalid'],
    ['a word that is none', (r) => r.put('/devices/x', { status: 'asleep' }), 400, 'ArgumentInvalid'],
    ['both kinds of credentials', (r) => r.put('/devices/x', { authentication: {
      symmetricKey: { primaryKey: 'MDEyMzQ1Njc4OWFiY2RlZg==', secondaryKey: 'MDEyMzQ1Njc4OWFiY2RlZg==' },
      x509Thumbprint: { primaryThumbprint: 'A'.repeat(40) } } }), 400, 'ArgumentInvalid'],
    ['a parent that is none', (r) => r.put('/devices/x', { deviceScope: 'ms-azure-iot-edge://nobody-1' }), 400, 'InvalidDeviceScope'],
    ['a device twice', (r) => r.put('/devices/d', {}), 409, 'DeviceAlreadyExists'],
    ['a module twice', (r) => r.put('/devices/d/modules/m', {}), 409, 'ModuleAlreadyExistsOnDevice'],
    ['a device of another version', (r) => r.put('/devices/d', {}, { headers: { 'If-Match': '"MQ=="' } }), 412, 'PreconditionFailed'],
    ['a device that is gone, with a condition', (r) => r.put('/devices/x', {}, { headers: { 'If-Match': '*' } }), 404, 'DeviceNotFound'],
    ['a deletion of another version', (r) => r.delete('/devices/d', { headers: { 'If-Match': '"MQ=="' } }), 412, 'PreconditionFailed'],
    ['a twin of another version', (r) => r.patch('/twins/d', { tags: {} }, { headers: { 'If-Match': '"AAAAAAAAAGM="' } }), 412, 'PreconditionFailed'],
    ['a module that is not there', (r) => r.get('/devices/d/modules/x'), 404, 'ModuleNotFound'],
    ['a twin of a module that is not there', (r) => r.get('/twins/d/modules/x'), 404, 'ModuleNotFound'],
    ['a bulk request over 100', (r) => r.post('/devices', Array.from({ length: 101 }, (_, i) => ({ id: `b${i}` }))), 413, 'TooManyDevices'],
    ['a query of no query', (r) => r.query('SELECT FROM'), 400, 'ArgumentInvalid'],
    ['a query without its member', (r) => r.post('/devices/query', {}), 400, 'ArgumentNull'],
    ['a query that is no text', (r) => r.post('/devices/query', { query: 1 }), 400, 'ArgumentInvalid'],
    ['a token of another query', (r) => r.query('SELECT * FROM devices', { token: 'nonsense' }), 400, 'ArgumentInvalid'],
    ['a job twice', (r) => r.put('/jobs/v2/j', job(later)), 409, 'JobAlreadyExists'],
    ['a job of a type that is none', (r) => r.put('/jobs/v2/k', job({ type: 'scheduleNothing' })), 400, 'GenericBadRequest'],
    ['a job with a condition that is none', (r) => r.put('/jobs/v2/k', job({ queryCondition: 'tags.' })), 400, 'ArgumentInvalid'],
    ['a job without its work', (r) => r.put('/jobs/v2/k', { type: 'scheduleUpdateTwin', queryCondition: '*' }), 400, 'ArgumentNull'],
    ['a job with an etag', (r) => r.put('/jobs/v2/k', job({ updateTwin: { etag: 'AAAA', tags: {} } })), 400, 'ArgumentInvalid'],
    ['a policy of the pace that is none', (r) => r.put('/jobs/v2/k', job({ policy: { speed: 1 } })), 400, 'ArgumentInvalid'],
    ['a list of jobs of a type that is none', (r) => r.get('/jobs/v2/query?jobType=nothing'), 400, 'ArgumentInvalid'],
  ];
  for (const [situation, ask, status, name] of rows)
    it(`${situation}: ${status} ${name}`, async () => assertFault(await ask(s.rest), status, name));

  const methods = [
    ['a device that is not there', 'nobody', { methodName: 'm' }, 404, 404001, 'DeviceNotFound'],
    ['a module that is not there', 'd/modules/x', { methodName: 'm' }, 404, 404010, 'ModuleNotFound'],
    ['a device that is offline', 'd', { methodName: 'm' }, 404, 404103, 'DeviceNotOnline'],
    ['a module that is offline', 'd/modules/m', { methodName: 'm' }, 404, 404103, 'DeviceNotOnline'],
    ['a device that is disabled', 'off', { methodName: 'm' }, 403, 403012, 'DeviceDisabled'],
    ['no name', 'd', {}, 400, 400005, 'ArgumentNull'],
    ['a timeout out of range', 'd', { methodName: 'm', responseTimeoutInSeconds: 4 }, 400, 400004, 'ArgumentInvalid'],
    ['a payload over 128 KB', 'd', { methodName: 'm', payload: 'x'.repeat(131072) }, 413, 413001, 'MessageTooLarge'],
  ];
  for (const [situation, target, body, status, code, name] of methods)
    it(`a method, ${situation}: ${code} ${name}`, async () => {
      assertMethodFault(await s.rest.post(`/twins/${target}/methods`, body), status, code, name);
    });

  it('one device twice in a bulk request is told of the second', async () => {
    const { status, headers, json } = await s.rest.post('/devices', [{ id: 'e', importMode: 'create' }, { id: 'e', importMode: 'create' }]);
    assert.deepEqual([status, headers['iothub-errorcode'], json.errors.map((e) => e.errorCode)],
      [400, 'BulkRegistryOperationFailure', ['DeviceDefinedMultipleTimes']]);
  });

  it('a final job is not cancelled', async () => {
    await s.rest.post('/jobs/v2/j/cancel');
    assertFault(await s.rest.post('/jobs/v2/j/cancel'), 405, 'OperationNotAllowedInCurrentState');
  });

  it('the system modules of IoT Edge are not for operators', async () => {
    await s.rest.put('/devices/edge', { capabilities: { iotEdge: true } });
    assertFault(await s.rest.delete('/devices/edge/modules/$edgeHub'), 401, 'SystemModuleModifyUnauthorizedAccess');
  });

  it('more active jobs than the profile has', async () => {
    await s.rest.put('/quotas', { profile: 'S1' });
    await s.rest.put('/jobs/v2/one', { type: 'scheduleDeviceMethod', queryCondition: "deviceId = 'd'", cloudToDeviceMethod: { methodName: 'm' } });
    const answer = await s.rest.put('/jobs/v2/two', job());
    assertFault(answer, 429, 'ThrottlingMaxActiveJobCountExceeded');
    assert.ok(Number(answer.headers['retry-after']) >= 1);
    await s.rest.put('/quotas', { profile: 'none' });
  });
});
