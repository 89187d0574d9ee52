// A job as it happens: the stream of events, and the webhook. docs/jobs.md, "Watching a job".
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { muster, startHub } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { jobIn } = require('./lib/jobs');
const { newDevice, onMethod, openClient } = require('./lib/sdk');
const { watchJob } = require('./lib/stream');
const { assertFault, withHub } = require('./lib/suite');
const { Inbox } = require('./lib/wait');

const method = (more = {}) => ({
  type: 'scheduleDeviceMethod', queryCondition: '*', cloudToDeviceMethod: { methodName: 'm', responseTimeoutInSeconds: 30 },
  maxExecutionTimeInSeconds: 300, ...more,
});
const statesOf = (items) => items.filter((item) => item.event === 'state').map((item) => item.data.event);

withHub('the stream of a job', (s) => {
  const identities = [];
  before(async () => {
    for (const id of ['a', 'b', 'c']) identities.push(await newDevice(s.hub, id));
  });

  it('tells states with their numbers, and failures with their reasons, until the job has ended', async () => {
    const job = method({ policy: { abort: [{ on: 'rejected', percent: 10, minimumDevices: 1 }] } });
    const devices = await Promise.all(identities.map((identity) => openClient(s.hub, identity)));
    const calls = new Inbox('call'); // each is the function that answers it
    for (const device of devices) {
      onMethod(device, 'm', () => new Promise((resolve) => calls.push((status) => resolve({ status, payload: {} }))));
    }
    assert.equal((await s.rest.put('/jobs/v2/roll', job)).status, 200);
    const stream = await watchJob(s.rest, 'roll');
    assert.equal(stream.status, 200);
    assert.equal(stream.headers['content-type'], 'text/event-stream');
    const running = await stream.take('state', (data) => data.event === 'running');
    assert.equal(running.deviceJobStatistics.deviceCount, 3);
    assert.deepEqual([running.jobId, running.type, running.status], ['roll', 'scheduleDeviceMethod', 'running']);
    (await calls.next())(200);
    await stream.take('numbers', (data) => data.deviceJobStatistics.succeededCount === 1);
    (await calls.next())(500);
    const aborted = await stream.take('state', (data) => data.event === 'failed');
    assert.match(aborted.failureReason, /400 or more/);
    const failures = await stream.take('failures');
    assert.deepEqual([failures.length, failures[0].code, failures[0].count], [1, 'Rejected', 1]);
    assert.match(failures[0].exampleDeviceId, /^[abc]$/);
    (await calls.next())(200); // in flight when the rule fired: it still counts
    const numbers = (await stream.rest()).filter((item) => item.event === 'numbers');
    assert.equal(numbers.at(-1).data.deviceJobStatistics.runningCount, 0);
    await Promise.all(devices.map((device) => device.close()));
  });

  it('goes on after a crash where the client was', async () => {
    await s.rest.put('/jobs/v2/crash', method());
    const first = await watchJob(s.rest, 'crash');
    await first.take('state', (data) => data.event === 'running');
    await s.rest.post('/jobs/v2/crash/pause');
    const seen = first.id;
    await s.hub.kill9();
    first.close();
    await s.hub.start();
    const second = await watchJob(s.rest, 'crash', { lastEventId: seen });
    await s.rest.post('/jobs/v2/crash/cancel');
    assert.deepEqual(statesOf(await second.rest()), ['paused', 'cancelled']);
  });

  it('says nothing to who knows all: 204 tells an EventSource to stay away', async () => {
    const all = await watchJob(s.rest, 'crash');
    await all.rest();
    const again = await watchJob(s.rest, 'crash', { lastEventId: all.id });
    assert.equal(again.status, 204);
  });

  it('is for those who may read jobs', async () => {
    const answer = await s.rest.get('/jobs/v2/crash/events', { auth: null });
    assertFault(answer, 401, 'IotHubUnauthorizedAccess');
  });
});

withHub('a strict hub', (s) => {
  it('has no stream', async () => assertFault(await s.rest.get('/jobs/v2/j/events'), 404, 'GenericNotFound'));
}, { args: ['--strict-azure'] });

// ---- the webhook ----

const SECRET = Buffer.from('a secret of the operator, 32 b..');

// A receiver with the hub's own certificate; `verdict` may change what it says.
async function receiver(hub) {
  const inbox = new Inbox('delivery');
  const state = { inbox, verdict: () => 204, attempts: 0 };
  const file = (name) => fs.readFileSync(path.join(hub.dir, name));
  state.server = https.createServer({ cert: file('server.pem'), key: file('server-key.pem') }, (request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      state.attempts += 1;
      const delivery = { headers: request.headers, body, path: request.url, method: request.method };
      response.statusCode = state.verdict(delivery);
      response.end('thanks');
      if (response.statusCode === 204) inbox.push(delivery);
    });
  });
  await new Promise((resolve) => state.server.listen(4443, hub.host, resolve));
  return state;
}

function assertSigned({ headers, body }) {
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const mac = crypto.createHmac('sha256', SECRET).update(text).digest('base64');
  assert.equal(headers['webhook-signature'], `v1,${mac}`);
  assert.ok(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000) < 300);
}

describe('muster serve --job-webhook', () => {
  let hub, rest, hook, args;
  before(async () => {
    hub = await startHub();
    rest = new Rest(hub);
    const secret = path.join(hub.scratch, 'secret');
    fs.writeFileSync(secret, `whsec_${SECRET.toString('base64')}\n`);
    hook = await receiver(hub);
    args = ['--job-webhook', `https://${hub.host}:4443/jobs`, '--job-webhook-secret-file', secret, '--job-webhook-ca', hub.caFile];
    await rest.put('/jobs/v2/before', method());
    await jobIn(rest, 'before');
    rest.close();
    await hub.restart({ args });
  });
  after(async () => {
    rest.close();
    hook.server.close();
    await hub.finish();
  });
  const next = async () => {
    const delivery = await hook.inbox.next();
    assertSigned(delivery);
    return JSON.parse(delivery.body);
  };
  const lifeOf = async (id) => {
    const events = [await next(), await next(), await next()];
    assert.deepEqual(events.map((event) => event.jobId), [id, id, id]);
    return events.map((event) => event.event);
  };

  it('tells each event once and in order, signed; what was before it is not told', async () => {
    await rest.put('/jobs/v2/first', method());
    assert.deepEqual(await lifeOf('first'), ['created', 'running', 'completed']);
  });

  it('a receiver that refuses is asked again until it takes the event, and nothing overtakes it', async () => {
    const ids = new Set();
    let refusals = 2;
    hook.verdict = (delivery) => {
      ids.add(delivery.headers['webhook-id']);
      return refusals-- > 0 ? 503 : 204;
    };
    await rest.put('/jobs/v2/second', method());
    assert.deepEqual(await lifeOf('second'), ['created', 'running', 'completed']);
    assert.equal(ids.size, 3, 'an attempt that is made again has the same id');
    hook.verdict = () => 204;
    const metrics = (await rest.get('/metrics', { auth: null })).text;
    assert.match(metrics, /^muster_webhook_refused_total 2$/m);
  });

  it('what a crash left untold is told after it', async () => {
    hook.verdict = () => 500;
    await rest.put('/jobs/v2/third', method());
    await jobIn(rest, 'third');
    await hub.kill9();
    hook.verdict = () => 204;
    await hub.start({ args });
    assert.deepEqual(await lifeOf('third'), ['created', 'running', 'completed']);
  });

  it('an end in the midst of a delivery does not wait for it', async () => {
    hook.verdict = () => 500;
    await rest.put('/jobs/v2/fourth', method());
    await jobIn(rest, 'fourth');
    await hub.restart({ args });
    hook.verdict = () => 204;
    assert.deepEqual(await lifeOf('fourth'), ['created', 'running', 'completed']);
  });

  it('the secret is in no log', () => {
    assert.ok(!hub.log.includes(SECRET.toString('base64')) && !hub.log.includes(SECRET.toString()));
  });

  const wrong = [
    ['plain http', ['--job-webhook', 'http://x/y', '--job-webhook-secret-file', '/dev/null'], /https:\/\/host\/path/],
    ['no secret', ['--job-webhook', 'https://x/y'], /go together/],
    ['a secret that is not there', ['--job-webhook', 'https://x/y', '--job-webhook-secret-file', '/nowhere'], /\/nowhere/],
    ['a secret that is too short', ['--job-webhook', 'https://x/y', '--job-webhook-secret-file', '/dev/null'], /24 to 256 bytes.*openssl rand/],
  ];
  for (const [rule, options, text] of wrong) {
    it(`refused: ${rule}`, async () => {
      const end = await muster(['serve', '--data', path.join(hub.scratch, 'other'), ...options]);
      assert.equal(end.code, 2);
      assert.match(end.stderr, text);
    });
  }
});
