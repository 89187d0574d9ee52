// Devices over HTTPS: docs/spec/device-http-amqp.md A.
'use strict';
const assert = require('node:assert/strict');
const { after, before, it } = require('node:test');
const { Client, Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const https = require('node:https');
const { Certificates } = require('./lib/certs');
const { muster } = require('./lib/hub');
const { sas } = require('./lib/sas');
const { newDevice } = require('./lib/sdk');
const { assertFault, withHub } = require('./lib/suite');
const { Inbox, until, within } = require('./lib/wait');

const send = (s, id, body, headers = {}) =>
  s.rest.post(`/devices/${id}/messages/devicebound`, body, { headers: { 'Content-Type': 'text/plain', ...headers } });
const waiting = async (s, id) => (await s.rest.get(`/devices/${id}`)).json.cloudToDeviceMessageCount;
const events = async (s) => (await s.rest.get('/events')).json.events;
const told = (s, id) => until(async () => {
  const batch = await s.rest.get('/messages/serviceBound/feedback');
  if (batch.status === 204) return undefined;
  await s.rest.delete(`/messages/serviceBound/feedback/${batch.headers.etag.replaceAll('"', '')}`);
  return batch.json.find((record) => record.originalMessageId === id);
}, `feedback on ${id}`);

withHub('the Node SDK over HTTPS', (s) => {
  let client, messages;
  before(async () => {
    const { key } = await newDevice(s.hub, 'd 1'.replace(' ', '-'));
    client = Client.fromConnectionString(s.hub.deviceConnectionString('d-1', key), Http);
    await client.setOptions({ ca: s.hub.ca, http: { receivePolicy: { manualPolling: true } } });
    await client.open();
    messages = new Inbox('message');
    client.on('message', (message) => messages.push(message));
    client.on('error', () => {});
  });
  after(() => client.close().catch(() => {}));

  // The SDK polls when it is told to; its transport has no public name for that.
  const poll = async () => {
    client._transport.receive();
    return messages.next();
  };
  const settle = (how, message) => within(client[how](message), how);

  it('sends telemetry with its properties', async () => {
    const message = new Message('{"t":1}');
    Object.assign(message, { messageId: 'm1', correlationId: 'c1', contentType: 'application/json', contentEncoding: 'utf-8' });
    message.properties.add('p1', 'v1');
    await within(client.sendEvent(message), '204');
    const [event] = await events(s);
    assert.deepEqual([event.deviceId, event.body, event.properties], ['d-1', { t: 1 }, { p1: 'v1' }]);
    const system = event.systemProperties;
    assert.deepEqual([system['message-id'], system['correlation-id'], system['content-type']], ['m1', 'c1', 'application/json']);
    assert.equal(JSON.parse(system['iothub-connection-auth-method']).scope, 'device');
  });
  it('sends a batch', async () => {
    const batch = ['a', 'b', 'c'].map((text) => new Message(text));
    batch[0].properties.add('p1', 'v1');
    await within(client.sendEventBatch(batch), '204');
    const sent = (await events(s)).slice(1);
    assert.deepEqual(sent.map((event) => event.body ?? Buffer.from(event.bodyBase64, 'base64').toString()), ['a', 'b', 'c']);
    assert.deepEqual(sent.map((event) => event.properties), [{ p1: 'v1' }, {}, {}]);
  });
  it('receives, abandons, receives again and completes', async () => {
    await send(s, 'd-1', 'hello', { 'iothub-messageid': 'm-1', 'iothub-ack': 'full', 'iothub-app-prop1': 'v 1' });
    const first = await poll();
    assert.equal(first.data.toString(), 'hello');
    assert.equal(first.messageId, 'm-1');
    assert.equal(first.properties.getValue('iothub-app-prop1'), 'v 1', 'this SDK keeps the prefix');
    await settle('abandon', first);
    const second = await poll();
    assert.notEqual(second.lockToken, first.lockToken);
    await assert.rejects(settle('complete', first), /Precondition Failed/);
    await settle('complete', second);
    assert.equal((await told(s, 'm-1')).statusCode, 'Success');
    assert.equal(await waiting(s, 'd-1'), 0);
  });
  it('rejects', async () => {
    await send(s, 'd-1', 'no', { 'iothub-messageid': 'm-2', 'iothub-ack': 'negative' });
    await settle('reject', await poll());
    assert.equal((await told(s, 'm-2')).statusCode, 'Rejected');
  });
});

withHub('requests of devices', (s) => {
  let key;
  before(async () => ({ key } = await newDevice(s.hub, 'd')));
  const token = (more = {}) => sas({ sr: `${s.hub.host}/devices/d`, key, ...more });
  const as = (more) => ({ auth: token(), ...more });
  const PATH = '/devices/d/messages/devicebound';

  it('draws on the quotas of its hub, once it is known who asks', async () => {
    const taken = async (name) => (await s.rest.get('/quotas')).json.classes.find((c) => c.name === name).taken;
    await s.rest.put('/quotas', { profile: 'S1' });
    const events = '/devices/d/messages/events', before = [await taken('deviceToCloudSends'), await taken('cloudToDeviceReceives')];
    assert.equal((await s.rest.post(events, 'x', { auth: sas({ sr: `${s.hub.host}/devices/d`, key: Buffer.alloc(32).toString('base64') }) })).status, 401);
    assert.equal((await s.rest.post(events, 'x', as())).status, 204);
    assert.equal((await s.rest.get(PATH, as())).status, 204);
    assert.deepEqual([await taken('deviceToCloudSends') - before[0], await taken('cloudToDeviceReceives') - before[1]], [1, 1]);
    assert.ok((await s.rest.get('/quotas')).json.messages.used >= 1);
    await s.rest.put('/quotas', { profile: 'none' });
  });
  it('an empty queue is 204', async () => {
    assert.equal((await s.rest.get(PATH, as())).status, 204);
  });
  it('a message has its token as a quoted ETag, and all that was said of it', async () => {
    await send(s, 'd', 'x', { 'iothub-messageid': 'm', 'iothub-correlationid': 'c', 'iothub-userid': 'u',
      'iothub-contenttype': 'text/plain', 'iothub-app-Colour': 'red', 'iothub-ack': 'full' });
    const got = await s.rest.get(PATH.replace('devicebound', 'deviceBound'), as({ headers: { 'iothub-messagelocktimeout': 180 } }));
    assert.deepEqual([got.status, got.text], [200, 'x']);
    assert.match(got.headers.etag, /^"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"$/);
    const said = Object.fromEntries(Object.entries(got.headers).filter(([name]) => name.startsWith('iothub-')));
    assert.match(said['iothub-enqueuedtime'], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);
    delete said['iothub-enqueuedtime'];
    assert.deepEqual(said, { 'iothub-messageid': 'm', 'iothub-correlationid': 'c', 'iothub-userid': 'u',
      'iothub-contenttype': 'text/plain', 'iothub-app-colour': 'red', 'iothub-ack': 'full',
      'iothub-to': '/devices/d/messages/devicebound', 'iothub-sequencenumber': '1', 'iothub-deliverycount': '0' });
    assert.equal((await s.rest.get(PATH, as())).status, 204, 'locked');
    await s.hub.kill9();
    await s.hub.start();
    assert.equal((await s.rest.get(PATH, as())).status, 204, 'its lock outlives the hub');
    const lock = got.headers.etag.replaceAll('"', '');
    const done = await s.rest.delete(`${PATH}/${lock}`, as({ headers: { 'If-Match': got.headers.etag } }));
    assert.equal(done.status, 204, done.text);
    assertFault(await s.rest.delete(`${PATH}/${lock}`, as()), 412, 'DeviceMessageLockLost');
    assertFault(await s.rest.post(`${PATH}/nonsense/abandon`, '', as()), 412, 'DeviceMessageLockLost');
  });
  it('a HEAD takes nothing', async () => {
    await send(s, 'd', 'x');
    assert.equal((await s.rest.call('HEAD', PATH, undefined, as())).status, 405);
    const got = await s.rest.get(PATH, as());
    assert.equal(got.status, 200);
    await s.rest.delete(`${PATH}/${got.headers.etag.replaceAll('"', '')}`, as());
  });
  it('a lock lasts 1 to 300 seconds', async () => {
    for (const seconds of ['0', '301', 'x', '-1'])
      assertFault(await s.rest.get(PATH, as({ headers: { 'iothub-messagelocktimeout': seconds } })), 400, 'ArgumentInvalid');
  });
  it('a batch is all or nothing, and honours base64Encoded', async () => {
    const post = (body) => s.rest.post('/devices/d/messages/events', body,
      as({ headers: { 'Content-Type': 'application/vnd.microsoft.iothub.json' } }));
    assert.equal((await post([{ body: 'YQ==' }, { body: 'text', base64Encoded: false, properties: { 'iothub-app-a': 'b' } }])).status, 204);
    assertFault(await post([{ body: 'YQ==' }, { body: '%' }]), 400, 'ArgumentInvalid', /message 1 of the batch/);
    assertFault(await post([]), 400, 'ArgumentInvalid');
    assertFault(await post('{'), 400, 'IotHubFormatError');
    assertFault(await post([{ body: 'YQ==', properties: { a: 1 } }]), 400, 'ArgumentInvalid');
    assertFault(await s.rest.post('/devices/d/messages/events', 'x'.repeat(262145), as()), 413, 'MessageTooLarge');
  });
  it('who may not is told no more than that', async () => {
    const { key: other } = await newDevice(s.hub, 'other');
    const refused = [
      { auth: null },
      { auth: 'SharedAccessSignature nonsense' },
      { auth: token({ key: other }) },
      { auth: sas({ sr: `${s.hub.host}/devices/other`, key: other }) },
      { auth: token({ se: 1000 }) },
      { auth: sas({ sr: s.hub.host, key: s.hub.policyKey('service'), skn: 'service' }) },
    ];
    for (const one of refused) assertFault(await s.rest.get(PATH, one), 401, 'IotHubUnauthorized', /^Unauthorized$/);
    assertFault(await s.rest.get('/devices/nobody/messages/devicebound', as()), 401, 'IotHubUnauthorized');
    const policy = { auth: sas({ sr: s.hub.host, key: s.hub.policyKey('device'), skn: 'device' }) };
    assert.equal((await s.rest.get(PATH, policy)).status, 204, 'a policy with DeviceConnect');
    assertFault(await s.rest.get('/devices/nobody/messages/devicebound', policy), 404, 'DeviceNotFound');
    await s.rest.put('/devices/other', { deviceId: 'other', status: 'disabled' }, { headers: { 'If-Match': '*' } });
    assertFault(await s.rest.get('/devices/other/messages/devicebound',
      { auth: sas({ sr: `${s.hub.host}/devices/other`, key: other }) }), 403, 'DeviceDisabled');
    assertFault(await s.rest.get(PATH, as({ version: null })), 400, 'InvalidProtocolVersion');
  });
  it('a module sends and receives as well', async () => {
    const made = await s.rest.put('/devices/d/modules/m', { deviceId: 'd', moduleId: 'm' });
    const auth = sas({ sr: `${s.hub.host}/devices/d/modules/m`, key: made.json.authentication.symmetricKey.primaryKey });
    assert.equal((await s.rest.post('/devices/d/modules/m/messages/events', 'x', { auth })).status, 204);
    assert.equal((await s.rest.get('/devices/d/modules/m/messages/devicebound', { auth })).status, 204);
    assertFault(await s.rest.get('/devices/d/messages/devicebound', { auth }), 401, 'IotHubUnauthorized');
  });
});

withHub('a hub with settings of its own', (s) => {
  it('has another life and another number of deliveries for messages', async () => {
    const { key } = await newDevice(s.hub, 'd');
    const as = { auth: sas({ sr: `${s.hub.host}/devices/d`, key }) };
    const sent = await send(s, 'd', 'x', { 'iothub-messageid': 'once', 'iothub-ack': 'full' });
    assert.equal(Date.parse(sent.json.expiryTimeUtc) - Date.parse(sent.json.enqueuedTimeUtc), 30 * 60000);
    const got = await s.rest.get('/devices/d/messages/devicebound', as);
    const lock = got.headers.etag.replaceAll('"', '');
    assert.equal((await s.rest.post(`/devices/d/messages/devicebound/${lock}/abandon`, '', as)).status, 204);
    assert.equal((await told(s, 'once')).statusCode, 'DeliveryCountExceeded');
  });
  it('a life over 48 hours is refused', async () => {
    const { code, stderr } = await muster(['serve', '--data', '/nowhere', '--message-ttl', '49h']);
    assert.equal(code, 2);
    assert.match(stderr, /--message-ttl is at most 48h/);
  });
}, { args: ['--message-ttl', '30m', '--message-deliveries', '1', '--feedback-ttl', '2h'] });

withHub('a device manages its own modules', (s) => {
  const certs = new Certificates();
  after(() => certs.remove());
  let own, other;
  const tokenOf = (id, key, more = {}) => sas({ sr: `${s.hub.host}/devices/${id}`, key, ...more });
  before(async () => {
    own = { auth: tokenOf('owner', (await newDevice(s.hub, 'owner')).key) };
    other = { auth: tokenOf('other', (await newDevice(s.hub, 'other')).key) };
    assert.equal((await s.rest.put('/devices/other/modules/theirs', {})).status, 200);
  });
  const ids = async (options) => (await s.rest.get('/devices/owner/modules', options)).json.map((m) => m.moduleId);

  it('makes, lists, reads, changes and deletes them', async () => {
    assert.deepEqual(await ids(own), []);
    const made = await s.rest.put('/devices/owner/modules/m', { moduleId: 'm', deviceId: 'owner' }, own);
    assert.equal(made.status, 200);
    assert.ok(made.json.authentication.symmetricKey.primaryKey);
    assert.deepEqual(await ids(own), ['m']);
    assert.equal((await s.rest.get('/devices/owner/modules/m', own)).json.etag, made.json.etag);
    assertFault(await s.rest.put('/devices/owner/modules/m', {}, own), 409, 'ModuleAlreadyExistsOnDevice');
    const changed = await s.rest.put('/devices/owner/modules/m', { managedBy: 'me' }, { ...own, headers: { 'If-Match': '*' } });
    assert.deepEqual([changed.status, changed.json.managedBy], [200, 'me']);
    assertFault(await s.rest.put('/devices/owner/modules/bad%20id', {}, own), 400, 'ArgumentInvalid');
    assertFault(await s.rest.put('/devices/owner/modules/m2', '{', own), 400, 'IotHubFormatError');
    assertFault(await s.rest.get('/devices/owner/modules/nobody', own), 404, 'ModuleNotFound');
    assertFault(await s.rest.put('/devices/owner/modules/$edgeHub', {}, own), 401, 'SystemModuleModifyUnauthorizedAccess');
    const key = changed.json.authentication.symmetricKey.primaryKey;
    const module = { auth: sas({ sr: `${s.hub.host}/devices/owner/modules/m`, key }) };
    assertFault(await s.rest.get('/devices/owner/modules/m', module), 401, 'IotHubUnauthorized');
    assertFault(await s.rest.get('/devices/owner/modules/m', { auth: tokenOf('owner', key) }), 401, 'IotHubUnauthorized');
    assert.equal((await s.rest.delete('/devices/owner/modules/m', own)).status, 204);
    assert.deepEqual(await ids(own), []);
  });
  it('with a certificate as well', async () => {
    const certificate = certs.selfSigned('shown');
    await s.rest.put('/devices/shown', { authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: certificate.sha256 } } });
    const agent = new https.Agent({ cert: certificate.cert, key: certificate.key, ca: s.hub.ca, maxCachedSessions: 0 });
    const shown = { auth: null, agent };
    assert.equal((await s.rest.put('/devices/shown/modules/m', {}, shown)).status, 200);
    assert.equal((await s.rest.get('/devices/shown/modules', shown)).json.length, 1);
    assertFault(await s.rest.get('/devices/other/modules', shown), 401, 'IotHubUnauthorized');
    assertFault(await s.rest.get('/devices/shown', shown), 401, 'IotHubUnauthorizedAccess');
    agent.destroy();
  });
  it('and nothing else', async () => {
    for (const [rule, answer, code] of [
      ['modules of another device', await s.rest.get('/devices/other/modules', own), 'IotHubUnauthorized'],
      ['to make one there', await s.rest.put('/devices/other/modules/m', {}, own), 'IotHubUnauthorized'],
      ['to delete one there', await s.rest.delete('/devices/other/modules/theirs', own), 'IotHubUnauthorized'],
      ['with the name of that device', await s.rest.get('/devices/other/modules', { auth: tokenOf('owner', 'AAAA', { skn: 'other' }) }), 'IotHubUnauthorized'],
      ['of a device that there is not', await s.rest.get('/devices/nobody/modules', own), 'IotHubUnauthorized'],
      ['its own identity', await s.rest.get('/devices/owner', own), 'IotHubUnauthorizedAccess'],
      ['its twin', await s.rest.get('/twins/owner', own), 'IotHubUnauthorizedAccess'],
      ['with a policy of devices', await s.rest.get('/devices/owner/modules', { auth: sas({ sr: s.hub.host, key: s.hub.policyKey('device'), skn: 'device' }) }), 'IotHubUnauthorizedAccess'],
      ['with nothing', await s.rest.get('/devices/owner/modules', { auth: null }), 'IotHubUnauthorizedAccess'],
    ]) {
      assert.equal(answer.status, 401, rule);
      assert.equal(answer.headers['iothub-errorcode'], code, rule);
    }
    assert.equal((await s.rest.get('/devices/other/modules', other)).json.length, 1);
    const { json } = await s.rest.get('/devices/owner');
    await s.rest.put('/devices/owner', { ...json, status: 'disabled' }, { headers: { 'If-Match': '*' } });
    assertFault(await s.rest.get('/devices/owner/modules', own), 403, 'DeviceDisabled');
  });
});
