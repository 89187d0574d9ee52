// The Node service SDK's Registry, every call of it that is about identities, twins and counts.
'use strict';
const assert = require('node:assert/strict');
const { before, it } = require('node:test');
const { newDevice, openClient, registryOf } = require('./lib/sdk');
const { withHub } = require('./lib/suite');
const { until } = require('./lib/wait');

const key = (n) => Buffer.alloc(32, n).toString('base64');
const PRINT = 'AB'.repeat(20);

withHub('Registry of azure-iothub', (s) => {
  let registry;
  before(() => (registry = registryOf(s.hub)));
  const read = async (id) => (await registry.get(id)).responseBody;

  it('create takes every kind of credentials', async () => {
    const made = async (deviceId, authentication) => (await registry.create({ deviceId, authentication })).responseBody.authentication;
    const keys = { primaryKey: key(1), secondaryKey: key(2) };
    assert.deepEqual((await made('keys', { symmetricKey: keys })).symmetricKey, keys);
    const prints = await made('prints', { x509Thumbprint: { primaryThumbprint: PRINT } });
    assert.deepEqual([prints.type, prints.x509Thumbprint.primaryThumbprint], ['selfSigned', PRINT]);
    assert.equal((await made('signed', { type: 'certificateAuthority' })).type, 'certificateAuthority');
    assert.equal((await made('none')).type, 'sas');
  });

  it('update changes status and reason, and says when', async () => {
    const old = await read('keys');
    assert.match(old.statusUpdatedTime, /^0001-01-01/);
    await registry.update({ ...old, status: 'disabled', statusReason: 'stolen' });
    const now = await read('keys');
    assert.deepEqual([now.status, now.statusReason, now.generationId], ['disabled', 'stolen', old.generationId]);
    assert.ok(Date.parse(`${now.statusUpdatedTime}Z`) > Date.parse('2020-01-01'));
    await registry.update({ ...now, statusReason: 'found' });
    assert.equal((await read('keys')).statusUpdatedTime, now.statusUpdatedTime, 'the status stayed');
    assert.equal((await registry.getTwin('keys')).responseBody.statusUpdateTime, `${now.statusUpdatedTime}Z`);
  });

  it('update exchanges keys, one or both', async () => {
    const device = await read('keys');
    device.authentication.symmetricKey.secondaryKey = key(3);
    await registry.update(device);
    assert.deepEqual((await read('keys')).authentication.symmetricKey, { primaryKey: key(1), secondaryKey: key(3) });
  });

  it('update changes the kind of credentials, there and back', async () => {
    await registry.update({ deviceId: 'none', authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: PRINT } } });
    assert.equal((await read('none')).authentication.symmetricKey.primaryKey, null);
    await registry.update({ deviceId: 'none', authentication: { type: 'sas' } });
    const { symmetricKey, x509Thumbprint, type } = (await read('none')).authentication;
    assert.deepEqual([type, x509Thumbprint.primaryThumbprint], ['sas', null]);
    assert.equal(Buffer.from(symmetricKey.primaryKey, 'base64').length, 32);
  });

  it('updateDevices and removeDevices obey etags unless they are forced', async () => {
    await registry.addDevices([{ deviceId: 'b1' }, { deviceId: 'b2' }]);
    const stale = [await read('b1'), await read('b2')];
    await registry.update({ ...stale[0], statusReason: 'changed' });
    await assert.rejects(registry.updateDevices(stale, false), { name: 'ArgumentError' });
    assert.equal((await read('b1')).statusReason, 'changed', 'not lost');
    await assert.rejects(registry.removeDevices([stale[0]], false), { name: 'ArgumentError' });
    await registry.updateDevices([{ ...(await read('b1')), statusReason: 'known' }], false);
    assert.equal((await read('b1')).statusReason, 'known');
    await registry.updateDevices([{ ...stale[0], statusReason: 'forced' }], true);
    assert.equal((await read('b1')).statusReason, 'forced');
    await registry.removeDevices([await read('b1')], false);
    await registry.removeDevices([stale[1]], true);
    await assert.rejects(registry.get('b2'), { name: 'DeviceNotFoundError' });
  });

  it('twins are read and changed under an etag', async () => {
    const { responseBody: twin } = await registry.getTwin('keys');
    const { responseBody: changed } = await registry.updateTwin('keys', { tags: { site: 'north' } }, twin.etag);
    assert.equal(changed.tags.site, 'north');
    await assert.rejects(registry.updateTwin('keys', { tags: { site: 'south' } }, twin.etag), { name: 'InvalidEtagError' });
    await changed.update({ properties: { desired: { fan: 1 } } });
    assert.equal((await registry.getTwin('keys')).responseBody.properties.desired.fan, 1);
  });

  it('list and statistics agree', async () => {
    const { responseBody: devices } = await registry.list();
    const { responseBody: counts } = await registry.getRegistryStatistics();
    const disabled = devices.filter(({ status }) => status === 'disabled').length;
    assert.deepEqual(counts, {
      totalDeviceCount: devices.length, enabledDeviceCount: devices.length - disabled, disabledDeviceCount: disabled,
    });
    assert.equal(disabled, 1);
  });

  it('who is connected, since when, and when last active, is the same everywhere', async () => {
    const client = await openClient(s.hub, await newDevice(s.hub, 'live'));
    const three = async () => {
      const device = await read('live'), twin = (await registry.getTwin('live')).responseBody;
      const [row] = (await registry.createQuery("SELECT * FROM devices WHERE deviceId = 'live'").nextAsTwin()).result;
      return { device, twin, row };
    };
    const live = await three();
    for (const found of Object.values(live)) assert.equal(found.connectionState, 'Connected');
    assert.equal(live.twin.lastActivityTime, `${live.device.lastActivityTime}Z`);
    assert.equal(live.row.lastActivityTime, live.twin.lastActivityTime);
    assert.ok(live.device.connectionStateUpdatedTime > '2020');
    await client.sendEvent(new (require('azure-iot-device').Message)('{}'));
    assert.ok((await three()).device.lastActivityTime > live.device.lastActivityTime, 'a message is activity');
    await client.close();
    await until(async () => (await read('live')).connectionState === 'Disconnected', 'the end');
    const gone = await three();
    for (const found of Object.values(gone)) assert.equal(found.connectionState, 'Disconnected');
    assert.ok(gone.device.connectionStateUpdatedTime > live.device.connectionStateUpdatedTime);
  });

  it('delete takes the device and its twin', async () => {
    await registry.delete('keys');
    await assert.rejects(registry.getTwin('keys'), { name: 'DeviceNotFoundError' });
    await assert.rejects(registry.delete('keys'), { name: 'DeviceNotFoundError' });
  });
});
