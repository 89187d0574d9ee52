// Reading the event log: pages, waiting, the stream, positions, `muster events`. docs/compatibility.md.
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const readline = require('node:readline');
const { Message } = require('azure-iot-device');
const { before, it } = require('node:test');
const { MUSTER, muster } = require('./lib/hub');
const { newDevice, openClient } = require('./lib/sdk');
const { watchEvents } = require('./lib/stream');
const { assertFault, withHub } = require('./lib/suite');
const { Inbox } = require('./lib/wait');

const send = (device, body, properties = {}, more = {}) => {
  const message = new Message(body);
  Object.assign(message, more);
  for (const [key, value] of Object.entries(properties)) message.properties.add(key, value);
  return device.sendEvent(message);
};
const bodies = (page) => page.events.map((event) => event.body ?? Buffer.from(event.bodyBase64, 'base64').toString());

withHub('the event log', (s) => {
  let device, other;
  const events = async (query = '') => {
    const answer = await s.rest.get(`/events${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  before(async () => {
    device = await openClient(s.hub, await newDevice(s.hub, 'dev1'));
    other = await openClient(s.hub, await newDevice(s.hub, 'a')); // of another partition
    await send(device, '{"t":21.50}', { level: 'critical' }, { messageId: 'm-1', contentType: 'application/json', contentEncoding: 'utf-8' });
    await send(other, 'plain');
    await send(device, '{"t":22}');
  });

  it('shows what was sent, with its properties, oldest first across partitions', async () => {
    const page = await events();
    assert.deepEqual(bodies(page), [{ t: 21.5 }, 'plain', { t: 22 }]);
    const [first] = page.events;
    assert.equal(first.deviceId, 'dev1');
    assert.deepEqual(first.properties, { level: 'critical' });
    const system = first.systemProperties;
    assert.deepEqual([system['message-id'], system['content-type'], system['content-encoding']], ['m-1', 'application/json', 'utf-8']);
    assert.equal(system['iothub-connection-device-id'], 'dev1');
    assert.equal(system['iothub-message-source'], 'Telemetry');
    assert.equal(system['iothub-enqueuedtime'], first.enqueuedTimeUtc);
    assert.match(first.offset, /^\d+$/);
  });
  it('goes on where a page ended', async () => {
    const first = await events('?limit=2');
    assert.deepEqual(bodies(first), [{ t: 21.5 }, 'plain']);
    const second = await events(`?position=${first.position}`);
    assert.deepEqual(bodies(second), [{ t: 22 }]);
    assert.deepEqual((await events(`?position=${second.position}`)).events, []);
  });
  it('begins behind a sequence number, behind an offset, at a time, at either end; for one device', async () => {
    const [first, , last] = (await events()).events;
    assert.equal(first.partition, last.partition);
    const at = `?partition=${first.partition}`;
    assert.deepEqual(bodies(await events(`${at}&after=${first.sequenceNumber}`)), [{ t: 22 }]);
    assert.deepEqual(bodies(await events(`${at}&afterOffset=${first.offset}`)), [{ t: 22 }]);
    assert.deepEqual(bodies(await events(`?since=${last.enqueuedTimeUtc}`)), [{ t: 22 }]);
    assert.deepEqual(bodies(await events('?from=latest')), []);
    assert.deepEqual(bodies(await events('?device=a')), ['plain']);
    assert.deepEqual(bodies(await events('?device=b')), [], 'no such device');
  });
  it('waits for the first event, and no longer than it was asked to', async () => {
    const { position } = await events();
    assert.deepEqual((await events(`?position=${position}&wait=1`)).events, []);
    const waiting = events(`?position=${position}&wait=60`);
    await send(device, '{"late":1}');
    assert.deepEqual(bodies(await waiting), [{ late: 1 }]);
  });
  it('tells where partitions begin and end', async () => {
    const { json } = await s.rest.get('/events/partitions');
    assert.deepEqual(json.map((item) => item.partition), ['0', '1', '2', '3']);
    const { events: [first, , last] } = await events();
    const home = json[Number(first.partition)];
    assert.deepEqual([home.isEmpty, home.beginSequenceNumber, home.lastEnqueuedSequenceNumber >= last.sequenceNumber], [false, 0, true]);
    assert.ok(json.some((item) => item.isEmpty && item.lastEnqueuedSequenceNumber === -1));
  });
  it('streams what comes, and goes on after a crash where the client was', async () => {
    const stream = await watchEvents(s.rest);
    assert.equal(stream.headers['content-type'], 'text/event-stream');
    await send(device, '{"live":1}');
    assert.deepEqual((await stream.next()).data.body, { live: 1 });
    const seen = stream.id;
    await send(other, '{"live":2}');
    await s.hub.kill9();
    stream.close();
    await s.hub.start();
    const second = await watchEvents(s.rest, { lastEventId: seen });
    assert.deepEqual((await second.next()).data.body, { live: 2 });
    second.close();
    const third = await watchEvents(s.rest, { query: 'from=earliest&device=a' });
    assert.deepEqual([(await third.next()).data.bodyBase64, (await third.next()).data.body], ['cGxhaW4=', { live: 2 }]);
    third.close();
  });
  it('is for those who may connect as a service', async () => {
    assertFault(await s.rest.get('/events', { auth: null }), 401, 'IotHubUnauthorizedAccess');
  });
  for (const [query, text] of [
    ['partition=4', /partition/], ['after=1', /need a partition/], ['partition=0&after=x', /sequence number/],
    ['since=yesterday', /since/], ['from=middle', /from/], ['limit=0', /limit/], ['limit=1001', /1000/], ['wait=61', /wait/],
    ['position=1.2', /position/], ['from=latest&since=2024-01-01T00:00:00Z', /only one/], ['partition=0&device=a', /partition 2/],
    ['partition=1&after=4000', /no event 4000 yet/],
  ]) {
    it(`refuses ${query}`, async () => {
      assertFault(await s.rest.get(`/events?${query}`), 400, 'ArgumentInvalid', text);
    });
  }

  it('muster events: what is there, of one device, as lines or JSON', async () => {
    const run = async (...args) => {
      const end = await muster(['events', '--data', s.hub.dir, ...args]);
      assert.equal(end.code, 0, end.stderr);
      return end.stdout.trimEnd().split('\n');
    };
    const lines = await run();
    assert.match(lines[0], /^\d{4}-\d\d-\d\dT[\d:.]+Z? +dev1 +\{"t":21\.5\}$/);
    assert.match(lines[1], / a +plain$/);
    assert.equal((await run('--limit', '2')).length, 2);
    const [json] = await run('--device', 'a', '--json', '--since', '1h');
    assert.equal(JSON.parse(json).deviceId, 'a');
    assert.equal((await muster(['events', '--data', s.hub.dir, '--since', 'soon'])).code, 2);
  });
  it('muster events --follow: what comes from now on', async () => {
    const [last] = (await events()).events.slice(-1);
    const child = spawn(MUSTER, ['events', '--data', s.hub.dir, '--follow', '--json', '--since', last.enqueuedTimeUtc], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = new Inbox('line');
    readline.createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
    assert.deepEqual((await lines.next()).offset, last.offset, 'it listens');
    const device2 = await openClient(s.hub, await newDevice(s.hub, 'late'));
    await send(device2, '{"f":1}');
    assert.deepEqual((await lines.next()).body, { f: 1 });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGINT');
    assert.equal(await ended, 0);
    await Promise.all([device2, device, other].map((client) => client.close()));
  });
});
