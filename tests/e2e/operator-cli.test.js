// `muster device`, `muster twin`, `muster message` and `muster query`: an operator's daily work from the command line.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { before, it } = require('node:test');
const { muster } = require('./lib/hub');
const { RawMqtt, write } = require('./lib/mqtt');
const { withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

withHub('muster device, twin, message, query', (s) => {
  const file = (name, content) => {
    const at = path.join(s.hub.dir, '..', name);
    fs.writeFileSync(at, content);
    return at;
  };
  const run = (family, ...args) => {
    const word = family === 'query' ? [] : [args.shift()];
    return muster([family, ...word, '--data', s.hub.dir, ...args]);
  };
  const good = async (...args) => {
    const end = await run(...args);
    assert.equal(end.code, 0, end.stderr);
    assert.equal(end.stderr, '');
    return end.stdout;
  };
  const lines = (text) => text.trimEnd().split('\n');
  const identity = async (id) => (await s.rest.get(`/devices/${id}`)).json;

  before(async () => {
    for (const id of ['a', 'b', 'c']) assert.equal(await good('device', 'create', id), `device ${id} created\n`);
  });

  it('device create: what options say', async () => {
    const thumbprint = 'ab'.repeat(20), key = Buffer.alloc(32, 1).toString('base64');
    await good('device', 'create', 'edge', '--edge', '--disabled', '--reason', 'not yet paid');
    const made = await identity('edge');
    assert.deepEqual([made.status, made.statusReason, made.capabilities.iotEdge], ['disabled', 'not yet paid', true]);
    await good('device', 'create', 'leaf', '--scope', made.deviceScope);
    assert.equal((await identity('leaf')).deviceScope, made.deviceScope);
    await good('device', 'create', 'x509', '--thumbprint', thumbprint);
    const { authentication } = await identity('x509');
    assert.deepEqual([authentication.type, authentication.x509Thumbprint.primaryThumbprint.toLowerCase()], ['selfSigned', thumbprint]);
    const json = JSON.parse(await good('device', 'create', 'known', '--key', key, '--second-key', key, '--json'));
    assert.equal(json.authentication.symmetricKey.primaryKey, key);
    assert.equal(await good('device', 'create', 'a', '--module', 'm'), 'module a/m created\n');
    assert.equal((await s.rest.get('/devices/a/modules/m')).status, 200);
  });
  it('device show: no keys, unless as JSON', async () => {
    const { primaryKey } = (await identity('b')).authentication.symmetricKey;
    const text = await good('device', 'show', 'b');
    assert.match(text, /^deviceId +b\nstatus +enabled\n/);
    assert.ok(!text.includes(primaryKey));
    assert.equal(JSON.parse(await good('device', 'show', 'b', '--json')).authentication.symmetricKey.primaryKey, primaryKey);
    assert.match(await good('device', 'show', 'a', '--module', 'm'), /^deviceId +a\nmoduleId +m\n/);
  });
  it('device list: a table, or JSON lines', async () => {
    const [header, ...rows] = lines(await good('device', 'list', '--where', "deviceId IN ['a', 'b']"));
    assert.match(header, /^deviceId  status   connectionState  lastActivityTime$/);
    assert.deepEqual(rows.map((row) => row.split(/ +/).slice(0, 3)), [['a', 'enabled', 'Disconnected'], ['b', 'enabled', 'Disconnected']]);
    const all = lines(await good('device', 'list', '--json')).map((line) => JSON.parse(line).deviceId);
    assert.deepEqual(all.filter((id) => id.length === 1).sort(), ['a', 'b', 'c']);
    assert.equal(lines(await good('device', 'list', '--limit', '2')).length, 3);
  });
  it('device disable ends the connection, enable lets it come again', async () => {
    const key = (await identity('c')).authentication.symmetricKey.primaryKey;
    const client = await RawMqtt.connect(s.hub, { deviceId: 'c', key }, { clean: true });
    assert.equal(await good('device', 'disable', 'c', '--reason', 'stolen'), 'device c disabled\n');
    await client.closed;
    const { status, statusReason, authentication } = await identity('c');
    assert.deepEqual([status, statusReason, authentication.symmetricKey.primaryKey], ['disabled', 'stolen', key]);
    assert.equal(JSON.parse(await good('device', 'enable', 'c', '--json')).status, 'enabled');
    assert.equal((await identity('c')).statusReason, null);
  });
  it('device keys: shown, rotated, swapped', async () => {
    const keysOf = async (id) => (await identity(id)).authentication.symmetricKey;
    const was = await keysOf('b');
    assert.match(await good('device', 'keys', 'b'), new RegExp(`connectionString +${s.hub.deviceConnectionString('b', was.primaryKey).replace(/[+/]/g, '\\$&')}\n`));
    const shown = JSON.parse(await good('device', 'keys', 'b', '--rotate', 'secondary', '--json'));
    const now = await keysOf('b');
    assert.deepEqual([shown.primaryKey, shown.secondaryKey], [now.primaryKey, now.secondaryKey]);
    assert.equal(now.primaryKey, was.primaryKey);
    assert.notEqual(now.secondaryKey, was.secondaryKey);
    await good('device', 'keys', 'b', '--rotate', 'swap');
    assert.deepEqual(await keysOf('b'), { primaryKey: now.secondaryKey, secondaryKey: now.primaryKey });
    await good('device', 'keys', 'b', '--rotate', 'both');
    const last = await keysOf('b');
    assert.equal(new Set([...Object.values(last), ...Object.values(now)]).size, 4);
    assert.match(await good('device', 'keys', 'a', '--module', 'm'), /DeviceId=a;ModuleId=m;/);
  });
  it('device delete', async () => {
    await good('device', 'create', 'gone');
    assert.equal(await good('device', 'delete', 'gone'), 'device gone deleted\n');
    assert.equal((await s.rest.get('/devices/gone')).status, 404);
    await good('device', 'create', 'b', '--module', 'gone');
    assert.equal(await good('device', 'delete', 'b', '--module', 'gone'), 'module b/gone deleted\n');
    assert.equal((await s.rest.get('/devices/b')).status, 200);
  });

  it('mistakes are told, and change nothing', async () => {
    for (const [args, text] of [
      [['twin', 'update', 'a', '{"desired":{"x":1}}'], /changes nothing: it has neither tags nor properties\.desired/],
      [['twin', 'update', 'a', '{"properties":{"reported":{"x":1}}}'], /changes nothing/],
      [['twin', 'update', 'a', '{}'], /changes nothing/],
      [['message', 'send', 'a', 'x', '--property', 'a b=c'], /--property 'a b=c': a name has letters/],
      [['device', 'create', 'never', '--bogus'], /^muster device create: unrecognized option '--bogus'/],
    ]) {
      const end = await run(...args);
      assert.equal(end.code, 2, end.stderr);
      assert.match(end.stderr, text);
    }
    const end = await muster(['device', 'list', '--connection-string', 'nonsense']);
    assert.deepEqual([end.code, end.stderr], [2, "muster device list: the connection string is wrong: a field has no '='\n"]);
  });
  it('output that cannot be written is a failure', async () => {
    const full = fs.openSync('/dev/full', 'w');
    for (const args of [['device', 'list', '--data', s.hub.dir], ['connection-string', '--data', s.hub.dir], ['query', '--data', s.hub.dir, 'SELECT * FROM devices']]) {
      const end = await muster(args, { stdio: ['ignore', full, 'pipe'] }).catch((error) => error);
      assert.equal(end.code, 1, end.stderr);
      assert.match(end.stderr, /cannot write standard output/);
    }
    fs.closeSync(full);
  });
  it('twin update: a patch from an argument, a file, its parts', async () => {
    await good('twin', 'update', 'a', '{"tags":{"site":"north","old":1},"properties":{"desired":{"x":1}}}');
    await good('twin', 'update', 'a', '--file', file('patch.json', '{"tags":{"old":null}}'));
    const text = await good('twin', 'update', 'a', '--tags', '{"site":"süd","nested":{"deep":[1,2]}}', '--desired', '{"y":{"z":2}}');
    assert.match(text, /\ntags\n {2}site: "süd"\n {2}nested:\n {4}deep: \[1,2\]\n\ndesired\n {2}x: 1\n {2}y:\n {4}z: 2\n {2}\$version: 3\n\nreported\n/);
    assert.ok(!text.includes('$lastUpdated'));
    assert.equal(await good('twin', 'show', 'a'), text);
    const twin = JSON.parse(await good('twin', 'show', 'a', '--json'));
    assert.deepEqual(twin, (await s.rest.get('/twins/a')).json);
    await good('twin', 'update', 'a', '--tags', '{"only":1}', '--replace', '--etag', twin.etag);
    assert.deepEqual((await s.rest.get('/twins/a')).json.tags, { only: 1 });
    const late = await run('twin', 'update', 'a', '--tags', '{}', '--etag', twin.etag);
    assert.deepEqual([late.code, late.stderr.includes('412 PreconditionFailed')], [1, true], late.stderr);
    await good('twin', 'update', 'a', '--module', 'm', '--desired', '{"m":1}');
    assert.equal((await s.rest.get('/twins/a/modules/m')).json.properties.desired.m, 1);
  });

  it('query: rows as a table or as JSON, over pages', async () => {
    await Promise.all(Array.from({ length: 250 }, (_, i) => s.rest.put(`/devices/many-${i}`, { deviceId: `many-${i}` })));
    const text = "SELECT deviceId, status AS state FROM devices WHERE STARTSWITH(deviceId, 'many-')";
    const table = lines(await good('query', text));
    assert.equal(table.length, 251, 'one header over all pages');
    assert.match(table[0], /^deviceId  state$/);
    assert.match(table[1], /^many-\d+ +enabled$/);
    const json = lines(await good('query', text, '--json')).map(JSON.parse);
    assert.deepEqual(new Set(json.map((row) => row.deviceId)).size, 250);
    assert.equal(lines(await good('query', text, '--json', '--limit', '120')).length, 120);
    assert.equal(await good('query', 'SELECT tags.only AS only, COUNT() AS n FROM devices WHERE tags.only = 1 GROUP BY tags.only'), 'only  n\n1     1\n');
    assert.match(await good('query', "SELECT * FROM devices WHERE deviceId = 'a'"), /^deviceId  status   connectionState  version  tags\na +enabled  Disconnected +\d+ +\{"only":1\}\n$/);
    assert.equal(await good('query', 'SELECT * FROM devices WHERE deviceId = 1'), '');
    assert.match(await good('query', 'EXPLAIN SELECT * FROM devices'), /"way": "scan"/);
  });

  it('message: sent with properties, taken by the device, told in feedback, purged', async () => {
    const key = (await identity('b')).authentication.symmetricKey.primaryKey;
    const client = await RawMqtt.connect(s.hub, { deviceId: 'b', key }, { clean: true });
    const body = file('message.json', '{"valve":"open"}');
    assert.match(await good('message', 'send', 'b', 'good morning', '--message-id', 'm-1', '--ack', 'full', '--property', 'kind=greeting', '--property', 'none='), /^message m-1 waits until \d{4}-.*Z\n$/);
    const sent = JSON.parse(await good('message', 'send', 'b', '--file', body, '--content-type', 'application/json', '--life', '60', '--json'));
    const life = Date.parse(sent.expiryTimeUtc) - Date.parse(sent.enqueuedTimeUtc);
    assert.ok(life > 0 && life <= 60000, `${life}`);
    await client.subscribe(['devices/b/messages/devicebound/#', 1]);
    const [first, second] = [await client.message(), await client.message()];
    for (const { id } of [first, second]) client.send(write.puback(id));
    assert.equal(first.payload, 'good morning');
    assert.match(decodeURIComponent(first.topic), /[/&]kind=greeting(&|$)/);
    assert.match(decodeURIComponent(first.topic), /[/&]none=(&|$)/);
    assert.equal(second.payload, '{"valve":"open"}');
    assert.match(decodeURIComponent(second.topic), /\$\.ct=application\/json/);
    await client.ping();
    await client.bye();
    const seen = await until(async () => (await good('message', 'feedback', '--keep', '--json')) || undefined, 'feedback');
    assert.deepEqual(JSON.parse(seen).originalMessageId, 'm-1', 'a look leaves it there');
    assert.match(await good('message', 'feedback'), /^\d{4}-\S+Z +b +m-1 +Success\n$/);
    assert.equal(await good('message', 'feedback'), '', 'and then it is taken');
    for (const text of ['one', 'two']) await good('message', 'send', 'c', text);
    assert.equal(await good('message', 'purge', 'c'), '2 messages dropped\n');
    assert.deepEqual(JSON.parse(await good('message', 'purge', 'c', '--json')), { deviceId: 'c', totalMessagesPurged: 0 });
  });

  for (const [rule, args, code, text] of [
    ['a message of nothing', ['message', 'send', 'a'], 2, /what shall it say/],
    ['two things to say', ['message', 'send', 'a', 'x', '--file', '-'], 2, /what shall it say/],
    ['a property that is none', ['message', 'send', 'a', 'x', '--property', 'kind'], 2, /NAME=VALUE, not 'kind'/],
    ['a property that would be a header', ['message', 'send', 'a', 'x', '--property', 'k=v\r\niothub-ack: full'], 2, /control characters/],
    ['an ack that is none', ['message', 'send', 'a', 'x', '--ack', 'some'], 2, /--ack takes none, positive, negative or full, not 'some'/],
    ['a message to nobody', ['message', 'send', 'nobody', 'x'], 1, /404 DeviceNotFound/],
    ['a purge of nobody', ['message', 'purge', 'nobody'], 1, /404 DeviceNotFound/],
    ['a device that is not there', ['device', 'show', 'nobody'], 1, /nobody.*404 DeviceNotFound/],
    ['a device that is there', ['device', 'create', 'a'], 1, /409 DeviceAlreadyExists/],
    ['no device named', ['device', 'show'], 2, /too few arguments.*device show ID/],
    ['two devices named', ['device', 'delete', 'a', 'b'], 2, /too many arguments/],
    ['another command\'s option', ['device', 'show', 'a', '--disabled'], 2, /--disabled does not belong here/],
    ['a word that --rotate does not know', ['device', 'keys', 'a', '--rotate', 'all'], 2, /primary, secondary, both or swap/],
    ['keys of who has none', ['device', 'keys', 'x509', '--rotate', 'both'], 2, /does not use keys/],
    ['a policy without rights', ['policy', 'add', 'a'], 2, /--rights is missing.*policy add NAME/],
    ['a route without a source', ['route', 'add', 'a'], 2, /--source is missing.*route add NAME/],
    ['a right that is none', ['policy', 'add', 'a', '--rights', 'RegistryRead,Foo'], 2, /--rights takes RegistryRead, .*not 'RegistryRead,Foo'/],
    ['a key that a policy has not', ['policy', 'rotate', 'service', '--key', 'third'], 2, /--key takes primary, secondary or both, not 'third'/],
    ['a word that joins others', ['policy', 'rotate', 'service', '--key', 'or'], 2, /not 'or'/],
    ['a proof that is none', ['device', 'create', 'z', '--auth', 'x509'], 2, /--auth takes sas, selfSigned, certificateAuthority or none, not 'x509'/],
    ['a source that is none', ['route', 'add', 'a', '--source', 'Rumours'], 2, /--source 'Rumours'/],
    ['a profile that no hub has', ['quota', 'set', 'S9'], 2, /none, F1, S1, S2 or S3/],
    ['another family\'s option', ['ca', 'list', '--units', '2'], 2, /--units does not belong here/],
    ['a condition that is none', ['device', 'list', '--where', 'tags.site ='], 1, /expected a value/],
    ['an update of nothing', ['twin', 'update', 'a'], 2, /what shall change/],
    ['two patches', ['twin', 'update', 'a', '{}', '--tags', '{}'], 2, /one of the three/],
    ['a patch that is no JSON', ['twin', 'update', 'a', '{tags:1}'], 2, /the patch is not JSON/],
    ['tags that are no object', ['twin', 'update', 'a', '--tags', '[]'], 2, /--tags must be a JSON object/],
    ['a file that is not there', ['twin', 'update', 'a', '--file', '/nonexistent'], 2, /cannot open '\/nonexistent'/],
    ['a query with a slip', ['query', 'SELECT * FORM devices'], 1, /did you mean 'FROM'/],
  ])
    it(`${rule}: exit code ${code} and a sentence`, async () => {
      const end = await run(...args);
      assert.equal(end.code, code, end.stderr);
      assert.match(end.stderr, text);
      assert.equal(end.stderr.trim().split('\n').length, 1, end.stderr);
    });
  it('every command has help', async () => {
    const commands = { device: ['list', 'show', 'create', 'delete', 'enable', 'disable', 'keys'], twin: ['show', 'update'], message: ['send', 'purge', 'feedback'],
      ca: ['list', 'show', 'add', 'code', 'verify', 'remove'], policy: ['list', 'show', 'add', 'rotate', 'remove'],
      quota: ['show', 'set'], route: ['list', 'show', 'add', 'enable', 'disable', 'remove', 'test'] };
    const all = [['query'], ...Object.entries(commands).flatMap(([family, words]) => [[family], ...words.map((word) => [family, word])])];
    for (const words of all) {
      const { code, stdout } = await muster([...words, '--help']);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^usage: muster ${words.join(' ')}`));
      assert.ok(stdout.split('\n').every((line) => line.length <= 100), stdout);
    }
  });
});
