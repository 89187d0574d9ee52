// What the README promises: with nothing but a connection string and NODE_EXTRA_CA_CERTS, a program of
// ten lines talks to the hub.
'use strict';
const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const { it } = require('node:test');
const { newDevice } = require('./lib/sdk');
const { withHub } = require('./lib/suite');

withHub('NODE_EXTRA_CA_CERTS is all that an SDK program needs', (s) => {
  const run = (program, env, trusted = true) => new Promise((resolve) => {
    const all = { ...process.env, ...env, NODE_EXTRA_CA_CERTS: s.hub.caFile };
    if (!trusted) delete all.NODE_EXTRA_CA_CERTS;
    delete all.NODE_OPTIONS;
    execFile(process.execPath, ['-e', program], { cwd: __dirname, env: all, timeout: 120000 },
      (error, stdout, stderr) => resolve({ error, stdout: stdout.trim(), stderr }));
  });

  it('for a service program', async () => {
    const program = `
      const { Registry } = require('azure-iothub');
      const registry = Registry.fromConnectionString(process.env.CS);
      registry.create({ deviceId: 'mine' }).then(() => registry.get('mine'))
        .then(({ responseBody }) => console.log(responseBody.deviceId), (error) => { console.error(error); process.exitCode = 1; })
        .finally(() => process.exit());`;
    const { error, stdout, stderr } = await run(program, { CS: s.hub.connectionString() });
    assert.equal(error, null, stderr);
    assert.equal(stdout, 'mine');
  });

  for (const transport of ['Mqtt', 'MqttWs']) {
    it(`for a device program, ${transport}`, async () => {
      const { deviceId, key } = await newDevice(s.hub, `with-${transport}`);
      const program = `
        const { Client, Message } = require('azure-iot-device');
        const { ${transport} } = require('azure-iot-device-mqtt');
        const client = Client.fromConnectionString(process.env.CS, ${transport});
        client.open().then(() => client.sendEvent(new Message('hello')))
          .then(() => client.close()).then(() => console.log('sent'), (error) => { console.error(error); process.exitCode = 1; })
          .finally(() => process.exit());`;
      const env = { CS: s.hub.deviceConnectionString(deviceId, key) };
      const { error, stdout, stderr } = await run(program, env);
      assert.equal(error, null, stderr);
      assert.equal(stdout, 'sent');
      const untrusting = await run(program, env, false);
      assert.notEqual(untrusting.error, null, 'a device does not talk to a hub that it cannot verify');
      assert.match(untrusting.stderr, /self-signed certificate|UnauthorizedError|unable to verify/i);
    });
  }
});
