// Access policies come, go and get new keys while the hub runs.
'use strict';
const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Registry } = require('azure-iothub');
const { muster, startHub } = require('./lib/hub');
const { Rest } = require('./lib/http');
const { sas } = require('./lib/sas');

const registry = (hub, name, key) =>
  Registry.fromConnectionString(`HostName=${hub.host};SharedAccessKeyName=${name};SharedAccessKey=${key}`);
const works = async (client) => (await client.list()).responseBody.length >= 0;

describe('access policies', () => {
  let hub, rest;
  const cli = (...args) => muster(['policy', ...args, '--data', hub.dir, '--address', '127.0.0.1']);
  const shown = async (...args) => {
    const end = await cli(...args, '--json');
    assert.equal(end.code, 0, end.stderr);
    return end.stdout ? JSON.parse(end.stdout) : null;
  };

  before(async () => {
    hub = await startHub();
    rest = new Rest(hub);
  });
  after(async () => {
    rest.close();
    await hub.finish();
  });

  it('a list has names and rights, and no keys', async () => {
    const { status, json } = await rest.get('/policies');
    assert.equal(status, 200);
    assert.deepEqual(json.find((p) => p.keyName === 'service'), { keyName: 'service', rights: 'ServiceConnect' });
    assert.deepEqual(json.map((p) => p.keyName), ['iothubowner', 'service', 'device', 'registryRead', 'registryReadWrite']);
    const end = await cli('list');
    assert.match(end.stdout, /iothubowner +RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect/);
  });

  it('a new policy works at once, with the rights it has and no others, and after a restart', async () => {
    const made = await shown('add', 'auditor', '--rights', 'registryread');
    assert.equal(made.rights, 'RegistryRead');
    const client = registry(hub, 'auditor', made.primaryKey);
    assert.ok(await works(client));
    await assert.rejects(client.create({ deviceId: 'x' }), /Unauthorized/);
    await hub.restart();
    assert.ok(await works(registry(hub, 'AUDITOR', made.secondaryKey)), 'names go without case');
    rest.close();
    rest = new Rest(hub);
  });

  it('a rotated key counts no more, even on a connection that has proven it; the other one does', async () => {
    const { primaryKey, secondaryKey } = await shown('show', 'auditor');
    const old = new Rest(hub, 'auditor');
    const auth = sas({ sr: hub.host, key: primaryKey, skn: 'auditor' });
    assert.equal((await old.get('/devices', { auth })).status, 200);
    const now = await shown('rotate', 'auditor', '--key', 'primary');
    assert.notEqual(now.primaryKey, primaryKey);
    assert.equal(now.secondaryKey, secondaryKey);
    assert.equal((await old.get('/devices', { auth })).status, 401);
    old.close();
    assert.ok(await works(registry(hub, 'auditor', secondaryKey)));
    assert.ok(await works(registry(hub, 'auditor', now.primaryKey)));
  });

  it('a removed policy opens nothing', async () => {
    const { primaryKey } = await shown('show', 'auditor');
    assert.equal(await shown('remove', 'auditor'), null);
    await assert.rejects(registry(hub, 'auditor', primaryKey).list(), /Unauthorized/);
    assert.equal((await rest.get('/policies/auditor')).status, 404);
  });

  const refusals = [
    ['a name that is there is not given twice', ['add', 'Service', '--rights', 'DeviceConnect'], 1, /exists already/],
    ['the last owner stays', ['remove', 'iothubowner'], 1, /last policy with all rights/],
    ['rights are known words', ['add', 'a', '--rights', 'Everything'], 2, /RegistryRead, RegistryWrite, ServiceConnect or DeviceConnect/],
    ['a policy has rights', ['add', 'a'], 2, /usage/],
    ['what is not there is not removed', ['remove', 'nobody'], 1, /no policy 'nobody'/],
    ['nor rotated', ['rotate', 'nobody'], 1, /no policy 'nobody'/],
    ['a key is the first, the second or both', ['rotate', 'service', '--key', 'third'], 2, /primary, secondary or both/],
    ['a name is plain', ['add', 'a b', '--rights', 'RegistryRead'], 2, /letters, digits/],
  ];
  for (const [rule, args, code, text] of refusals)
    it(rule, async () => {
      const end = await cli(...args);
      assert.equal(end.code, code, end.stderr);
      assert.match(end.stderr, text);
    });
});
